"""A prediction that is distributed alike in four groups, from one exact value and gradient.

A linear model and scipy's L-BFGS are enough: `otopt.mmot_samples` returns the cost between the
groups and its gradient in the predictions.
"""

from __future__ import annotations

import time

import numpy as np

import otopt
from ml_apps.tour.part import Part, Picture, figure_to_png

STRENGTHS = (0.0, 0.1, 0.2, 0.4)
COLUMNS = ("method", "gap", "gap by chance", "explained", "smallest, largest group mean", "seconds")


def patients():
    """Diabetes progression of 442 patients; groups are sex x age, which are not features."""
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    age, sex = X[:, 0], X[:, 1]
    young = age < np.median(age)
    groups = np.char.add(
        np.where(sex > 0, "one sex, ", "the other, "), np.where(young, "young", "old")
    )
    rest = X[:, 2:] / X[:, 2:].std(axis=0)
    return np.column_stack([rest, np.ones(len(y))]), y, groups


def fit(X, y, groups, strength):
    """Weights of least squares plus strength times the multi-marginal cost between groups."""
    from scipy.optimize import minimize

    unit = y.std()

    def objective(w):
        prediction = X @ w
        residual = (prediction - y / unit) / len(y)
        value = 0.5 * len(y) * residual @ residual
        if strength:
            between = otopt.mmot_samples(prediction, groups)
            value += strength * between.value
            residual = residual + strength * between.gradient
        return value, X.T @ residual

    start = np.linalg.lstsq(X, y / unit, rcond=None)[0]
    return unit * minimize(objective, start, jac=True, method="L-BFGS-B").x


def run(*, splits=5, rng=0, note=lambda text: None):
    """Fit on 60 % of the patients, report on the others; means over splits.

    Parameters
    ----------
    splits : int
        Random splits.
    rng : int or numpy.random.Generator
    note : callable
        Told what is being done.

    Returns
    -------
    Part
    """
    rng = np.random.default_rng(rng)
    X, y, groups = patients()
    cuts = [np.split(rng.permutation(len(y)), [int(0.6 * len(y))]) for _ in range(splits)]
    rows, shown, unproven = [], [], []
    try:
        for strength in STRENGTHS:
            note(f"predictions alike in four groups, strength {strength:g}")
            rows.append(_measure(X, y, groups, strength, cuts, rng))
            train, test = cuts[0]
            shown.append((strength, X[test] @ fit(X[train], y[train], groups[train], strength)))
            unproven.append(distance_to_proof(shown[-1][1], groups[test]))
        complete = True
    except KeyboardInterrupt:
        complete = False
    pictures = []
    if complete:
        figure = distributions(shown, groups[cuts[0][1]])
        caption = "Predictions on unseen patients: what share of a group is predicted less"
        pictures.append(Picture("fairness_groups", caption, figure_to_png(figure), wide=True))
    return Part(
        name="fairness",
        title="The same prediction for every group?",
        text=(
            "How a disease will progress is predicted for patients of two sexes and two ages, from "
            "eight measurements without either. The predictions still differ between the four "
            "groups. “gap” is the multi-marginal transport cost between their distributions, in "
            "units of the prediction (whose standard deviation is "
            f"{y.std():.0f}): at every level the largest difference between groups, summed up. "
            "Least squares plus this cost, times a strength, closes it.",
            "Four small groups differ by chance: “gap by chance” is what the same predictions show "
            "where groups are drawn by lot. A gap down there is noise, and paying for less is a "
            "waste. “explained” is the share of the variance on unseen patients.",
        ),
        columns=COLUMNS,
        rows=rows,
        pictures=pictures,
        headline=(
            f"The gap between four groups falls from {rows[0][1]} to {rows[-1][1]}, where chance "
            f"alone shows {rows[-1][2]}; {rows[-1][3]} of the variance stay explained, of "
            f"{rows[0][3]}."
            if complete
            else ""
        ),
        certificate=(
            "The gaps are exact: the dual of otopt.mmot_1d, with every patient a bin, proves those "
            f"of the first split up to {max(unproven):.0e} of their value."
            if complete
            else ""
        ),
        complete=complete,
    )


def distance_to_proof(prediction, groups):
    """Relative distance of the gap between groups to the value of a dual that proves it."""
    places = [
        np.unique(prediction[groups == label], return_counts=True) for label in np.unique(groups)
    ]
    proof = otopt.mmot_1d([n / n.sum() for _, n in places], support=[x for x, _ in places])
    value = otopt.mmot_samples(prediction, groups).value
    return abs(value - float(proof.dual_value)) / value


def _measure(X, y, groups, strength, cuts, rng):
    gaps, chances, explained, spreads, seconds = [], [], [], [], 0.0
    for train, test in cuts:
        start = time.perf_counter()
        w = fit(X[train], y[train], groups[train], strength)
        seconds += time.perf_counter() - start
        prediction, g = X[test] @ w, groups[test]
        gaps.append(otopt.mmot_samples(prediction, g).value)
        lots = [otopt.mmot_samples(prediction, rng.permutation(g)).value for _ in range(20)]
        chances.append(np.mean(lots))
        explained.append(1 - np.mean((prediction - y[test]) ** 2) / y[test].var())
        means = [prediction[g == label].mean() for label in np.unique(g)]
        spreads.append((min(means), max(means)))
    low, high = np.mean(spreads, axis=0)
    return (
        f"otopt, strength {strength:g}" if strength else "least squares",
        f"{np.mean(gaps):.1f}",
        f"{np.mean(chances):.1f}",
        f"{np.mean(explained):.0%}".replace("%", " %"),
        f"{low:.0f}, {high:.0f}",
        f"{seconds / len(cuts):.3f}",
    )


def distributions(shown, groups):
    """Distribution functions of the groups, a panel for each of the first and last strengths."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    chosen = [shown[0], shown[-1]]
    for axis, (strength, prediction) in zip(
        figure.subplots(1, 2, sharex=True, sharey=True), chosen, strict=True
    ):
        for label in np.unique(groups):
            x = np.sort(prediction[groups == label])
            axis.step(x, np.arange(1, len(x) + 1) / len(x), where="post", label=str(label))
        name = f"otopt, strength {strength:g}" if strength else "least squares"
        axis.set(title=name, xlabel="predicted progression", ylabel="share of the group")
    axis.legend(fontsize=8)
    return figure
