# The table of contents: every public name of otopt, loaded on first use (SPEC 1).
from . import errors, nn, testing
from ._backend import show_config
from ._core.status import Status
from .ot.assignment import AssignmentResult, assignment
from .ot.exact import EmdOptions, emd
from .ot.exact_batch import emd_batch
from .ot.result import OTResult
from .ot.sparse import SparseOTOptions, sparse_ot

__all__ = [
    "AssignmentResult",
    "EmdOptions",
    "OTResult",
    "SparseOTOptions",
    "Status",
    "assignment",
    "emd",
    "emd_batch",
    "errors",
    "nn",
    "show_config",
    "sparse_ot",
    "testing",
]
