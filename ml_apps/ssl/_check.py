"""What embeddings must look like, said once."""

import torch

__all__ = ["choice", "finite", "labels", "positive", "views"]


def views(function, z_a, z_b, *, at_least=2):
    """Refuse two views that are not matrices of one shape and dtype."""
    for name, z in (("z_a", z_a), ("z_b", z_b)):
        if not isinstance(z, torch.Tensor) or z.ndim != 2 or not z.is_floating_point():
            given = f"shape {tuple(z.shape)}, {z.dtype}" if hasattr(z, "shape") else type(z)
            raise ValueError(
                f"{function}: {name} must be a floating-point tensor of shape (n, d); "
                f"got {given}; flatten what lies behind the batch"
            )
    if z_a.shape != z_b.shape or z_a.dtype != z_b.dtype:
        raise ValueError(
            f"{function}: z_a and z_b must be two views of one batch; got shapes "
            f"{tuple(z_a.shape)} and {tuple(z_b.shape)}, {z_a.dtype} and {z_b.dtype}; "
            "row i of both must come from image i"
        )
    if len(z_a) < at_least:
        raise ValueError(
            f"{function}: the batch must hold at least {at_least} images; got {len(z_a)}; "
            "use larger batches, or drop_last=True"
        )


def choice(function, name, value, allowed):
    """Refuse a value that is not one of `allowed`."""
    if value not in allowed:
        raise ValueError(
            f"{function}: {name} must be one of {', '.join(map(repr, allowed))}; got {value!r}"
        )


def positive(function, **values):
    """Refuse numbers that are not > 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{function}: {name} must be > 0; got {value!r}")


def finite(function, name, x):
    """Refuse NaN and inf."""
    # The extremes are NaN where anything is: one pass, and no mask of the size of x.
    if x.numel() and not torch.stack(x.aminmax()).isfinite().all():
        where = tuple((~x.isfinite()).nonzero()[0].tolist())
        raise ValueError(
            f"{function}: {name} must be finite; got {x[where].item()} at {list(where)}; drop such "
            "rows, or find where they come from"
        )


def labels(function, name, values, count, classes=None):
    """Refuse labels unless each of `count` rows has an integer in 0, ..., classes - 1."""
    upper = "" if classes is None else f" and < {classes}"
    given = "None" if values is None else f"{type(values).__name__} of {len(values)}"
    if isinstance(values, torch.Tensor):
        given = f"shape {tuple(values.shape)}, {values.dtype}"
        is_integer = not (values.is_floating_point() or values.dtype == torch.bool)
        if is_integer and values.shape == (count,):
            wrong = values < 0
            if classes is not None and not wrong.any():
                wrong = values >= classes
            if not wrong.any():
                return
            given = f"{int(values[wrong].min())} for {int(wrong.sum())} of them"
    raise ValueError(
        f"{function}: {name} must be a tensor with an integer >= 0{upper} for every row "
        f"({count}); got {given}; leave out what has no label"
    )
