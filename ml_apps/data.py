"""Real data sets, found on this machine or fetched: `load_images` and `load_table`.

Places are tried in this order, and an error lists them: the folder in the environment variable
OTOPT_DATA, the folder ``shared/data`` beside the repository, the user's cache, and OpenML through
scikit-learn, which checks what it downloads against OpenML's checksum. Nothing is downloaded where
a file is found.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ml_apps._tables import TABLES, Table

__all__ = [
    "IMAGES",
    "TABLES",
    "Images",
    "Table",
    "class_names",
    "load_images",
    "load_table",
    "places",
]

OPENML = {  # name -> OpenML data set
    "mnist": {"name": "mnist_784", "version": 1},
    "fashion_mnist": {"name": "Fashion-MNIST", "version": 1},
    "cifar10": {"name": "CIFAR_10", "version": 1},
}
IMAGES = (*OPENML, "omniglot")
SPLITS = ("train", "test")
# sha256 of the inflated files: whoever compressed them, the images are these.
IDX = {
    ("mnist", "train-images"): "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ("mnist", "train-labels"): "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ("mnist", "t10k-images"): "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ("mnist", "t10k-labels"): "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ("fashion_mnist", "train-images"): (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    ("fashion_mnist", "train-labels"): (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    ("fashion_mnist", "t10k-images"): (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    ("fashion_mnist", "t10k-labels"): (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
# Alphabets kept back for testing: new characters in scripts that were never seen.
OMNIGLOT_TEST = ("Sanskrit", "Tagalog")
CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer",
                 "dog", "frog", "horse", "ship", "truck")  # fmt: skip
FASHION_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                 "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")  # fmt: skip


class Images(NamedTuple):
    """Images and their labels.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, h, w) or (N, h, w, 3)
    labels : ndarray of int, shape (N,)
        Places in `class_names`.
    """

    images: np.ndarray
    labels: np.ndarray


def places():
    """Folders that are searched, in order.

    Returns
    -------
    list of Path

    Examples
    --------
    >>> from ml_apps.data import places
    >>> all(path.is_absolute() for path in places())
    True
    """
    import platformdirs

    chosen = os.environ.get("OTOPT_DATA")
    return [
        *([Path(chosen).expanduser()] if chosen else []),
        Path(__file__).resolve().parents[2] / "shared" / "data",
        Path(platformdirs.user_cache_dir("otopt")) / "data",
    ]


def load_images(name, split="train", *, download=True):
    """Images of a data set, as they are.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10", "omniglot"}
        28 x 28 grey, 28 x 28 grey, 32 x 32 colour, 105 x 105 black on white. CIFAR-10 may be a JPEG
        copy, which is lossy. Omniglot is eight of its alphabets.
    split : {"train", "test"}
        As published; for Omniglot, whose splits share no class, test is Sanskrit and Tagalog.
    download : bool
        Whether to ask OpenML where no file is found.

    Returns
    -------
    Images
        ``(images, labels)``: uint8 of shape (N, h, w) or (N, h, w, 3), and int64 of shape (N,).

    Raises
    ------
    FileNotFoundError
        If it is nowhere; the message lists what was tried.
    ValueError
        For an unknown name or split, and a file whose content is another than it should be.

    Examples
    --------
    >>> from ml_apps.data import load_images
    >>> images, labels = load_images("mnist", "test")  # doctest: +SKIP
    >>> images.shape  # doctest: +SKIP
    (10000, 28, 28)
    """
    _refuse("load_images", "name", name, IMAGES)
    _refuse("load_images", "split", split, SPLITS)
    if name == "omniglot":
        return _omniglot(split)[0]
    if name == "cifar10":
        file, tried = _find(name, f"{split}.zip")
        return _cifar(file, split) if file else _openml_images(name, split, tried, download)
    prefix = {"train": "train", "test": "t10k"}[split]
    arrays, tried = [], []
    for part, kind in (("images", "images-idx3"), ("labels", "labels-idx1")):
        file, tried = _find(name, f"{prefix}-{kind}-ubyte.gz")
        if file is None:
            return _openml_images(name, split, tried, download)
        arrays.append(_idx(file, IDX[name, f"{prefix}-{part}"]))
    return Images(arrays[0], arrays[1].astype(np.int64))


def class_names(name, split="train"):
    """What the labels of `load_images` stand for.

    Parameters
    ----------
    name, split : str
        As for `load_images`.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError, FileNotFoundError
        As `load_images`; only Omniglot's names are read from its files.

    Examples
    --------
    >>> from ml_apps.data import class_names
    >>> class_names("mnist")[:3]
    ('0', '1', '2')
    """
    _refuse("class_names", "name", name, IMAGES)
    _refuse("class_names", "split", split, SPLITS)
    if name == "omniglot":
        return _omniglot(split)[1]
    return {"mnist": tuple("0123456789"), "fashion_mnist": FASHION_NAMES}.get(name, CIFAR10_NAMES)


def load_table(name):
    """A table with sensitive attributes, prepared for learning.

    What each table holds is written beside its recipe in ``ml_apps/_tables.py``. Sensitive
    attributes and what restates them are never among the features.

    Parameters
    ----------
    name : {"adult", "german", "compas", "crime", "law"}

    Returns
    -------
    Table
        Features `X`, target `y`, `sensitive` (a dictionary of label vectors), `feature_names`,
        `task`.

    Raises
    ------
    FileNotFoundError
        If it is nowhere; the message lists what was tried.
    ValueError
        For an unknown name, and a file whose content is another than it should be.

    Examples
    --------
    >>> from ml_apps.data import load_table
    >>> table = load_table("adult")  # doctest: +SKIP
    >>> table.X.shape, list(table.sensitive)  # doctest: +SKIP
    """
    _refuse("load_table", "name", name, tuple(TABLES))
    recipe = TABLES[name]
    file, tried = _find("fairness", recipe.file)
    if file is None:
        raise FileNotFoundError(_message(name, tried, recipe.source))
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            raw = archive.read(recipe.file.removesuffix(".zip"))
    else:
        raw = gzip.decompress(file.read_bytes())
    _check(file, raw, recipe.sha256)
    lines = raw.decode("utf-8").splitlines()
    header = next(csv.reader(lines[:1]))
    used = [i for i, column in enumerate(header) if column not in recipe.text]
    values = np.loadtxt(lines, delimiter=",", skiprows=1, usecols=used)
    return recipe.prepare(name, [header[i] for i in used], values)


def _refuse(function, parameter, value, allowed):
    if value not in allowed:
        message = f"{function}: `{parameter}` must be one of {', '.join(allowed)}; got {value!r}."
        raise ValueError(message)


def _find(folder, file):
    """The file where it lies first, or None; and the paths that were tried."""
    tried = [place / folder / file for place in places()]
    return next((path for path in tried if path.is_file()), None), tried


def _message(name, tried, remedy):
    listed = "\n".join(f"  {path}" for path in tried)
    return (
        f"{name}: the data set is in none of these places:\n{listed}\n{remedy}\n"
        "Put the file in one of them, or set OTOPT_DATA to the folder that holds it."
    )


def _check(file, raw, expected):
    found = hashlib.sha256(raw).hexdigest()
    if found != expected:
        message = (
            f"{file}: not the file that is known by this name: its content has sha256 {found}, "
            f"expected {expected}; delete it and fetch it again."
        )
        raise ValueError(message)


def _idx(file, expected):
    """An array in the IDX format (Y. LeCun): type, number of axes, lengths, bytes."""
    raw = gzip.decompress(file.read_bytes())
    _check(file, raw, expected)
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


def _cifar(file, split):
    """JPEGs in a folder for each class; the decoded arrays are kept in the user's cache."""
    kept = places()[-1] / "cifar10" / f"{split}-{file.stat().st_size}.npz"
    if kept.is_file():
        with np.load(kept) as both:
            return Images(both["images"], both["labels"])
    with zipfile.ZipFile(file) as archive:
        names = [n for n in sorted(archive.namelist()) if n.endswith(".jpg")]
        images = np.stack(_decode(archive, names, "CIFAR-10"))
    labels = np.array([CIFAR10_NAMES.index(n.split("/")[1]) for n in names])
    order = np.random.default_rng(0).permutation(len(names))  # files are sorted by class
    both = Images(images[order], labels[order])
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}.tmp")
        with partial.open("wb") as sink:
            np.savez(sink, images=both.images, labels=both.labels)
        partial.replace(kept)
    except OSError:  # a cache that cannot be written is no reason to fail
        pass
    return both


