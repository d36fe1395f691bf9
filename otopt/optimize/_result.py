"""Results in scipy's own type."""

from typing import Any

__all__ = ["new_result"]


def new_result(**fields) -> Any:
    """A `scipy.optimize.OptimizeResult`, whose stub knows no fields."""
    from scipy.optimize import OptimizeResult

    kind: Any = OptimizeResult
    return kind(**fields)
