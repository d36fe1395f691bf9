"""The line search of the ascents: a zero of the slope along a direction, which decreases.

Plain functions, which `_solvers` calls as they are and `_numba_ascent` compiles.
"""

import math


def is_far_enough(now, slope, step):
    """Whether a step may end where the slope, `slope` at its start, is `now`."""
    return now >= -0.5 * slope and (now <= 0.7 * slope or step >= 256.0)


def narrow(lo, slope_lo, hi, slope_hi, step, now):
    """The bracket with the step as its new end, and the next step: safeguarded regula falsi."""
    if now < 0.0:
        hi, slope_hi = step, now
    else:
        lo, slope_lo = step, now
    if hi == math.inf:
        return lo, slope_lo, hi, slope_hi, 4.0 * lo
    width = hi - lo
    guess = lo + width * slope_lo / (slope_lo - slope_hi)
    following = min(max(guess, lo + 0.1 * width), hi - 0.1 * width)
    return lo, slope_lo, hi, slope_hi, following
