# The table of contents: every public name of otopt, loaded on first use (SPEC 1).
from . import errors, nn, testing
from ._backend import show_config
from ._core.status import Status
from .ot.entropic import SinkhornOptions, SinkhornProgress, sinkhorn
from .ot.entropic_batch import EntropicBatch, sinkhorn_batch
from .ot.entropic_result import EntropicResult
from .ot.result import OTResult
from .ot.sparse import SparseOTOptions, sparse_ot

__all__ = [
    "EntropicBatch",
    "EntropicResult",
    "OTResult",
    "SinkhornOptions",
    "SinkhornProgress",
    "SparseOTOptions",
    "Status",
    "errors",
    "nn",
    "show_config",
    "sinkhorn",
    "sinkhorn_batch",
    "sparse_ot",
    "testing",
]
