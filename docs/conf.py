"""Sphinx configuration: ``bash .ci/docs`` builds the site."""

import inspect
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

project = "otopt"
author = "The otopt developers"
project_copyright = "2026, The otopt developers"
release = installed_version("otopt")
version = release

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",  # the pages need no network
]
exclude_patterns = ["_build", "_templates", "examples"]
nitpicky = False
templates_path = ["_templates"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc sections say it in words, with shapes
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
    "matplotlib_animations": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "otopt"
html_static_path = ["_static"]
# Pages in no folder have no neighbours to navigate between.
html_sidebars = {"*": []}
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}


def is_of_others(app, what, name, obj, skip, options):
    """Leave methods that come with torch, scikit-learn and Python to their documentation."""
    module = getattr(obj, "__module__", None) or ""
    return True if inspect.isroutine(obj) and not module.startswith(("otopt", "ml_apps")) else None


def setup(app):
    """Before sources are looked for, the page of benchmarks is written."""
    app.connect("autodoc-skip-member", is_of_others)
    # A process of its own: benchmarks pin the threads of the one that loads them.
    command = [sys.executable, "-m", "benchmarks.report"]
    root = Path(__file__).parents[1]
    app.connect("builder-inited", lambda _: subprocess.run(command, cwd=root, check=True))
