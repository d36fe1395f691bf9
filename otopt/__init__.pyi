# The table of contents: every public name of otopt, loaded on first use (SPEC 1).
from . import errors, nn, testing
from ._backend import show_config
from ._core.status import Status
from .ot.assignment import AssignmentResult, assignment
from .ot.exact import EmdOptions, emd
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
    "errors",
    "nn",
    "show_config",
    "sparse_ot",
    "testing",
]
