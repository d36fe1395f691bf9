"""Matching two sets of handwritten digits, without looking at their labels."""

import numpy as np

from ml_apps.tour import solve
from ml_apps.tour.part import Part, Picture, figure_to_png

LIMITS = (1, 3)
EVENNESS = 30.0  # reg over its default: with k = 3, most images are shared out among three
WRONG = "#c8322b"


def run(*, size=500, rng=0, note=lambda text: None):
    """Match two disjoint sets of images by squared distance.

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

    note("reading handwritten digits")
    rng = np.random.default_rng(rng)
    images, labels = load_digits(return_X_y=True)
    chosen = rng.permutation(len(images))[: 2 * size]
    sources, targets = chosen[:size], chosen[size:]
    C = ((images[sources][:, None] - images[targets]) ** 2).sum(axis=2)
    w = np.full(size, 1 / size)
    reg = EVENNESS * np.ptp(C)
    answers, complete = solve.collect(
        [
            *[(f"at most {k} for each", lambda k=k: solve.sparse(w, w, C, k, reg)) for k in LIMITS],
            ("entropic transport by POT", lambda: solve.entropic(w, w, C)),
            *[
                (f"POT, at most {k} for each", lambda k=k: solve.pot_sparse(w, w, C, k, reg))
                for k in LIMITS
            ],
        ],
        note,
    )
    same = labels[sources][:, None] == labels[targets]
    pictures, headline = [], ""
    if complete:
        one, three = (accuracy(x.plan, labels[sources], labels[targets]) for x in answers[:2])
        headline = (
            f"Pixels alone: {one:.1%} of the labels right by one partner, {three:.1%} by three."
        )
        sets = (images[sources], images[targets], same)
        pictures = [pairs(*sets, answers[0].plan, rng), blends(*sets, answers[1].plan, rng)]
    return Part(
        name="digits",
        title="Which digit is which?",
        text=(
            f"{size} images of handwritten digits are matched to {size} others, by the squared "
            "distance of their pixels alone. With k = 1 every image gets one partner: the "
            "assignment problem, solved exactly. With k = 3 it is fed by up to three.",
            "Only then do the labels come in: every target takes the label that most of its mass "
            "brings along. “labels right” is the share of targets for which that is the true one. "
            "More voters vote better, as the entropic row shows; three are few enough to look at.",
        ),
        columns=(*solve.COLUMNS, "labels right"),
        rows=[
            (*solve.row(x, w, w), f"{accuracy(x.plan, labels[sources], labels[targets]):.1%}")
            for x in answers
        ],
        pictures=pictures,
        headline=headline,
        certificate=solve.proof(answers, w, w),
        complete=complete,
    )


def accuracy(plan, given, true):
    """Share of targets whose heaviest label is the true one."""
    brought = np.stack([plan[given == digit].sum(axis=0) for digit in range(10)])
    return float((brought.argmax(axis=0) == true).mean())


def pairs(sources, targets, same, plan, rng, *, count=30):
    """Partners side by side, those of unequal labels framed."""
    from matplotlib.figure import Figure

    partner = plan.argmax(axis=0)
    fits = same[partner, np.arange(plan.shape[1])]
    wrong = rng.permutation(np.flatnonzero(~fits))[: count // 10]
    right = rng.permutation(np.flatnonzero(fits))[: count - len(wrong)]
    shown = rng.permutation(np.concatenate([right, wrong]))
    figure = Figure(figsize=(10, 2.5), layout="constrained")
    axes = figure.subplots(-(-count // 10), 10, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, j in zip(axes.flat, shown, strict=False):
        gap = np.full((8, 1), np.nan)
        image = np.hstack([sources[partner[j]].reshape(8, 8), gap, targets[j].reshape(8, 8)])
        axis.imshow(image, cmap="gray_r", vmin=0, vmax=16)
        if not fits[j]:
            frame = {"edgecolor": WRONG, "facecolor": "none", "lw": 2}
            _outline(axis, (-1, -1), 18, 9, **frame)
    caption = "k = 1: thirty pairs, three of the wrong ones among them (framed)"
    return Picture("digits_pairs", caption, figure_to_png(figure), wide=True)


def blends(sources, targets, same, plan, rng, *, count=8):
    """Targets, the sources that feed them, and their average."""
    from matplotlib.figure import Figure

    shared = np.flatnonzero((plan > solve.NEGLIGIBLE * plan.sum(axis=0)).sum(axis=0) == 3)
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    axes = figure.subplots(5, count, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for column, j in zip(axes.T, rng.permutation(shared)[:count], strict=False):
        share = plan[:, j] / plan[:, j].sum()
        fed = np.argsort(-share)[:3]
        stack = [targets[j], *sources[fed], share @ sources]
        for axis, image in zip(column, stack, strict=True):
            axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        for axis, i in zip(column[1:4], fed, strict=True):
            colour = "0.35" if same[i, j] else WRONG
            axis.set_xlabel(f"{share[i]:.0%}", fontsize=8, color=colour, labelpad=2)
    names = ("target", "fed by", "", "", "their\naverage")
    for axis, name in zip(axes[:, 0], names, strict=True):
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    caption = (
        "k = 3: eight images, and the three that feed each in these shares (red: another digit)"
    )
    return Picture("digits_blends", caption, figure_to_png(figure), wide=True)


def _outline(axis, corner, width, height, **style):
    from matplotlib.patches import Rectangle

    axis.add_patch(Rectangle(corner, width, height, clip_on=False, **style))
