"""Palette transfer: one photograph in the colours of another.

Both palettes come from median cut, whose colours cover equally many pixels. Equal shares are what
makes k = 1 possible: with shares in general position, one paint for every colour cannot use up all
paints exactly. There are twice as many colours to repaint as paints, so that k = 1 gives every
paint to two colours.
"""

import re

import numpy as np

from ml_apps.tour import solve
from ml_apps.tour.part import Part, Picture, figure_to_png, image_to_png

LIMITS = (1, 3, 8)


def photographs():
    """The temple and the flower that come with scikit-learn, as floats in [0, 1]."""
    from sklearn.datasets import load_sample_images

    return [image / 255.0 for image in load_sample_images().images]


def median_cut(image, colours):
    """Palette whose colours cover equally many pixels, and the colour of every pixel.

    P. Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982,
    doi 10.1145/800064.801294; boxes are cut across the axis of largest variance.

    Parameters
    ----------
    image : ndarray, shape (h, w, 3)
    colours : int
        A power of two.

    Returns
    -------
    palette : ndarray, shape (colours, 3)
    label : ndarray of int, shape (h, w)
    """
    pixels = image.reshape(-1, 3)
    boxes = [np.arange(len(pixels))]
    while len(boxes) < colours:
        halves = []
        for box in boxes:
            axis = pixels[box].var(axis=0).argmax()
            order = box[np.argsort(pixels[box, axis], kind="stable")]
            halves += [order[: len(box) // 2], order[len(box) // 2 :]]
        boxes = halves
    label = np.empty(len(pixels), int)
    for j, box in enumerate(boxes):
        label[box] = j
    return np.stack([pixels[box].mean(axis=0) for box in boxes]), label.reshape(image.shape[:2])


def mix(plan, paints):
    """Every target colour as the average of the paints that feed it (barycentric projection)."""
    return (plan.T @ paints) / np.maximum(plan.sum(axis=0), 1e-300)[:, None]


def run(*, paints=256, rng=0, note=lambda text: None):
    """Paint the temple in the colours of the flower.

    Parameters
    ----------
    paints : int
        Colours of the flower, a power of two; the temple has twice as many.
    rng : int or numpy.random.Generator
        Which colours are shown as recipes.
    note : callable
        Told what is being done.

    Returns
    -------
    Part
    """
    note("reading two photographs")
    temple, flower = photographs()
    (x, _), (y, label) = median_cut(flower, paints), median_cut(temple, 2 * paints)
    C = ((x[:, None] - y) ** 2).sum(axis=2)
    a, b = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
    each = "{} paint{} for each colour".format
    answers, complete = solve.collect(
        [
            *[(each(k, "s"[: k > 1]), lambda k=k: solve.sparse(a, b, C, k)) for k in LIMITS],
            ("many paints for each colour, by POT", lambda: solve.entropic(a, b, C)),
            *[
                (f"{each(k, 's'[: k > 1])}, by POT", lambda k=k: solve.pot_sparse(a, b, C, k))
                for k in LIMITS
            ],
        ],
        note,
    )
    rows = [solve.row(answer, a, b) for answer in answers]
    remarks = []
    if complete:
        note("a question that has no answer")
        # The other way round: half as many colours as paints, and one paint for each.
        refusal = solve.sparse(b, a, C.T, 1, name="otopt, impossible")
        rows.append(solve.row(refusal, b, a))
        remarks.append(
            f"The last row asks for the impossible: {len(a)} colours, one paint for each, and "
            f"{len(b)} paints to use up. otopt answers: “{refusal.message}”"
        )
    pictures = [
        Picture("temple", "The picture to repaint", image_to_png(temple)),
        Picture("flower", "The paints: its colours, in their shares", image_to_png(flower)),
    ]
    for answer in sorted(answers, key=lambda answer: "entropic" not in answer.name):
        name = "palette_" + "_".join(re.findall(r"\w+", answer.name)).lower()
        image = image_to_png(mix(answer.plan, x)[label])
        pictures.append(Picture(name, caption(answer, a, b), image))
    pictures.append(recipes(answers, x, y, np.random.default_rng(rng)))
    return Part(
        name="palette",
        title="A temple in the colours of a flower",
        text=(
            f"The temple has {len(y)} colours, the flower {len(x)}, and every colour covers "
            "equally many pixels. Each colour of the temple is mixed from at most k colours of the "
            "flower, similar ones where possible, so that in the end all paint is used up.",
            "Entropic transport mixes every colour from nearly all paints and turns grey. POT has "
            "a rule of at most k too, but its plans leave paint over and run short of other paint, "
            "without saying so: “marginals missed by” adds both up, as a share of all paint.",
        ),
        columns=solve.COLUMNS,
        rows=rows,
        pictures=pictures,
        remarks=remarks,
        headline=headline(answers, a, b) if complete else "",
        certificate=solve.proof(answers, a, b),
        complete=complete,
    )


def headline(answers, a, b):
    """What three paints for each colour achieve."""
    found = {answer.name: answer for answer in answers}
    ours, peer = found["otopt, k = 3"], found.get("POT, k = 3")
    said = f"From {ours.sources(b).mean():.1f} paints a colour, all paint is used"
    return f"{said}; POT's plan misses {peer.missed(a, b):.1%} of it." if peer else f"{said}."


def caption(answer, a, b):
    """What a picture shows, in a line."""
    missed = answer.missed(a, b)
    paint = "all paint used" if missed <= 1e-6 else f"paint left over or missing: {missed:.1%}"
    return f"{answer.name}: {answer.sources(b).mean():.1f} paints a colour, {paint}"


def recipes(answers, paints, colours, rng, *, count=9):
    """Bars of the paints that some colours are mixed from, one line a method."""
    from matplotlib.figure import Figure

    shown = [x for x in answers if x.name.startswith("otopt") or "entropic" in x.name]
    # One colour from each ninth of the brightness range.
    ranked = np.array_split(np.argsort(colours.sum(axis=1)), count)
    chosen = [int(rng.choice(group)) for group in ranked]
    figure = Figure(figsize=(10, 0.62 * (len(shown) + 1)), layout="constrained")
    axes = figure.subplots(len(shown) + 1, count, squeeze=False)
    for axis in axes.flat:
        axis.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for column, j in zip(axes.T, chosen, strict=True):
        column[0].add_patch(_bar(0, 1, colours[j]))
        for axis, answer in zip(column[1:], shown, strict=True):
            share = answer.plan[:, j] / answer.plan[:, j].sum()
            fed = [i for i in np.argsort(-share) if share[i] > solve.NEGLIGIBLE]
            left = np.concatenate([[0], np.cumsum(share[fed])])
            for i, start in zip(fed, left, strict=False):
                axis.add_patch(_bar(start, share[i], paints[i]))
    for axis, name in zip(axes[:, 0], ["temple", *(x.name for x in shown)], strict=True):
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    text = "Recipes: nine colours of the temple, and the paints that each is mixed from"
    return Picture("palette_recipes", text, figure_to_png(figure), wide=True)


def _bar(left, width, colour):
    from matplotlib.patches import Rectangle

    return Rectangle((left, 0), width, 1, color=tuple(np.clip(colour, 0, 1)), lw=0)
