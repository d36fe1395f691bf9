"""Starting potentials between large point clouds: solve between their clusters, then refine.

A cluster is a leaf of the tree: its mean stands for its points, its mass is theirs. The potential
of a cluster problem is carried to the points by the c-transform ``alpha_i = min_J c(x_i, Y_J) -
beta_J``, which has the curvature of the cost between the clusters.
"""

from otopt._core.clouds import PointCost
from otopt._oracles.proximal_dual import ProximalDual
from otopt._solvers.semismooth_newton import semismooth_newton

__all__ = ["cluster_potentials", "is_large"]

LARGE = 2000  # sources and targets each, from which clusters pay
NEWTON_STEPS = 40
ACCURACY = (
    0.02  # marginal error of the cluster problem, as a share of the mass: its own error is larger
)


def is_large(problem):
    """Whether `problem` is between point clouds that are worth clustering."""
    return isinstance(problem.Ct, PointCost) and min(problem.Ct.shape) >= LARGE


def cluster_potentials(problem, kernels, alternate, curvature_at):
    """Potentials of the sources from the problem between clusters, itself solved so where large.

    Parameters
    ----------
    problem : SparseOT
        With `is_large`.
    kernels : module
    alternate : callable
        ``alternate(problem, alpha, curvature)``: block ascents on quadratic transport.
    curvature_at : callable
        ``curvature_at(problem, alpha)``: where columns spread over a few entries more than needed.

    Returns
    -------
    ndarray, shape (n,)
    """
    coarse = problem.clustered()
    if is_large(coarse):
        alpha = cluster_potentials(coarse, kernels, alternate, curvature_at)
        curvature = curvature_at(coarse, alpha)
        alpha = alternate(coarse, alpha, curvature)
    else:
        alpha = alternate(coarse, None, 0.02 * coarse.unit / coarse.b.mean())
        curvature = curvature_at(coarse, alpha)
    oracle = ProximalDual(
        kernels, coarse.a, coarse.b, coarse.Ct, len(coarse.a), curvature, mu=0.0,
        groups=coarse.groups,
    )  # fmt: skip
    semismooth_newton(oracle, alpha, tol=ACCURACY * coarse.mass, maxiter=NEWTON_STEPS)
    between = PointCost(coarse.Ct.queries, problem.Ct.points, coarse.Ct.metric)
    return kernels.c_transform(-oracle.columns.threshold, between)
