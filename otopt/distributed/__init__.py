"""Problems whose cost is spread over the processes of a `torch.distributed` group."""

from otopt.errors import MissingDependencyError as _Missing

try:
    import torch as _torch  # noqa: F401
except ImportError:
    _message = "otopt.distributed needs torch: pip install 'otopt[torch]'"
    raise _Missing(_message) from None

from .routing import solve_prices
from .sparse import sparse_ot

__all__ = ["solve_prices", "sparse_ot"]
