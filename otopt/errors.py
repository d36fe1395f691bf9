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
    """Base class of the exceptions raised by otopt."""


class InfeasibleError(OtoptError, ValueError):
    """No plan of the kind asked for exists, or none was found (`raise_if_failed` only)."""


class NotConvergedError(OtoptError, RuntimeError):
    """A solver stopped at a limit before reaching its tolerance (`raise_if_failed` only)."""


class MissingDependencyError(OtoptError, ImportError):
    """An optional dependency is needed; the message holds the command that installs it."""


class OtoptWarning(UserWarning):
    """Base class of the warnings issued by otopt."""


class ConvergenceWarning(OtoptWarning):
    """A solver stopped at a limit; the answer is valid but less accurate than asked."""


class FeasibilityWarning(OtoptWarning):
    """The returned plan does not meet the marginals (proven impossible, or none was found)."""
