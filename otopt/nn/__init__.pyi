# The names of otopt.nn, loaded on first use; torch comes with the first of them.
from .multimarginal import MMOTLoss
from .sampler import StratifiedBatchSampler

__all__ = [
    "MMOTLoss",
    "StratifiedBatchSampler",
]
