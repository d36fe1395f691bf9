"""Newton ascent of the proximal dual: whole in the kernels that offer it, else step by step."""

from otopt._solvers.semismooth_newton import NewtonResult, semismooth_newton

__all__ = ["ascend"]


def ascend(oracle, x, *, tol, maxiter, on_iteration=None):
    """`semismooth_newton` on a `ProximalDual`."""
    if on_iteration is not None or not hasattr(oracle.kernels, "ascend"):
        return semismooth_newton(oracle, x, tol=tol, maxiter=maxiter, on_iteration=on_iteration)
    x, gradient, oracle.support, nit, nfev = oracle.kernels.ascend(
        x.copy(), oracle.reference, oracle.a, oracle.b, oracle.Ct, oracle.k, oracle.reg, oracle.mu,
        oracle.lists, oracle.columns, tol, maxiter,
    )  # fmt: skip
    oracle.nfev += nfev
    return NewtonResult(x, float("nan"), gradient, nit)
