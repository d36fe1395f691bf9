"""Cardinality-constrained transport with the columns of the cost spread over processes."""

from __future__ import annotations

from otopt.ot._sharded import solve_sharded
from otopt.ot._solve import warn_of_failure

from ._process_group import ProcessGroup

__all__ = ["sparse_ot"]


def sparse_ot(
    a,
    b,
    C,
    k,
    *,
    group=None,
    reg=None,
    tol=1e-6,
    maxiter=None,
    rounding="repair",
    warm_start=None,
    workers=1,
    callback=None,
    options=None,
):
    r"""Solve one problem of `otopt.sparse_ot` on all processes of a group.

    .. math::
        \begin{aligned}
        \min_T\ & \langle T, C\rangle + \tfrac{\mathrm{reg}}{2}\|T\|^2 \\
        \text{s.t.}\ & T\mathbf 1 = a,\ T^\top\mathbf 1 = b,\ T\ge 0,\
        \|t_j\|_0\le k\ \text{for every column}
        \end{aligned}

    with :math:`C = [C_0, C_1, \dots]` in order of the ranks. Process r holds :math:`C_r`, the
    masses of its columns, and all of a. Every process of the group has to call this function.

    Parameters
    ----------
    a : array_like, shape (n,)
        Masses of the sources, the same on every process.
    b : array_like, shape (m_r,)
        Masses of the targets of this process. Those of all processes together have the sum of
        `a`; those of one may all be zero.
    C : array_like, shape (n, m_r)
        Their costs; m_r >= 1, and the processes may hold different numbers of columns. NumPy
        arrays or CPU tensors, of one dtype on all processes.
    k : int or None
        Nonzeros allowed in a column.
    group : torch.distributed.ProcessGroup, optional
        With a CPU backend (gloo or MPI); None is the default group.
    reg : float, optional
        Quadratic regularisation, >= 0. The default is the range of the whole cost over the mass.
    tol : float
        Accepted marginal error and gap of the relaxation, as in `otopt.sparse_ot`.
    maxiter : int, optional
        Newton steps for the relaxation; 2000 by default.
    rounding : {"repair", "none"}
        Whether to search for a k-sparse plan where the relaxed one is not.
    warm_start : OTResult, optional
        A result for the whole problem, the same on every process.
    workers : int
        Threads of this process; -1 for all cores.
    callback : callable, optional
        As in `otopt.sparse_ot`; every process may have one. If one raises `StopIteration`, all
        stop.
    options : SparseOTOptions or dict, optional
        Fine settings. `k`, `reg`, `tol`, `maxiter`, `rounding` and these must be the same on
        every process.

    Returns
    -------
    OTResult
        Of the whole problem, equal on all processes but for `elapsed`, with columns in order of
        the ranks. It has the bits of the answer of one process with
        ``options={"linear_start": False}``, however the columns are cut.

    Raises
    ------
    ValueError, TypeError
        On all processes, for arguments that break a rule on any of them, with its rank; for
        arguments that differ between processes and must not. Before any work.

    Warns
    -----
    FeasibilityWarning
        No k-sparse plan that meets the marginals exists, or none was found.
    ConvergenceWarning
        The relaxation did not reach `tol` within `maxiter` steps.

    Notes
    -----
    The semi-dual is a sum over columns [1]_. An evaluation scans the own columns only and then
    sends their supports: 21 bytes an entry of the relaxed plan (about k + 1 a column) and 40 a
    column. Of the cost only a few entries a column leave their process. Newton systems, and the
    search for a k-sparse plan on about k + 8 entries a column, are computed on every process
    alike: the cost and its scans are what scales with the number of processes, O(n m_r) memory
    and time, beside O(m k) on each. Problems of at most 150 x 512 are gathered instead, and solved
    whole on every process.

    All processes must run the same versions on the same kind of processor: those are computed
    from the same bits and have to give the same bits. A process that dies, or is interrupted
    during the solve, leaves the others waiting until the timeout of the group.

    References
    ----------
    .. [1] T. Liu, J. Puigcerver, M. Blondel, "Sparsity-Constrained Optimal Transport", ICLR 2023,
       :doi:`10.48550/arXiv.2209.15466`.

    Examples
    --------
    A group of one; the user guide has scripts for more.

    >>> import numpy as np
    >>> import torch.distributed as dist
    >>> from otopt.distributed import sparse_ot
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.1, 2.9])
    >>> C = (x[:, None] - y) ** 2
    >>> sparse_ot(np.full(4, 0.25), np.full(2, 0.5), C, k=2, reg=0.1).status.name
    'OPTIMAL'
    >>> dist.destroy_process_group()
    """
    function = "distributed.sparse_ot"
    result = solve_sharded(
        ProcessGroup(function, group), a, b, C, k, reg, warm_start,
        function=function, tol=tol, maxiter=maxiter, rounding=rounding, workers=workers,
        callback=callback, options=options,
    )  # fmt: skip
    warn_of_failure(result, stacklevel=3)
    return result
