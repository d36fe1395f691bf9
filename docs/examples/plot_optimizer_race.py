r"""
Optimisers race, and how to score them
======================================

Eight functions, four optimisers, values only. One run says little, so races are scored by
profiles: the share of problems that a method has solved within so many times the evaluations of
the fastest one.
"""

import matplotlib.pyplot as plt
import numpy as np

import otopt


def valley(x):
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def kinked(x):
    return float((10 * np.abs(x[1:] - x[:-1] ** 2) + np.abs(1 - x[:-1])).sum())


def bowl(x):
    return float((10.0 ** np.arange(len(x)) * x**2).sum())


def bumpy(x):
    return bowl(x) * (1 + 1e-3 * np.sin(1e3 * x.sum()))


functions = [(f, n) for f in (valley, kinked, bowl, bumpy) for n in (2, 4)]
methods = ["pattern-search", "Nelder-Mead", "Powell", "COBYQA"]
budget = 400


def race(fun, n, method):
    """The best value after each evaluation."""
    values = []

    def counted(x):
        values.append(fun(x))
        return values[-1]

    start = np.resize([-1.2, 1.0], n)
    otopt.minimize(counted, start, method=method, options={"maxfev": budget})
    best = np.minimum.accumulate(values[:budget])
    return np.append(best, np.full(budget - len(best), best[-1]))


best = np.array([[race(f, n, method) for method in methods] for f, n in functions])

# %%
# A problem is solved to a tolerance tau when the value has fallen to that share of what the best
# method achieved (Moré and Wild, 2009).

first = best[:, :, :1]
floor = best[:, :, -1].min(axis=1)[:, None, None]
tau = 1e-4
solved = best <= floor + tau * (first - floor)
needed = np.where(solved.any(axis=2), solved.argmax(axis=2) + 1.0, np.inf)
ratios = needed / needed.min(axis=1, keepdims=True)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for number, method in enumerate(methods):
    style = {"lw": 2.5, "zorder": 3} if number == 0 else {"lw": 1.3}
    left.semilogy(np.maximum(best[2, number], 1e-16), label=method, **style)
    x = np.geomspace(1, 16, 300)
    share = (ratios[:, number] <= x[:, None]).mean(axis=1)
    right.semilogx(x, share, drawstyle="steps-post", label=method, **style)
left.set(xlabel="evaluations", title="A kinked valley in two dimensions")
right.set(
    xlabel="evaluations over the fastest's", ylim=(0, 1.03), title=f"Share solved, tau = {tau:g}"
)
_ = left.legend(), right.legend()
