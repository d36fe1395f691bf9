r"""
An exact match, and what is known on the way
============================================

Six hundred points of a ring are matched with six hundred points of a cross at the least total
squared distance. The solver is told to start from nothing, so that there is something to watch:
at any moment it holds a complete match and a number that no match can undercut.
"""

import matplotlib.pyplot as plt
import numpy as np

import otopt

rng = np.random.default_rng(0)
n = 600
angle = rng.uniform(0, 2 * np.pi, n)
x = np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.uniform(0.8, 1.0, (n, 1))
along, across = rng.uniform(-1, 1, n), rng.uniform(-0.08, 0.08, n)
flip = rng.random(n) < 0.5
y = np.where(flip[:, None], np.stack([along, across], 1), np.stack([across, along], 1))
C = ((x[:, None] - y) ** 2).sum(axis=2)

states = []
slow = otopt.assignment(C, method="flat", callback=states.append)
result = otopt.assignment(C)
print(result)

# %%
# Left: the match. Right: the cost of the match at hand and the proven bound, after so many
# pivots. With ``method="auto"`` coarser problems are solved first, and most of these pivots are
# saved; the optimum is the same.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for i, j in enumerate(result.permutation):
    left.plot([x[i, 0], y[j, 0]], [x[i, 1], y[j, 1]], color="0.8", lw=0.6)
left.scatter(*x.T, s=5, label="sources")
left.scatter(*y.T, s=5, label="targets")
left.set(aspect="equal", title="the optimal match")
left.axis("off")
left.legend(loc="upper right")

pivots = [s.nit for s in states] + [slow.nit]
right.plot(pivots, [s.value for s in states] + [slow.value], ".-", label="match at hand")
right.plot(pivots, [s.dual_bound for s in states] + [slow.dual_bound], ".-", label="bound")
right.axhline(result.value, color="0.6", lw=0.8)
right.set(xlabel="pivots", title=f"total cost; {result.nit} pivots with coarser levels")
_ = right.legend()
