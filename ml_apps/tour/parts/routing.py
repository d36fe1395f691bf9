"""Patches of photographs choose experts, with and without prices."""

import time

import numpy as np

import otopt
from ml_apps.tour.part import Part, Picture, figure_to_png, image_to_png

COLUMNS = (
    "method", "fullest expert over its share", "emptiest", "patches moved", "similarity kept",
    "seconds",
)  # fmt: skip
PATCH = 16


def run(*, experts=12, width=640, rng=0, note=lambda text: None):
    """Route patches of two photographs to experts that each know one patch.

    Parameters
    ----------
    experts : int
    width : int
        Pixels of each photograph that take part.
    rng : int or numpy.random.Generator
    note : callable
        Told what is being done.

    Returns
    -------
    Part
    """
    from sklearn.datasets import load_sample_images

    note("cutting photographs into patches")
    rng = np.random.default_rng(rng)
    photos = [image[:416, :width] / 255.0 for image in load_sample_images().images]
    features = np.concatenate([describe(photo) for photo in photos])
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    known = features[rng.choice(len(features), experts, replace=False)]
    scores = -((features[:, None] - known) ** 2).mean(axis=2)
    n = len(scores) // experts * experts  # so that all experts can get the same number
    scores = scores[:n]
    note("routing")
    few = scores[: 4 * experts]
    otopt.assign(few, otopt.solve_prices(few, tol=1.0), policy="repair")  # loads the kernels
    nearest = scores.argmax(axis=1)
    start = time.perf_counter()
    result = otopt.solve_prices(scores)
    priced = (scores - result.price).argmax(axis=1)
    middle = time.perf_counter()
    repaired = otopt.assign(scores, result, capacity=n // experts, policy="repair").indices[:, 0]
    end = time.perf_counter()
    answers = [
        ("nearest expert", nearest, 0.0),
        ("otopt, nearest after price", priced, middle - start),
        ("otopt, the same repaired", repaired, end - start),
    ]
    base = scores.min()  # similarity counts from the least one
    best = (scores.max(axis=1) - base).mean()
    rows = []
    for name, choice, seconds in answers:
        load = np.bincount(choice, minlength=experts) / (n / experts)
        kept = (scores[np.arange(n), choice] - base).mean() / best
        moved = (choice != nearest).mean()
        rows.append(
            (name, f"{load.max():.2f}", f"{load.min():.2f}", f"{100 * moved:.0f} %",
             f"{100 * kept:.1f} %", f"{seconds:.3f}" if seconds else "")
        )  # fmt: skip
    bound = (result.dual_bound / n - base) / best
    pictures = [loads(answers, experts)]
    for name, choice, _ in (answers[0], answers[2]):
        tinted = tint(photos[0], choice, experts)
        caption = f"{name}: one colour an expert"
        pictures.append(Picture(f"routing_{name.split()[0].strip(',')}", caption, tinted))
    return Part(
        name="routing",
        title="Patches of photographs, shared out among experts",
        text=(
            f"{n} patches of two photographs choose among {experts} experts, each of which knows "
            "one patch. Most choose the same few. A price for every expert, taken off its "
            "scores, balances what they choose; the last few patches too many are moved to where "
            "they lose least.",
        ),
        columns=COLUMNS,
        rows=rows,
        pictures=pictures,
        headline=(
            f"The fullest expert had {rows[0][1]} times its share and has {rows[2][1]} times; "
            f"{rows[2][4]} of the similarity is kept."
        ),
        certificate=(
            f"No routing that fills all experts equally keeps more than {100 * bound:.2f} % of the "
            "similarity: the prices prove it. In code: result.dual_bound, result.price."
        ),
    )


def describe(photo):
    """Mean colour of the quarters of every patch and the strength of its edges, a row a patch."""
    h, w = (side // PATCH for side in photo.shape[:2])
    half = PATCH // 2
    blocks = photo[: h * PATCH, : w * PATCH].reshape(h, 2, half, w, 2, half, 3)
    colours = blocks.mean(axis=(2, 5)).transpose(0, 2, 1, 3, 4).reshape(h * w, -1)
    grey = photo.mean(axis=2)
    edges = [np.abs(np.diff(grey, axis=a, prepend=0))[: h * PATCH, : w * PATCH] for a in (0, 1)]
    strength = [e.reshape(h, PATCH, w, PATCH).mean(axis=(1, 3)).reshape(-1) for e in edges]
    return np.column_stack([colours, *strength])


def tint(photo, choice, experts):
    """The photograph with every patch in the colour of its expert; PNG bytes."""
    from matplotlib import colormaps

    h, w = (side // PATCH for side in photo.shape[:2])
    palette = colormaps["hsv"](np.arange(experts) / experts)[:, :3]
    colours = palette[choice[: h * w]].reshape(h, w, 3)
    colours = colours.repeat(PATCH, axis=0).repeat(PATCH, axis=1)
    grey = photo[: h * PATCH, : w * PATCH].mean(axis=2, keepdims=True)
    return image_to_png(0.55 * grey + 0.45 * colours)


def loads(answers, experts):
    """Bars of the loads before and after."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.6), layout="constrained")
    order = np.argsort(-np.bincount(answers[0][1], minlength=experts))
    for axis, (name, choice, _) in zip(figure.subplots(1, 3, sharey=True), answers, strict=True):
        load = np.bincount(choice, minlength=experts)
        axis.bar(np.arange(experts), load[order], color="#3b6ea5")
        axis.axhline(load.mean(), color="k", lw=0.8, ls="--")
        axis.set_title(name, fontsize=10)
        axis.set_xticks([])
    text = "Patches at every expert, before and after; the dashed line is an equal share"
    return Picture("routing_loads", text, figure_to_png(figure), wide=True)
