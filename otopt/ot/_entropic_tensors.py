"""What results of entropic transport share: matrices are built in float64, on first access."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .result import Potentials

if TYPE_CHECKING:
    from typing import Self

    from otopt._backend import TensorHome

__all__ = ["LazyResult", "at_home"]


@dataclass(frozen=True, eq=False, repr=False)
class LazyResult:
    """Potentials and a value, from which `at_home` methods build the rest."""

    potentials: Potentials
    value: Any
    # Where this is in tensors: the same in NumPy, and where its arrays go.
    _exact: tuple[Self, TensorHome] | None = field(default=None, compare=False, kw_only=True)

    def in_tensors(self, home: TensorHome) -> Self:
        """Return the result with tensors for arrays.

        Parameters
        ----------
        home : TensorHome
            Where they go.

        Returns
        -------
        LazyResult
            The same result, of its own type.
        """
        return replace(
            self,
            potentials=Potentials(*(home.real(x) for x in self.potentials)),
            value=home.real(self.value),
            _exact=(self, home),
        )


def at_home(build):
    """A method that builds an array in NumPy; of a result in tensors it returns a tensor."""

    @functools.wraps(build)
    def built(self):
        if self._exact is None:
            return build(self)
        exact, home = self._exact
        return home.real(build(exact))

    return built
