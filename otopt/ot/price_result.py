"""What `solve_prices` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otopt._core.status import Status
from otopt.errors import NotConvergedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PriceResult"]


@dataclass(frozen=True, repr=False, eq=False)
class PriceResult:
    """Prices of columns and what they prove.

    Arrays are of the library, and on the device, of the scores; prices are float32 for half and
    single precision and float64 otherwise. On other devices than the CPU the numbers are tensors
    without dimensions, so that nothing waits for the device.

    Attributes
    ----------
    price : ndarray, shape (m,)
        Subtract it from the scores: rows take their k best columns of ``scores - price``. As a
        bias that is added to scores it has the opposite sign.
    load : ndarray, shape (m,), or None
        Mass that every column gets by that rule; None with ``certify=False``.
    dual_bound : float or None
        No plan within the capacities has a larger total score; None with ``certify=False``.
    marginal_error : float
        Largest deviation of the smoothed loads from the capacities, over the mean capacity; before
        the last pass where their number was fixed.
    reg : float
        Smoothing that was used last, in units of the scores.
    passes : int
        Passes over the scores, without those of the start and of the certificate.
    status : Status
        `Status.OPTIMAL` where `marginal_error` is within the tolerance, or where the number of
        passes was fixed and nothing was promised.
    message : str
        The same in words.
    statistics : ndarray, shape (2, m), or None
        Smoothed loads and the diagonal of the curvature in the last pass, before its step, where
        the number of passes was fixed. They add up over batches: with their sums, `reg` and
        capacities C, the step that the pass took is
        ``clip((load - C) / (curvature + 0.1 C / reg), -reg, reg)``.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.solve_prices([[2.0, 0.0], [3.0, 0.0]])
    >>> 2.0 < result.price[0] - result.price[1] < 3.0  # between what the two would pay
    True
    """

    price: NDArray
    load: NDArray | None
    dual_bound: float | None
    marginal_error: float
    reg: float
    passes: int
    status: Status
    message: str
    statistics: NDArray | None = None

    @property
    def success(self) -> bool:
        """Whether the tolerance was met, or none was asked for."""
        return self.status.is_success

    def raise_if_failed(self) -> PriceResult:
        """Return the result itself, or raise with `message` unless `success`.

        Returns
        -------
        PriceResult
            The result itself.

        Raises
        ------
        NotConvergedError
            The passes ran out before the tolerance was met.
        """
        if self.success:
            return self
        raise NotConvergedError(self.message)

    def __repr__(self) -> str:
        lines = [
            ("status", f"{self.status.name} ({self.message})"),
            ("price", f"{len(self.price)} columns, reg={float(self.reg):.4g}"),
            ("marginal_error", f"{float(self.marginal_error):.1e}"),
        ]
        if self.load is not None and self.dual_bound is not None:
            ratio = float(self.load.max()) / max(float(self.load.mean()), 1e-300)
            lines.insert(2, ("load", f"max/mean {ratio:.4f}"))
            lines.insert(3, ("dual_bound", f"{float(self.dual_bound):.9g}"))
        width = max(len(name) for name, _ in lines)
        return "PriceResult\n" + "\n".join(f"  {name:>{width}}: {text}" for name, text in lines)
