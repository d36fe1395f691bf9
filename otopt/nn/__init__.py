"""Transport as a part of torch models: losses, layers and the functions behind them."""

from otopt.errors import MissingDependencyError as _Missing

try:
    import torch as _torch  # noqa: F401
except ImportError:
    _message = "otopt.nn needs torch: pip install 'otopt[torch]'"
    raise _Missing(_message) from None

from .entropic import sinkhorn_plan, sinkhorn_value
from .exact import emd_value
from .functional import SparsePlan, sparse_ot_plan, sparse_ot_value
from .multimarginal import MMOTLoss
from .routing import capped_simplex
from .sampler import StratifiedBatchSampler
from .sparse import SparseOTLoss, SparseOTMatching

__all__ = [
    "MMOTLoss",
    "SparseOTLoss",
    "SparseOTMatching",
    "SparsePlan",
    "StratifiedBatchSampler",
    "capped_simplex",
    "emd_value",
    "sinkhorn_plan",
    "sinkhorn_value",
    "sparse_ot_plan",
    "sparse_ot_value",
]
