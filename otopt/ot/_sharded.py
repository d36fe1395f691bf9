"""The door for many processes, whatever connects them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from otopt._backend import kernels as select_kernels
from otopt._backend import numpy_views
from otopt._oracles.proximal_dual import ProximalDual
from otopt._sharding.communicator import check_everywhere
from otopt._sharding.dual import ShardedDual
from otopt._sharding.kernels import ShardedKernels
from otopt._sharding.problem import ShardedSparseOT, checked_shard, fingerprint

from ._shapes import has_small_shape
from ._solve import check_settings, check_warm_start, solve
from ._tensors import as_tensors

__all__ = ["solve_sharded"]


def solve_sharded(communicator, a, b, C, k, reg, warm_start, *, function, **settings):
    """Solve the problem whose columns the processes hold; the result is the same on all."""

    def check():
        checked = check_settings(function, **settings)
        home, arrays = numpy_views(function, a=a, b=b, C=C)
        shard, facts = checked_shard(function, arrays, k, reg)
        facts["tensors"] = str(home and home.dtype)
        for name in ("tol", "maxiter", "rounding"):
            facts[name] = repr(getattr(checked, name))
        facts["options"] = repr(replace(checked.options, progress=None))
        facts["warm_start"] = "None"
        start = check_warm_start(function, warm_start)
        if start is not None:
            plan = (start.relaxed or start).plan
            facts["warm_start"] = fingerprint(start.potentials.source, plan.data)
        return (checked, home, shard), facts

    checked, home, shard = check_everywhere(communicator, function, check)
    problem = ShardedSparseOT.from_shards(communicator, function, *shard)
    warm_start = check_warm_start(function, warm_start, problem.shape)
    checked = replace(checked, callback=_agreed(communicator, checked.callback))
    # However many processes there are, the start is one that they can take together.
    options = replace(checked.options, linear_start=False)
    if communicator.rank > 0:
        options = replace(options, progress=False)
    checked = replace(checked, options=options)
    kernels, dual = ShardedKernels(select_kernels()), ShardedDual
    if has_small_shape(problem):  # messages would cost more than the solve
        problem, kernels, dual = problem.gathered(), select_kernels(), ProximalDual
    # Ctrl-C reaches this process alone: the others are not there to finish with it.
    stops = (StopIteration,)
    result = solve(problem, kernels, k, checked, warm_start, dual=dual, stops=stops)
    return result if home is None else as_tensors(result, home)


def _agreed(communicator, callback):
    """The callback of this process, after which all go on, or none."""
    present = communicator.reduce(np.array([callback is not None], np.int64), "max")
    if not present[0]:
        return None

    def call(intermediate_result):
        verdict, failure = 0, None
        try:
            if callback is not None:
                callback(intermediate_result)
        except StopIteration:
            verdict = 1
        except BaseException as error:  # noqa: BLE001 - raised below, once the others know
            verdict, failure = 2, error
        worst = int(communicator.reduce(np.array([verdict], np.int64), "max")[0])
        if failure is not None:
            raise failure
        if worst == 2:
            message = "the callback of another process raised an exception"
            raise RuntimeError(message)
        if worst == 1:
            raise StopIteration

    return call