def _omniglot(split):
    """Images of a split, and the names of their classes, ``alphabet/character``."""
    images, names = [], []
    seen = set()
    for part in ("1", "2"):  # two overlapping halves
        file, tried = _find("omniglot", f"images_background_small{part}.zip")
        if file is None:
            remedy = (
                "It is not on OpenML: python/images_background_small1.zip and ..._small2.zip of "
                "the repository brendenlake/omniglot on GitHub (MIT) are what is needed."
            )
            raise FileNotFoundError(_message("omniglot", tried, remedy))
        with zipfile.ZipFile(file) as archive:
            chosen = []
            for name in sorted(archive.namelist()):
                _, *path = name.split("/")
                is_wanted = len(path) == 3 and (path[0] in OMNIGLOT_TEST) == (split == "test")
                if is_wanted and name.endswith(".png") and tuple(path) not in seen:
                    seen.add(tuple(path))
                    chosen.append(name)
                    names.append(f"{path[0]}/{path[1]}")
            images += _decode(archive, chosen, "Omniglot")
    classes, labels = np.unique(names, return_inverse=True)
    order = np.argsort(labels, kind="stable")
    return Images(np.stack(images)[order], labels[order]), tuple(classes.tolist())


def _decode(archive, names, title):
    from PIL import Image
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    arrays = []
    shown = track(
        names, f"decoding {title}", console=console,
        disable=not console.is_terminal or len(names) < 5000, transient=True,
    )  # fmt: skip
    for name in shown:
        image = Image.open(io.BytesIO(archive.read(name)))
        array = np.asarray(image)
        arrays.append(array.astype(np.uint8) * 255 if array.dtype == bool else array)
    return arrays


def _openml_images(name, split, tried, download):
    """The published order: training images first."""
    remedy = "OpenML was not asked: download=False."
    if download:
        try:
            pixels, labels = _fetch(OPENML[name])
        except Exception as error:  # noqa: BLE001  # the network has many ways to fail
            remedy = f"OpenML ({OPENML[name]['name']}): {type(error).__name__}: {error}."
        else:
            cut = len(labels) - 10_000
            part = slice(cut) if split == "train" else slice(cut, None)
            images = pixels[part].astype(np.uint8)
            if name == "cifar10":  # three planes of 32 x 32
                images = images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
            else:
                images = images.reshape(-1, 28, 28)
            return Images(images, labels[part].astype(np.int64))
    raise FileNotFoundError(_message(name, tried, remedy))


def _fetch(dataset):
    """From OpenML, kept in the user's cache; scikit-learn checks the checksum."""
    from rich.console import Console
    from sklearn.datasets import fetch_openml

    with Console(stderr=True).status(f"fetching {dataset['name']} from OpenML, once"):
        return fetch_openml(
            **dataset, return_X_y=True, as_frame=False, data_home=places()[-1] / "openml",
            parser="liac-arff",
        )  # fmt: skip
