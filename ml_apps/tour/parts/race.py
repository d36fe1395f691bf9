"""Optimisers race down a valley, from values alone."""

import time

import numpy as np

import otopt
from ml_apps.tour.part import Part, Picture, figure_to_png

COLUMNS = ("method", "function", "evaluations to 1 %", "to 0.001 %", "best value", "seconds")
START = (-1.2, 1.0)
PEERS = ("Nelder-Mead", "Powell", "COBYQA")
FUNCTIONS = {
    "valley": lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2,
    "valley with a kink": lambda x: 10 * abs(x[1] - x[0] ** 2) + abs(1 - x[0]),
}


def run(*, budget=300, rng=0, note=lambda text: None):
    """Minimise a smooth valley and one with a kink by pattern search and by scipy's methods.

    Parameters
    ----------
    budget : int
        Evaluations for each.
    rng : int or numpy.random.Generator
        Not used: nothing here is random.
    note : callable
        Told what is being done.

    Returns
    -------
    Part
    """
    rows, paths, ends = [], {}, []
    complete = True
    for function, fun in FUNCTIONS.items():
        for method in ("pattern-search", *PEERS):
            note(f"{method} on the {function}")
            points, seconds, result = race(fun, method, budget)
            if result.status == 98:  # Ctrl-C, which pattern_search keeps to itself
                complete = False
                break
            name = f"scipy, {method}"
            if method == "pattern-search":
                name = "otopt, pattern search"
                ends.append(f"on the {function} {'yes' if result.certified else 'no'}")
            paths[function, name] = points
            rows.append((name, function, *figures(fun, points), f"{seconds:.2f}"))
        if not complete:
            break
    return Part(
        name="race",
        title="A race down a valley",
        text=(
            "Rosenbrock's valley, and the same with absolute values for squares, so that its floor "
            f"is a kink. Everybody starts at {START}, sees values only, no slopes, and may ask for "
            f"{budget} of them. The columns count evaluations until the value has fallen to 1 % "
            "and to 0.001 % of the first one.",
            "A model of the function wins on the smooth valley and is lost on the kink. Pattern "
            "search notices when its model predicts badly, and moves a simplex instead. One valley "
            "proves nothing: python -m benchmarks.optimizers runs hundreds.",
        ),
        columns=COLUMNS,
        rows=rows,
        pictures=[picture(paths)] if complete else [],
        headline=headline(rows) if complete else "",
        certificate=(
            "certified says that a complete poll around the end found nothing better: "
            f"{', '.join(ends)} (the budget may end a search before). In code: result.certified."
        ),
        complete=complete,
    )


def headline(rows):
    """Who reached a hundred-thousandth of the first value, and after how many evaluations."""
    reached = [
        f"{name} after {count}"
        for name, f, _, count, *_ in rows
        if f == "valley" and count.isdigit()
    ]
    kink = [name for name, f, count, *_ in rows if f != "valley" and count.isdigit()]
    return (
        f"Down the smooth valley: {'; '.join(reached) or 'nobody'}. "
        f"Down to 1 % along the kink: {', '.join(kink) or 'nobody'}."
    )


def race(fun, method, budget):
    """Points in the order of their evaluation, seconds, and the result."""
    points = []

    def counted(x):
        points.append(np.array(x))
        return fun(x)

    start = time.perf_counter()
    options = {"Powell": {"xtol": 1e-12, "ftol": 1e-12}, "Nelder-Mead": {"xatol": 1e-12}}
    result = otopt.minimize(
        counted, START, method=method, options={"maxfev": budget} | options.get(method, {})
    )
    return np.array(points[:budget]), time.perf_counter() - start, result


def figures(fun, points):
    """Evaluations to two shares of the first value, and the best one."""
    best = np.minimum.accumulate([fun(x) for x in points])
    counts = [np.flatnonzero(best <= share * best[0]) for share in (1e-2, 1e-5)]
    return (*(str(c[0] + 1) if len(c) else "not reached" for c in counts), f"{best[-1]:.1e}")


def picture(paths):
    """Left the ways of the best points, right the values, one row a function."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.4), layout="constrained")
    axes = figure.subplots(len(FUNCTIONS), 2, squeeze=False)
    x, y = np.meshgrid(np.linspace(-1.6, 1.4, 200), np.linspace(-0.6, 1.8, 200))
    for (way, fall), (function, fun) in zip(axes, FUNCTIONS.items(), strict=True):
        heights = np.array([fun(p) for p in np.stack([x.ravel(), y.ravel()], axis=1)])
        way.contourf(x, y, np.log10(heights + 1e-3).reshape(x.shape), 20, cmap="Greys_r", alpha=0.6)
        for (where, name), points in paths.items():
            if where != function:
                continue
            values = np.array([fun(p) for p in points])
            best = np.minimum.accumulate(values)
            style = {"lw": 2.5, "zorder": 3} if name.startswith("otopt") else {"lw": 1.2}
            way.plot(*points[values == best].T, ".-", ms=4, label=name, **style)
            fall.semilogy(np.arange(1, len(best) + 1), np.maximum(best, 1e-16), label=name, **style)
        way.plot(1, 1, "k*", ms=9)
        way.set(title=function, xlim=(-1.6, 1.4), ylim=(-0.6, 1.8), xticks=[], yticks=[])
        fall.set(xlabel="evaluations", title="best value")
        fall.legend(fontsize=8)
    caption = "The best points on their way to the star, and their values"
    return Picture("race", caption, figure_to_png(figure), wide=True)
