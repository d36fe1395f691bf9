r"""
What a larger k buys
====================

A rule costs something: with fewer sources for each target the best plan is dearer, and how far
the one found may be from the best is harder to tell. This example solves one problem with
generic weights for every k from the smallest that can work, and draws value, certificate and
size of the plan.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import otopt

rng = np.random.default_rng(0)
n, m = 60, 40
x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 0.5
a, b = rng.dirichlet(np.full(n, 5.0)), rng.dirichlet(np.full(m, 5.0))
C = ((x[:, None] - y[None]) ** 2).sum(axis=2)
C /= C.max()

# %%
# A plan with generic weights has at least n + m - 1 nonzeros, so k cannot be smaller than (n +
# m - 1) / m. At that bound finding a feasible plan at all is a combinatorial question, and the
# solver may say that it found none; such points are left out of the picture.

smallest = -(-(n + m - 1) // m)
ks = np.arange(smallest, 17)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", otopt.errors.FeasibilityWarning)
    results = [otopt.sparse_ot(a, b, C, k, reg=5.0) for k in ks]
for k, result in zip(ks, results, strict=True):
    print(f"k={k:2d}  {result.status.name:9s} value {result.value:.6f}  gap {result.gap:.1e}")

# %%
# Left: the value of the plan found and the proven lower bound; no plan has a value in the
# shaded part. Middle: the relative gap between the two. Right: the nonzeros, between n + m - 1
# and k m.

found = np.array([result.success for result in results])
value = np.array([result.value if result.success else np.nan for result in results])
bound = np.array([result.dual_bound for result in results])
gap = np.array([max(result.gap, 1e-9) if result.success else np.nan for result in results])
nonzeros = np.array([result.plan.nnz for result in results], dtype=float)
nonzeros[~found] = np.nan

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
left.fill_between(
    ks, bound, bound.min() - 0.02 * np.ptp(bound), color="0.9", label="no plan is here"
)
left.plot(ks, bound, color="0.4", label="dual bound")
left.plot(ks, value, "o", color="tab:blue", label="plan found")
left.set(title="value", xlabel="k")
left.legend()

middle.semilogy(ks, gap, "o-", color="tab:blue")
middle.set(title="relative gap", xlabel="k")

right.plot(ks, nonzeros, "o-", color="tab:blue", label="plan found")
right.plot(ks, ks * m, "--", color="0.4", label="k m")
right.axhline(n + m - 1, linestyle=":", color="0.4", label="n + m - 1")
right.set(title="nonzeros", xlabel="k", ylim=(0, None))
_ = right.legend()

# %%
# Once k is larger than what the unlimited plan uses anywhere, the rule is idle and the answer
# certified.
