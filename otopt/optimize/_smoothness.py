"""Whether an objective is smooth or kinked, read off polls that found nothing better."""

import math

__all__ = ["Smoothness"]

KINKED = 1.5  # order of second differences below which a function is not smooth


class Smoothness:
    """The order p in ``f(x + s d) + f(x - s d) - 2 f(x) ~ s**p``, averaged over a poll.

    Over any orthonormal directions the mean is proportional to ``s**2`` times the trace of the
    Hessian where f is smooth, and at a kink, to s; under noise it does not change with s. Two polls
    of different steps tell the order.
    """

    def __init__(self):
        self.order = None
        self._step = self._rise = 0.0

    def record(self, step, rise):
        """A complete poll of that step found values that are higher by `rise` on the mean."""
        if step < self._step and rise > 0 and self._rise > 0:
            self.order = math.log(rise / self._rise) / math.log(step / self._step)
        self._step, self._rise = step, rise

    @property
    def is_smooth(self):
        """What the last two failed polls say, None where there were no two."""
        return None if self.order is None else self.order >= KINKED
