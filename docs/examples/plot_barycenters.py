r"""
Where several distributions meet
================================

Three histograms on a line, and what lies between them: barycentres for three costs, which are
means, medians and midranges of quantile functions, and the end of a descent on masses, which is
something else.
"""

import matplotlib.pyplot as plt
import numpy as np

import otopt

x = np.arange(100.0)
means, widths = np.array([20, 35, 75]), np.array([4, 9, 6])
A = np.exp(-((x[:, None] - means) ** 2) / (2 * widths**2))
A /= A.sum(axis=0)

# %%
# One call gives the barycentre as atoms off the grid (`barycenter`) and as a histogram on it.

costs = ("variance", "median", "range")
found = {cost: otopt.mmot_minimize(A, cost=cost, support=x) for cost in costs}
for cost, result in found.items():
    middle = result.barycenter
    print(
        f"{cost:9s} value {result.initial_value:8.3f}  mean {middle.mean:.2f}  std {middle.std:.2f}"
    )

# %%
# Descent on the masses follows the dual prices. It takes mass where it stands, and so it ends near
# a mixture: as wide as the three together.

descent = otopt.mmot_minimize(A, method="descent", tol=0.02, maxiter=5000)
mixture = descent.A.mean(axis=1)
print(f"descent   {descent.nit} steps, std {np.sqrt(mixture @ (x - mixture @ x) ** 2):.2f}")

# %%
# Left: the histograms and their barycentres. Right: the prices of the histograms under the cost max
# - min. Mass at a high price makes the three differ more; no tuple of bins has prices that add up
# to more than its cost, which is the proof that the value is right.

dual = otopt.mmot_1d(A, support=x).dual
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.fill_between(x, A.max(axis=1), color="0.9", step="mid")
left.plot(x, A, color="0.6", lw=1)
for cost, result in found.items():
    left.plot(x, result.A[:, 0], label=cost)
left.plot(x, mixture, "--", color="0.2", label="descent on masses")
left.set(xlabel="place", ylabel="mass")
left.legend()
for k, mean in enumerate(means):
    right.plot(x, dual[:, k], label=f"histogram around {mean}")
right.set(xlabel="place", ylabel="price")
_ = right.legend()
