r"""
What it costs to treat groups alike
===================================

A regression on the diabetes data of scikit-learn, with two sexes and two ages as groups, none of
them features. Strength by strength: how much is explained, how far the groups' predictions are
apart, and what gap chance alone would show.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from ml_apps.fairness import FairRegressor, null_gap, trade_off, wasserstein_parity_difference

X, y = load_diabetes(return_X_y=True)
age, sex = X[:, 0], X[:, 1]
groups = np.stack([np.where(age < np.median(age), "young", "old"), np.where(sex > 0, "x", "y")], 1)
features = X[:, 2:]

# %%
# Five random splits, five strengths; intervals allow for the overlap of the splits. Where a point
# enters the grey band its gap is one that chance would show, and more strength buys nothing.

found = trade_off(
    FairRegressor(), features, y, sensitive_features=groups, lams=(0, 0.2, 0.4, 0.8, 1.6),
    random_state=0,
)  # fmt: skip
for row in found.rows():
    print(
        f"lam {row['lam']:.1f}   explained {row['score']:.2f} ± {row['score_half']:.2f}   "
        f"gap {row['gap']:5.1f} ± {row['gap_half']:.1f}"
    )
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
found.plot(left)
left.set(ylabel="share of variance explained, unseen patients")

# %%
# The distributions of the groups' predictions, without and with the constraint.

for lam, style in ((0.0, "--"), (0.8, "-")):
    model = FairRegressor(lam=lam).fit(features, y, sensitive_features=groups)
    prediction = model.predict(features)
    gap = wasserstein_parity_difference(y, prediction, sensitive_features=groups)
    chance = null_gap(
        wasserstein_parity_difference, y, prediction, sensitive_features=groups, rng=0
    )
    print(f"lam {lam}: gap {gap:.1f}, by chance {chance.mean:.1f}")
    for i, label in enumerate(model.groups_):
        x = np.sort(prediction[(groups == label.split(", ")).all(axis=1)])
        name = label if lam else None
        right.step(x, np.arange(1, len(x) + 1) / len(x), style, color=f"C{i}", label=name)
right.set(xlabel="predicted progression (dashed: without constraint)", ylabel="share of the group")
_ = right.legend()
