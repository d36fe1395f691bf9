"""Prices from rows that are spread over processes."""

from __future__ import annotations

import warnings

import torch
import torch.distributed as dist

from otopt._backend import is_tensor
from otopt._core.status import Status
from otopt.errors import ConvergenceWarning
from otopt.ot._price_problem import read_problem
from otopt.ot._price_solve import solve

from ._process_group import ProcessGroup

__all__ = ["solve_prices"]


class _Sum:
    """Adds up statistics over a group; `size` says that there are other processes."""

    def __init__(self, function, group, on_host):
        self.group = group
        if on_host:
            self.communicator = ProcessGroup(function, group)
        self.size = dist.get_world_size(group)

    def __call__(self, statistics):
        if not is_tensor(statistics):
            return self.communicator.reduce(statistics, "sum")
        statistics = statistics.contiguous()
        dist.all_reduce(statistics, group=self.group)
        return statistics


def solve_prices(
    scores,
    k=1,
    capacity=None,
    *,
    group=None,
    row_mass=None,
    row_nnz=None,
    equality=None,
    method="auto",
    smoothing=None,
    reg=None,
    passes=None,
    tol=2e-3,
    maxiter=200,
    warm_start=None,
    certify=True,
):
    r"""Find the prices of `otopt.solve_prices` for rows spread over the processes of a group.

    Every process holds rows of its own, perhaps none, and calls with the same other arguments.
    All get the same prices. They are the ones of all rows together: what is added up in a pass
    are the loads and the curvatures of columns, 2 m numbers.

    Parameters
    ----------
    scores : array_like or torch.Tensor, shape (n_local, m)
        The rows of this process.
    k : int
        Columns a row takes.
    capacity : float or array_like, shape (m,), optional
        Capacities for the rows of all processes together.
    group : torch.distributed.ProcessGroup, optional
        The default group if None; with a CPU backend unless scores are elsewhere.
    row_mass : array_like, shape (n_local,), optional
        As for `otopt.solve_prices`, which the following are explained at too.
    row_nnz : int, optional
        The most columns that a row is spread over.
    equality : bool, optional
        Whether loads must equal the capacity.
    method : {"auto", "diagonal", "sinkhorn"}
        "auto" is "diagonal" here.
    smoothing : float, optional
        Relative smoothing.
    reg : float, optional
        Absolute smoothing.
    passes : int, optional
        A fixed number of passes.
    tol : float
        Largest deviation of loads.
    maxiter : int
        The most passes where `passes` is None.
    warm_start : PriceResult or array_like, optional
        Prices to begin with, the same on all processes.
    certify : bool
        Whether to return `load` and `dual_bound`, of all rows together.

    Returns
    -------
    PriceResult
        The same on all processes.

    Raises
    ------
    ValueError, TypeError
        For bad input on this process; the others then wait until the group times out.

    Warns
    -----
    ConvergenceWarning
        `maxiter` passes did not reach `tol`.

    Examples
    --------
    A group of one; the gallery routes on three.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch.distributed as dist
    >>> from otopt.distributed import solve_prices
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     meeting_place = (Path(folder) / "meet").as_uri()
    ...     dist.init_process_group("gloo", init_method=meeting_place, rank=0, world_size=1)
    ...     result = solve_prices([[2.0, 0.0], [3.0, 0.0]])
    ...     dist.destroy_process_group()
    >>> result.load
    array([1, 1])
    """
    function = "distributed.solve_prices"
    on_host = not (isinstance(scores, torch.Tensor) and scores.device.type != "cpu")
    rows, dual, start, settings = read_problem(
        function, scores, k, capacity, row_mass=row_mass, row_nnz=row_nnz, equality=equality,
        method=method, smoothing=smoothing, reg=reg, passes=passes, tol=tol, maxiter=maxiter,
        warm_start=warm_start, certify=certify, reduce=_Sum(function, group, on_host),
    )  # fmt: skip
    result = solve(rows, dual, start, settings)
    if result.status is Status.ITERATION_LIMIT:
        warnings.warn(f"{function}: {result.message}", ConvergenceWarning, stacklevel=2)
    return result
