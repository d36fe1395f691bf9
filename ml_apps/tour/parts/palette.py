"""Palette transfer between two photographs."""

import numpy as np

from ml_apps.tour import solve
from ml_apps.tour.report import Part, as_picture

# Four temple colours to one flower colour: with k = 3 there is room to choose, with k = 1 a plan
# would have to split 512 weights into 128 sums that are given.
CARDINALITIES = (1, 3, 8)


def photographs():
    """Scikit-learn's two sample photographs as floats in [0, 1]."""
    from sklearn.datasets import load_sample_images

    return [image / 255.0 for image in load_sample_images().images]


def quantise(image, colours, rng):
    """Palette (colours, 3), share of the picture of each colour, and the colour of every pixel."""
    from sklearn.cluster import MiniBatchKMeans

    pixels = image.reshape(-1, 3)
    model = MiniBatchKMeans(
        colours, n_init=1, batch_size=4096, random_state=int(rng.integers(2**31))
    )
    model.fit(pixels[rng.choice(len(pixels), min(len(pixels), 20000), replace=False)])
    labels = model.predict(pixels)
    share = np.bincount(labels, minlength=colours).astype(float)
    used = np.flatnonzero(share)
    position = np.searchsorted(used, labels)
    return model.cluster_centers_[used], share[used] / share.sum(), position


def repaint(plan, palette, position, shape):
    """Every colour becomes the average of the colours that feed it."""
    mass = np.maximum(plan.sum(axis=0), 1e-300)
    colours = (plan.T @ palette) / mass[:, None]
    return np.clip(colours[position].reshape(shape), 0, 1)


def run(*, colours=(128, 512), rng=0, note=lambda text: None):
    """Paint the temple in the colours of the flower.

    Parameters
    ----------
    colours : tuple of int
        Sizes of the palettes: flower (sources) and temple (targets).
    rng : int or numpy.random.Generator
    note : callable
        Told what is being done.

    Returns
    -------
    Part
    """
    rng = np.random.default_rng(rng)
    temple, flower = photographs()
    note("finding the palettes of two photographs")
    x, a, _ = quantise(flower, colours[0], rng)
    y, b, position = quantise(temple, colours[1], rng)
    C = ((x[:, None] - y) ** 2).sum(axis=2)
    answers = []
    for k in CARDINALITIES:
        note(f"palette transfer with at most {k} colours each")
        answers.append(solve.sparse(a, b, C, k))
    note("the same by POT")
    answers += [solve.entropic(a, b, C, 0.01), solve.pot_sparse(a, b, C, 3)]
    answers = [answer for answer in answers if answer is not None]
    painted = [repaint(answer.plan, x, position, temple.shape) for answer in answers]
    return Part(
        title="Painting a temple in the colours of a flower",
        text=f"Each of the temple's {len(b)} colours is mixed from at most k of the flower's "
        f"{len(a)} colours, so that all paint is used up: marginal error is paint that is missing "
        "or left over.",
        columns=solve.COLUMNS,
        rows=[solve.row(answer, a, b) for answer in answers],
        pictures=[_mosaic(temple, flower, answers, painted)],
        remarks=[f"{x.name}: {x.message}" for x in answers if x.message and x.gap == np.inf],
    )


def _mosaic(temple, flower, answers, painted):
    from matplotlib.figure import Figure

    titles = ["the temple", "the flower"] + [f"{x.name}\n{x.status}" for x in answers]
    images = [temple, flower, *painted]
    columns = 4
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(12, 2.55 * rows), layout="constrained")
    for axis in figure.subplots(rows, columns).flat:
        axis.axis("off")
    for axis, image, title in zip(figure.axes, images, titles, strict=False):
        axis.imshow(image[::2, ::2])
        axis.set_title(title, fontsize=9)
    return as_picture(figure, "palette", "Palette transfer: sparse plans mix few colours each")
