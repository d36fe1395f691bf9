"""One run of a solver on a problem, as the improvements it made."""

import time
import warnings

import numpy as np

__all__ = ["BUDGET", "history", "record"]

BUDGET = 100  # simplex gradients: evaluations over n + 1


class OutOfBudget(BaseException):
    """Ends a solver; not an Exception, so that none takes it for a failed evaluation."""


def history(solver, problem, budget=BUDGET):
    """Evaluations at which the best value improved and those values, and CPU seconds.

    A value that is not finite improves nothing. The first entry is the value at the start of the
    solver, whatever it is; values out of bounds do not count. What the solver raises ends the run
    and is returned last, except that its package is missing or broken, which is no run of it.
    """
    maxfev = budget * (problem.n + 1)
    calls, steps = 0, []
    best = np.inf

    def counted(x):
        nonlocal calls, best
        if calls >= maxfev:
            raise OutOfBudget
        calls += 1
        x = np.array(x, float)
        value = problem.fun(x)
        seen = value if problem.truth is None else problem.truth(x)
        if seen < best and _is_inside(x, problem.bounds):
            best = seen
            steps.append((calls, float(seen)))
        return value

    start = time.process_time()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            solver(counted, problem.x0.copy(), problem.bounds, maxfev)
        except OutOfBudget:
            pass
        except ImportError:
            raise
        except Exception as error:  # noqa: BLE001 (a peer that fails keeps what it had)
            return steps, time.process_time() - start, calls, f"{type(error).__name__}: {error}"
    return steps, time.process_time() - start, calls, ""


def _is_inside(x, bounds):
    if bounds is None:
        return True
    slack = 1e-12 * np.maximum(1.0, np.abs(bounds))
    return bool(((x >= bounds[:, 0] - slack[:, 0]) & (x <= bounds[:, 1] + slack[:, 1])).all())


def record(solver, problem):
    """The same as a dictionary for the file of runs."""
    steps, seconds, calls, error = history(solver, problem)
    return {"steps": steps, "seconds": seconds, "calls": calls, "error": error}
