"""The loader: where it looks, what it says where nothing is, and what the real files hold."""

import gzip

import numpy as np
import pytest

from ml_apps import _tables, data


def or_skip(load):
    try:
        return load()
    except FileNotFoundError as error:
        pytest.skip(f"needs the data set: {str(error).splitlines()[0]}")


def test_the_chosen_folder_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("OTOPT_DATA", str(tmp_path))
    assert data.places()[0] == tmp_path
    assert len(data.places()) == 3
    monkeypatch.delenv("OTOPT_DATA")
    assert [place.name for place in data.places()] == ["data", "data"]


def test_nothing_found_lists_what_was_tried(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "places", lambda: [tmp_path / "a", tmp_path / "b"])
    for load, file in (
        (lambda: data.load_table("adult"), "adult.csv.zip"),
        (lambda: data.load_images("mnist", download=False), "train-images-idx3-ubyte.gz"),
        (lambda: data.load_images("omniglot", "test"), "images_background_small1.zip"),
        (lambda: data.load_images("cifar10", "test", download=False), "test.zip"),
    ):
        with pytest.raises(FileNotFoundError, match="set OTOPT_DATA to the folder") as caught:
            load()
        assert str(caught.value).count(file) >= 2


def test_a_failed_download_is_named(monkeypatch, tmp_path):
    def fail(dataset):
        raise OSError("no network")

    monkeypatch.setattr(data, "places", lambda: [tmp_path])
    monkeypatch.setattr(data, "_fetch", fail)
    with pytest.raises(FileNotFoundError, match=r"OpenML \(mnist_784\): OSError: no network"):
        data.load_images("mnist")


def test_openml_is_cut_into_its_splits(monkeypatch, tmp_path):
    pixels = np.arange(10_003)[:, None] % 251 * np.ones(3072)
    labels = (np.arange(10_003) % 10).astype(str)
    monkeypatch.setattr(data, "places", lambda: [tmp_path])
    monkeypatch.setattr(data, "_fetch", lambda dataset: (pixels, labels))
    images, y = data.load_images("cifar10", "train")
    assert images.shape == (3, 32, 32, 3)
    assert images.dtype == np.uint8
    assert y.tolist() == [0, 1, 2]
    assert len(data.load_images("cifar10", "test").labels) == 10_000


def test_another_file_of_that_name_is_refused(monkeypatch, tmp_path):
    (tmp_path / "fairness").mkdir()
    (tmp_path / "fairness" / "german.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    monkeypatch.setattr(data, "places", lambda: [tmp_path])
    with pytest.raises(ValueError, match="not the file that is known by this name"):
        data.load_table("german")


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (lambda: data.load_images("svhn"), "`name` must be one of mnist, fashion_mnist"),
        (lambda: data.load_images("mnist", "valid"), "`split` must be one of train, test"),
        (lambda: data.load_table("iris"), "`name` must be one of adult, german"),
    ],
)
def test_unknown_names(load, message):
    with pytest.raises(ValueError, match=message):
        load()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_digits_and_clothes(name):
    images, labels = or_skip(lambda: data.load_images(name, "test", download=False))
    assert images.shape == (10_000, 28, 28)
    assert images.dtype == np.uint8
    assert labels.shape == (10_000,)
    assert set(labels) == set(range(10))
    assert len(data.class_names(name)) == 10


def test_omniglot_splits_share_no_class():
    train, test = (or_skip(lambda s=s: data.load_images("omniglot", s)) for s in data.SPLITS)
    names = [data.class_names("omniglot", s) for s in data.SPLITS]
    assert not set(names[0]) & set(names[1])
    for images, labels in (train, test):
        assert images.shape[1:] == (105, 105)
        assert set(np.unique(images)) == {0, 255}
        assert set(np.bincount(labels)) == {20}  # drawers of each character


SHAPES = {"adult": (45222, 96), "german": (1000, 56), "compas": (6167, 399), "crime": (1993, 141),
          "law": (21791, 2)}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_tables_hold_no_sensitive_attribute(name):
    table = or_skip(lambda: data.load_table(name))
    assert table.X.shape == SHAPES[name]
    assert len(table.feature_names) == table.X.shape[1]
    assert table.y.shape == (len(table.X),)
    if table.task == "classification":
        assert set(table.y) == {0, 1}
    for labels in table.sensitive.values():
        assert labels.shape == table.y.shape
        assert len(set(labels)) > 1
        # No feature is the attribute itself, in disguise.
        for label in set(labels):
            same = ((labels == label)[:, None] == table.X).all(axis=0)
            assert not same.any()


def test_intersections_name_both():
    joint = _tables._intersection(np.array(["f", "m"]), np.array(["a", "b"]))
    assert joint.tolist() == ["f, a", "m, b"]
