r"""
One, two, three sources for each target
=======================================

Twelve depots serve forty-eight customers. Ordinary optimal transport decides by itself how many
depots feed a customer; :func:`otopt.sparse_ot` is told.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection

import otopt

rng = np.random.default_rng(3)
depots = rng.uniform(size=(12, 2))
customers = rng.uniform(size=(48, 2))
supply, demand = np.full(12, 1 / 12), np.full(48, 1 / 48)
C = ((depots[:, None] - customers[None]) ** 2).sum(axis=2)

# %%
# A quadratic term with a generous weight spreads the mass of a customer over as many depots as
# the rule allows. With ``k=None`` there is no rule: this is quadratically regularised
# transport.

limits = [1, 2, 3, None]
results = [otopt.sparse_ot(supply, demand, C, k, reg=12.0).raise_if_failed() for k in limits]

# %%
# Every line is a nonzero of the plan, its width the mass that it carries.


def draw_plan(axes, result):
    """Draw the links of a plan between its two point clouds."""
    plan = result.plan.tocoo()
    links = np.stack([depots[plan.row], customers[plan.col]], axis=1)
    widths = 4.0 * plan.data / demand[0]
    axes.add_collection(
        LineCollection(links, linewidths=widths, colors="0.35", alpha=0.55, zorder=1)
    )
    axes.scatter(*customers.T, s=22, color="tab:orange", zorder=2)
    axes.scatter(*depots.T, s=75, color="tab:blue", marker="s", zorder=3)
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)


def draw_plans(results, limits):
    """Draw the plans side by side."""
    figure, panels = plt.subplots(1, len(results), figsize=(13, 3.9), layout="constrained")
    for axes, result, k in zip(panels, results, limits, strict=True):
        draw_plan(axes, result)
        axes.set_title("no limit" if k is None else f"k = {k}", fontsize=15)
        axes.set_xlabel(f"{result.plan.nnz} links, value {result.value:.3f}", fontsize=12)
    return figure


figure = draw_plans(results, limits)

# sphinx_gallery_start_ignore
# The README's picture: python docs/examples/plot_sparse_plans.py docs/_static/sparse_plans.png
import sys  # noqa: E402

if len(sys.argv) > 1:
    figure.savefig(sys.argv[1], dpi=100)
# sphinx_gallery_end_ignore

# %%
# The same plans as matrices, depots down and customers across. No column has more than k
# nonzeros, and all rows and columns sum to what they should.

figure, panels = plt.subplots(len(results), 1, figsize=(9, 8), layout="constrained", sharex=True)
for axes, result, k in zip(panels, results, limits, strict=True):
    axes.imshow(result.plan.toarray(), cmap="Blues", aspect="auto")
    per_column = np.diff(result.plan.indptr).max()
    axes.set_title(
        f"{'no limit' if k is None else f'k = {k}'}: at most {per_column} a column, "
        f"marginal error {result.marginal_error:.0e}, gap {max(result.gap, 0):.0e}",
        fontsize=11,
    )
    axes.set(yticks=[], ylabel="depots")
_ = panels[-1].set_xlabel("customers")
