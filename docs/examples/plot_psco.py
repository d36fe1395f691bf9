r"""
Which items of a queue share a class
====================================

PsCo takes items of a queue for the shots of every image of a batch. Which ones is a transport
problem. By cosine, rows share their favourites; Sinkhorn's iterations spread each row over the
whole queue; an exact matching gives every row its K items, no item twice, and proves that no other
such choice is better.
"""

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from ml_apps.ssl.assignments import assign, overlap

digits = load_digits()
x = torch.from_numpy(digits.images).float()
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
x, labels = x[order], torch.from_numpy(digits.target)[order]
z = F.normalize(x.flatten(1) - x.flatten(1).mean(dim=0), dim=1)
rows, queue, K = slice(0, 128), slice(128, 128 + 1024), 4
similarity = z[rows] @ z[queue].T

# %%
# Purity is the share of the picks that are of the row's class.

found = {how: assign(similarity, K, how) for how in ("cosine", "sinkhorn", "bmatch")}
for how, labels_found in found.items():
    purity, distinct = overlap(labels_found.indices, labels[rows], labels[queue])
    print(f"{how:9s} purity {purity:.3f}, distinct {distinct:4d} of {128 * K}, "
          f"certified {labels_found.certified}")  # fmt: skip

# %%
# Six images and their four shots, by Sinkhorn on the left and by exact matching on the right. Shots
# of another class are framed in red.

figure = plt.figure(figsize=(10, 6), layout="constrained")
for part, how in zip(figure.subfigures(1, 2), ("sinkhorn", "bmatch"), strict=True):
    part.suptitle({"sinkhorn": "Sinkhorn, three iterations", "bmatch": "exact matching"}[how])
    for i, line in enumerate(part.subplots(6, 1 + K)):
        shots = found[how].indices[i]
        pictures = [x[rows][i], *x[queue][shots]]
        right = [True, *(labels[queue][shots] == labels[rows][i]).tolist()]
        for axis, picture, good in zip(line, pictures, right, strict=True):
            axis.imshow(picture, cmap="Greys")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(color="0.8" if good else "tab:red", lw=1 if good else 3)
        line[0].set_ylabel(f"row {i}", fontsize=8)
plt.show()
