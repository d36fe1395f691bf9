"""LARS, schedules and moving averages of weights."""

import math

import torch

__all__ = ["LARS", "cosine", "ema_update"]


class LARS(torch.optim.Optimizer):
    """Momentum SGD whose step in each matrix is proportional to the matrix.

    ``g <- g + weight_decay w;  g <- g eta |w| / |g|;  v <- momentum v + g;  w <- w - lr v``.

    Parameters
    ----------
    params : iterable
        Parameters or groups of them.
    lr, momentum, weight_decay, eta : float
        Parameters of one dimension (biases, norms) get neither decay nor the factor.

    Raises
    ------
    ValueError
        If lr is negative.

    References
    ----------
    Y. You, I. Gitman, B. Ginsburg, Large Batch Training of Convolutional Networks,
    arXiv:1708.03888.
    """

    def __init__(self, params, lr, *, momentum=0.9, weight_decay=1e-6, eta=1e-3):
        if not lr >= 0:
            raise ValueError(f"LARS: lr must be >= 0; got {lr!r}; 0 leaves the weights")
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eta": eta}
        )

    @torch.no_grad()
    def step(self, closure=None):
        """One step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    continue
                g = w.grad
                if w.ndim > 1:
                    g = g.add(w, alpha=group["weight_decay"])
                    size, slope = w.norm(), g.norm()
                    trust = group["eta"] * size / slope
                    g = g * torch.where((size > 0) & (slope > 0), trust, torch.ones_like(size))
                velocity = self.state[w].setdefault("velocity", torch.zeros_like(w))
                velocity.mul_(group["momentum"]).add_(g)
                w.add_(velocity, alpha=-group["lr"])
        return loss


def cosine(step, steps, *, start, end=0.0, warmup=0):
    """Linear warm-up to `start`, then half a cosine to `end`.

    Parameters
    ----------
    step, steps : float
        This one, from 0, and how many there are; or shares of the training, out of 1.0.
    start, end : float
    warmup : float
        Steps of the rise.

    Returns
    -------
    float
    """
    if step < warmup:
        return start * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, share))) / 2


@torch.no_grad()
def ema_update(average, model, momentum):
    """``average <- momentum average + (1 - momentum) model``; buffers are copied.

    Parameters
    ----------
    average, model : nn.Module
        Of the same class.
    momentum : float
        In [0, 1].
    """
    for a, b in zip(average.parameters(), model.parameters(), strict=True):
        a.lerp_(b, 1 - momentum)
    for a, b in zip(average.buffers(), model.buffers(), strict=True):
        a.copy_(b)
