"""Functions that `torch.compile` leaves alone."""

from __future__ import annotations

import functools

from otopt._backend import torch_module

__all__ = ["uncompiled"]


def uncompiled(function):
    """Wrap a function on tensors whose kernels, being numba's, the compiler cannot trace.

    `torch.compiler.disable` would do, but as a decorator it imports the compiler for everybody.
    """

    @functools.wraps(function)
    def called(*args, **kwargs):
        torch = torch_module()
        if torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*args, **kwargs)
        return function(*args, **kwargs)

    return called
