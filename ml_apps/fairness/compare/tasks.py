"""What is compared: data, groups, targets for the gaps, and who takes part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml_apps.data import load_table

__all__ = ["QUICK", "TASKS", "Split", "Task", "split"]


@dataclass(frozen=True)
class Task:
    """One table, one partition into groups, one kind of parity."""

    name: str
    table: str
    attribute: str
    targets: tuple  # pairs of a gap and the values it should stay below
    methods: tuple  # names in `methods.METHODS`
    parity: str = "demographic_parity"
    seeds: int = 5


@dataclass(frozen=True)
class Split:
    """Rows for fitting, for choosing strengths, and for the report; features in float32."""

    X: dict
    y: dict
    groups: dict
    task: str


DP_METHODS = ("plain LR", "otopt LR", "fairret LR", "histogram LR",
              "pairwise LR", "ExponentiatedGradient", "ThresholdOptimizer", "EquiPy")  # fmt: skip
ODDS_METHODS = ("plain LR", "otopt LR", "ExponentiatedGradient", "ThresholdOptimizer")
TASKS = {
    task.name: task
    for task in (
        Task("adult, sex", "adult", "sex", (("dp", (0.05,)), ("sdp", (0.02,))),
             ("plain LR", "otopt LR", "fairret LR", "ExponentiatedGradient",
              "ThresholdOptimizer", "EquiPy")),
        Task("adult, sex x race", "adult", "sex_race", (("dp", (0.15,)), ("sdp", (0.15,))),
             ("plain MLP", "otopt MLP", "fairret MLP, stratified", "ExponentiatedGradient",
              "ThresholdOptimizer", "EquiPy")),
        Task("law, race", "law", "race", (("sdp", (0.10, 0.07)),),
             ("plain MLP regression", "otopt MLP regression", "EquiPy regression")),
        Task("adult, sex, equalized odds", "adult", "sex", (("odds", (0.05,)),), ODDS_METHODS,
             "equalized_odds", seeds=2),
        Task("adult, sex, equal opportunity", "adult", "sex", (("opportunity", (0.05,)),),
             ODDS_METHODS, "equal_opportunity", seeds=2),
        Task("compas, sex x race", "compas", "sex_race",
             (("dp", (0.15,)), ("sdp", (0.08,))), DP_METHODS, seeds=2),
        Task("german, sex", "german", "sex", (("dp", (0.10,)), ("sdp", (0.05,))), DP_METHODS,
             seeds=2),
        Task("crime, race", "crime", "race", (("dp", (0.30,)), ("sdp", (0.30,))), DP_METHODS,
             seeds=2),
        Task("adult, sex x race, variants", "adult", "sex_race",
             (("dp", (0.15,)), ("sdp", (0.15,))),
             ("plain LR", "pairwise LR", "histogram LR",
              "otopt MLP, plain batches", "fairret MLP"), seeds=2),
    )
}  # fmt: skip
QUICK = {
    "diabetes, sex": Task(
        "diabetes, sex", "diabetes", "sex", (("dp", (0.10,)), ("sdp", (0.05,))), DP_METHODS, seeds=2
    ),
    "diabetes, sex, regression": Task(
        "diabetes, sex, regression", "diabetes_regression", "sex", (("sdp", (5.0,)),),
        ("plain LR regression", "otopt LR regression", "EquiPy regression"), seeds=2,
    ),
}  # fmt: skip


def split(task, seed):
    """30 % of the rows to fit, 30 % to choose strengths, 40 % for the report."""
    from sklearn.model_selection import train_test_split

    X, y, groups, kind = _table(task)
    rows = np.arange(len(y))
    fit, rest = train_test_split(rows, test_size=0.7, random_state=seed, stratify=groups)
    choose, report = train_test_split(
        rest, test_size=4 / 7, random_state=seed, stratify=groups[rest]
    )
    parts = {"fit": fit, "choose": choose, "report": report}
    return Split(
        {name: X[part] for name, part in parts.items()},
        {name: y[part] for name, part in parts.items()},
        {name: groups[part] for name, part in parts.items()},
        kind,
    )


def _table(task):
    if task.table.startswith("diabetes"):  # comes with scikit-learn
        from sklearn.datasets import load_diabetes

        X, y = load_diabetes(return_X_y=True)
        groups = (X[:, 1] > 0).astype(int)
        X = np.delete(X, 1, axis=1)
        if task.table == "diabetes":
            return X.astype(np.float32), (y > np.median(y)).astype(int), groups, "classification"
        return X.astype(np.float32), y, groups, "regression"
    table = load_table(task.table)
    groups = np.unique(table.sensitive[task.attribute], return_inverse=True)[1]
    return table.X.astype(np.float32), table.y, groups, table.task
