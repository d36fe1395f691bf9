# The table of contents: every public name of otopt, loaded on first use (SPEC 1).
from . import distributed, errors, nn, testing
from ._config import show_config
from ._core.penalties import KLPenalty, L2Penalty, MassBounds
from ._core.status import Status
from .optimize.guess_and_check import guess_and_check
from .optimize.guesser import GuessAndCheck
from .optimize.minimize import minimize
from .optimize.pattern_search import PatternSearch, pattern_search
from .ot.assign import Routing, assign
from .ot.assignment import AssignmentResult, assignment
from .ot.bmatch import BMatching, bmatch
from .ot.entropic import SinkhornOptions, SinkhornProgress, sinkhorn
from .ot.entropic_batch import EntropicBatch, sinkhorn_batch
from .ot.entropic_result import EntropicResult
from .ot.exact import EmdOptions, emd
from .ot.exact_batch import emd_batch
from .ot.multimarginal import mmot_1d
from .ot.multimarginal_minimize import LineMeasure, MMOTMinimizeResult, mmot_minimize
from .ot.multimarginal_null import NullLevel, mmot_null_level
from .ot.multimarginal_result import MMOTResult, MMOTSamplesResult, MultiMarginalPlan
from .ot.multimarginal_samples import mmot_samples
from .ot.price_result import PriceResult
from .ot.result import OTResult
from .ot.routing import solve_prices
from .ot.sparse import SparseOTOptions, sparse_ot
from .ot.sparse_batch import sparse_ot_batch

__all__ = [
    "AssignmentResult",
    "BMatching",
    "EmdOptions",
    "EntropicBatch",
    "EntropicResult",
    "GuessAndCheck",
    "KLPenalty",
    "L2Penalty",
    "LineMeasure",
    "MMOTMinimizeResult",
    "MMOTResult",
    "MMOTSamplesResult",
    "MassBounds",
    "MultiMarginalPlan",
    "NullLevel",
    "OTResult",
    "PatternSearch",
    "PriceResult",
    "Routing",
    "SinkhornOptions",
    "SinkhornProgress",
    "SparseOTOptions",
    "Status",
    "assign",
    "assignment",
    "bmatch",
    "distributed",
    "emd",
    "emd_batch",
    "errors",
    "guess_and_check",
    "minimize",
    "mmot_1d",
    "mmot_minimize",
    "mmot_null_level",
    "mmot_samples",
    "nn",
    "pattern_search",
    "show_config",
    "sinkhorn",
    "sinkhorn_batch",
    "solve_prices",
    "sparse_ot",
    "sparse_ot_batch",
    "testing",
]
