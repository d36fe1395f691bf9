"""Matching two sets of handwritten digits."""

import numpy as np

from ml_apps.tour import solve
from ml_apps.tour.report import Part, as_picture


def run(*, size=500, rng=0, note=lambda text: None):
    """Match two disjoint sets of digit images without looking at their labels.

    Parameters
    ----------
    size : int
        Images in each set, at most 898.
    rng : int or numpy.random.Generator
    note : callable
        Told what is being done.

    Returns
    -------
    Part
    """
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(rng)
    data, labels = load_digits(return_X_y=True)
    chosen = rng.permutation(len(data))[: 2 * size]
    sources, targets = chosen[:size], chosen[size:]
    C = ((data[sources][:, None] - data[targets]) ** 2).sum(axis=2)
    weights = np.full(size, 1.0 / size)
    answers = []
    for k in (1, 3):
        note(f"matching digits, {k} source{'s' if k > 1 else ''} each")
        answers.append(solve.sparse(weights, weights, C, k))
    note("the same by POT")
    answers += [solve.entropic(weights, weights, C, 0.01), solve.pot_sparse(weights, weights, C, 3)]
    answers = [answer for answer in answers if answer is not None]
    same = labels[sources][:, None] == labels[targets]
    return Part(
        title="Matching handwritten digits",
        text=f"{size} images are matched to {size} others by squared distance alone. With k = 1 "
        "this is the assignment problem, solved exactly. 'Same digit' is the share of the mass "
        "that travels between images with equal labels.",
        columns=(*solve.COLUMNS, "same digit"),
        rows=[
            (*solve.row(x, weights, weights), f"{x.plan[same].sum() / x.plan.sum():.1%}")
            for x in answers
        ],
        pictures=[_pairs(data[sources], data[targets], answers[1].plan, rng)],
    )


def _pairs(sources, targets, plan, rng):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.9), layout="constrained")
    axes = figure.subplots(4, 12)
    for axis in axes.flat:
        axis.axis("off")
    for column, j in zip(axes.T, rng.choice(len(targets), 12, replace=False), strict=True):
        column[0].imshow(targets[j].reshape(8, 8), cmap="magma")
        fed = [i for i in np.argsort(-plan[:, j]) if plan[i, j] > 0][:3]
        for axis, i in zip(column[1:], fed, strict=False):
            axis.imshow(sources[i].reshape(8, 8), cmap="gray_r")
            axis.set_title(f"{plan[i, j] / plan[:, j].sum():.0%}", fontsize=7)
    return as_picture(figure, "digits", "Twelve targets (top) and the at most three that feed each")
