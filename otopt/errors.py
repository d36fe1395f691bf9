"""Exceptions and warnings of otopt; every one derives from `OtoptError` or `OtoptWarning`."""

__all__ = [
    "ConvergenceWarning",
    "FeasibilityWarning",
    "InfeasibleError",
    "MissingDependencyError",
    "NotConvergedError",
    "OtoptError",
    "OtoptWarning",
]


class OtoptError(Exception):
    """Base class of the exceptions raised by otopt.

    Examples
    --------
    >>> from otopt.errors import InfeasibleError, NotConvergedError, OtoptError
    >>> issubclass(InfeasibleError, OtoptError), issubclass(NotConvergedError, OtoptError)
    (True, True)
    """


class InfeasibleError(OtoptError, ValueError):
    """No plan of the kind asked for exists, or none was found (`raise_if_failed` only).

    Examples
    --------
    >>> import warnings
    >>> import otopt
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     result = otopt.sparse_ot([0.4, 0.6], [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], k=1)
    >>> result.raise_if_failed()
    Traceback (most recent call last):
        ...
    otopt.errors.InfeasibleError: ...
    """


class NotConvergedError(OtoptError, RuntimeError):
    """A solver stopped at a limit before reaching its tolerance (`raise_if_failed` only).

    Examples
    --------
    >>> import warnings
    >>> import otopt
    >>> C = [[0.0, 1.0], [0.7, 0.2]]
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     result = otopt.sinkhorn([0.4, 0.6], [0.5, 0.5], C, reg=0.01, maxiter=1)
    >>> result.raise_if_failed()
    Traceback (most recent call last):
        ...
    otopt.errors.NotConvergedError: ...
    """


class MissingDependencyError(OtoptError, ImportError):
    """An optional dependency is needed; the message holds the command that installs it.

    Examples
    --------
    >>> from otopt.errors import MissingDependencyError
    >>> issubclass(MissingDependencyError, ImportError)
    True
    """


class OtoptWarning(UserWarning):
    """Base class of the warnings issued by otopt.

    Examples
    --------
    >>> import warnings
    >>> import otopt
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", otopt.errors.OtoptWarning)  # to stop at any of them
    ...     otopt.emd([1.0], [1.0], [[2.0]]).value
    2.0
    """


class ConvergenceWarning(OtoptWarning):
    """A solver stopped at a limit; the answer is valid but less accurate than asked.

    Examples
    --------
    >>> import warnings
    >>> import otopt
    >>> C = [[0.0, 1.0], [0.7, 0.2]]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     result = otopt.sinkhorn([0.4, 0.6], [0.5, 0.5], C, reg=0.01, maxiter=1)
    >>> caught[0].category.__name__, result.success
    ('ConvergenceWarning', False)
    """


class FeasibilityWarning(OtoptWarning):
    """The returned plan does not meet the marginals (proven impossible, or none was found).

    Examples
    --------
    >>> import warnings
    >>> import otopt
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     result = otopt.sparse_ot([0.4, 0.6], [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], k=1)
    >>> caught[0].category.__name__, result.status.name
    ('FeasibilityWarning', 'INFEASIBLE')
    """
