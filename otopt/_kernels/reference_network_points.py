"""Reference kernels of exact transport between points: the matrix is written out."""

from . import reference_network
from .reference_points import on_matrices

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    name
    for name in reference_network.__all__
    if name not in ("cluster_costs", "cost_range", "potentials_of_clusters", "sample_range")
]

globals().update(on_matrices(reference_network, __all__))
