r"""
What the normaliser does for prototypes
=======================================

A softmax over prototypes is the posterior of a von Mises-Fisher mixture. If prototypes have
norms of their own, concentrations differ, and the normaliser :math:`\log C_p(\kappa)` belongs into
the logit. Left out, the sharp components take points from the broad ones.
"""

import matplotlib.pyplot as plt
import torch

from ml_apps.ssl import vmf
from ml_apps.ssl.study_vmf import accuracies, mixture

# %%
# The normaliser falls with the concentration: slowly at first, as :math:`-\kappa^2 / 2p`, then
# like :math:`-\kappa`. Its slope is minus the mean resultant.

kappa = torch.logspace(-1, 3, 200, dtype=torch.float64)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
for p in (8, 64, 256):
    left.semilogx(kappa, vmf.mean_resultant(kappa, p), label=f"p = {p}")
left.set(title="mean of the cosine to the mean direction", xlabel=r"$\kappa$")
left.legend()

# %%
# Accuracy of the E-step for 16 overlapping components on the sphere of R^64.

ratios = (1, 1.5, 2, 3, 4, 6, 10)
found = [accuracies(mixture(r, n=2000)) for r in ratios]
names = {"with": "with normaliser", "equal": "equal concentrations", "without": "without"}
for key, name in names.items():
    middle.plot(ratios, [f[key] for f in found], "o-", label=name)
middle.set(title="points given to their component", xlabel="largest over smallest concentration")
middle.legend()
print("ratio 4:", found[ratios.index(4)])

# %%
# How many points each component gets, from the broadest to the sharpest.

x, labels, mu, kappas = mixture(4)
share = len(x) / len(mu)
for scores, name in (
    (vmf.mixture_log_posterior(x, mu, kappas), "with normaliser"),
    (kappas * (x @ mu.T), "without"),
):
    counts = torch.bincount(scores.argmax(dim=1), minlength=len(mu))
    right.plot(kappas, counts / share, "o-", label=name)
right.axhline(1, color="0.7", lw=1)
right.set(title="use of the components, 1 is fair", xlabel=r"$\kappa$")
right.legend()
plt.show()
