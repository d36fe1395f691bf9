"""What users pass in place of an array of floats, and what may become of it.

Every adversary takes a good array and returns a thing to pass. `SAME` are other ways to write the
same numbers: the answer must not change. `WRONG` break a rule of every parameter, or of most.
"""

import pickle
import warnings

import numpy as np
import torch

with warnings.catch_warnings():  # of optional accelerators of pandas
    warnings.simplefilter("ignore")
    import pandas as pd

VALUES = (
    np.nan,
    np.inf,
    -np.inf,
    1e308,
    -1e308,
    1e200,
    -1.0,
    -1e-300,
    5e-324,
    1e-200,
    0.0,
    2.0**63,
)


def _strided(x):
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan if x.dtype.kind == "f" else 7, x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def _read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def _negative_zeros(x):
    return np.where(x == 0, -0.0, x) if x.dtype.kind == "f" else x


def _frame(x):
    return pd.Series(x) if x.ndim == 1 else pd.DataFrame(x) if x.ndim == 2 else x


class _Array:
    """Anything with `__array__`."""

    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return np.array(self.x, dtype=dtype)


SAME = {
    "list": lambda x: x.tolist(),
    "read-only": _read_only,
    "strided": _strided,
    "reversed twice": lambda x: x[::-1].copy()[::-1],
    "fortran": np.asfortranarray,
    "negative zeros": _negative_zeros,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unmasked": np.ma.array,
    "pandas": _frame,
    "__array__": _Array,
    "long double": lambda x: x.astype(np.longdouble) if x.dtype.kind == "f" else x,
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:]
    .view(x.dtype).reshape(x.shape),
}  # fmt: skip

WRONG = {
    "empty": lambda x: x[:0],
    "no columns": lambda x: x[..., :0],
    "0-d": lambda x: x.ravel()[0],
    "0-d array": lambda x: np.array(x.ravel()[0]),
    "one more axis": lambda x: x[None],
    "two more axes": lambda x: x[None, None],
    "flat": np.ravel,
    "one entry": lambda x: x.ravel()[:1],
    "longer": lambda x: np.concatenate([x, x]),
    "complex": lambda x: x.astype(complex) + 1j,
    "strings": lambda x: x.astype(str),
    "words": lambda x: np.full(x.shape, "word"),
    "bytes": lambda x: x.astype("S8"),
    "objects": lambda x: x.astype(object),
    "Nones": lambda x: np.full(x.shape, None),
    "dates": lambda x: np.full(x.shape, "2020-01-01", "datetime64[D]"),
    "records": lambda x: np.zeros(x.shape, [("x", float), ("y", int)]),
    "bools": lambda x: x > 0,
    "int8": lambda x: x.astype(np.int8),
    "uint64": lambda x: np.abs(x).astype(np.uint64),
    "float16": lambda x: x.astype(np.float16),
    "float32": lambda x: x.astype(np.float32),
    "masked": lambda x: np.ma.array(x, mask=np.arange(x.size).reshape(x.shape) == 0),
    "all masked": lambda x: np.ma.masked_all(x.shape),
    "ragged": lambda x: [[1.0, 2.0], [3.0]],
    "missing in pandas": lambda x: _frame(x).convert_dtypes().mask(_frame(x) == _frame(x))
    if x.ndim <= 2 else x[:0],
    "text": lambda x: "text",
    "object": lambda x: object(),
    "dict": lambda x: {0: 1.0},
    "set": lambda x: {1.0, 2.0},
    "generator": lambda x: (float(v) for v in x.ravel()),
    "function": lambda x: abs,
    "negative": lambda x: -x.astype(float) - 1,
    "zeros": lambda x: np.zeros(x.shape),
    "NaNs": lambda x: np.full(x.shape, np.nan),
    "huge": lambda x: np.full(x.shape, 1e308),
    "tiny": lambda x: np.full(x.shape, 5e-324),
    "tensor": torch.as_tensor,
    "half tensor": lambda x: torch.as_tensor(x).bfloat16(),
    "complex tensor": lambda x: torch.as_tensor(x) + 1j,
    "sparse tensor": lambda x: torch.as_tensor(x).to_sparse(),
    "tensor with gradient": lambda x: torch.as_tensor(x).double().requires_grad_(),
    "meta": lambda x: torch.as_tensor(x).to("meta"),
    "None": lambda x: None,
}  # fmt: skip

# In place of every other parameter: none of them makes a call long.
ODD = {
    "NaN": np.nan, "inf": np.inf, "-inf": -np.inf, "-1": -1, "0": 0, "0.5": 0.5, "text": "text",
    "bytes": b"x", "list": [], "pair": (1, 2), "dict": {}, "strange dict": {"strange": 1},
    "tiny": 5e-324, "huge": 1e300, "object": object(), "complex": 1j, "True": True,
    "array": np.array([1.0, 2.0]),
    "0-d array": np.array(1), "empty": np.empty(0), "None": None,
    "meta": torch.empty(2, device="meta"),
    "masked": np.ma.masked, "function": abs, "np.int64": np.int64(2), "np.float32": np.float32(0.5),
}  # fmt: skip


def with_value(x, value, place):
    """A copy of x with one entry replaced; integers become floats where they must."""
    x = x.astype(float)
    x.flat[place % max(x.size, 1)] = value
    return x


def fingerprint(x):
    """Bytes that change when x does; None for what has none."""
    if isinstance(x, torch.Tensor) and x.device.type == "meta":
        return None
    if isinstance(x, (pd.Series, pd.DataFrame)):  # whose pickles hold caches
        return pickle.dumps((x.to_dict(), str(x)))
    if isinstance(x, np.ma.MaskedArray):
        return np.ma.getdata(x).tobytes(), np.ma.getmaskarray(x).tobytes()
    try:
        return pickle.dumps(x)
    except Exception:  # noqa: BLE001 (generators, lambdas: nothing to modify)
        return None
