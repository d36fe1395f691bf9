r"""
A photograph in the colours of another
======================================

A temple is repainted with the colours of a flower. Each has colours that cover equally many
pixels, and moving a colour costs its squared distance. What differs between the pictures is how
many paints one colour may be mixed from.
"""

import matplotlib.pyplot as plt
import numpy as np

import otopt
from ml_apps.tour.parts.palette import median_cut, mix, photographs

temple, flower = (image[::2, ::2] for image in photographs())
paints, _ = median_cut(flower, 128)
colours, label = median_cut(temple, 256)
C = ((paints[:, None] - colours) ** 2).sum(axis=2)
a, b = np.full(128, 1 / 128), np.full(256, 1 / 256)

# %%
# Every plan uses up all paint. With one paint for each colour the shares have to fit exactly, and
# here they do: every paint goes to two colours.

plans = {}
for k in (1, 3):
    result = otopt.sparse_ot(a, b, C, k=k)
    print(f"k = {k}: value {result.value:.5f}, no plan is below {result.dual_bound:.5f}")
    plans[f"at most {k} paint{'s' if k > 1 else ''} for each colour"] = result.plan.toarray()
plans["entropic: all paints for each colour"] = otopt.sinkhorn(a, b, C, reg=0.05).plan

# %%
# A colour that is mixed from everything is nearly grey.

pictures = {"the temple": temple, "its paints": flower}
pictures |= {name: mix(plan, paints)[label] for name, plan in plans.items()}
figure, axes = plt.subplots(2, 3, figsize=(12, 5.6), layout="constrained")
for axis, (name, picture) in zip(axes.flat, pictures.items(), strict=False):
    axis.imshow(np.clip(picture, 0, 1))
    axis.set_title(name)
    axis.axis("off")

# %%
# The last panel: how far the mixed colours are from the mean of all paints, colour by colour.

last = axes.flat[-1]
for name, plan in plans.items():
    distance = np.linalg.norm(mix(plan, paints) - paints.mean(axis=0), axis=1)
    last.plot(np.sort(distance), label=name)
last.set(xlabel="colours, in order", title="distance from grey")
last.legend(fontsize=8)
plt.show()
