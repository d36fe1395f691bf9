"""Logits of clustered tokens, fixed or drifting, and of other kinds."""

import numpy as np

CLUSTERS, WIDTH, STD = 200, 64, 2.0


def stream(n, m, batches=1, *, drift=0.0, seed=0):
    """Float32 logits (batches, n, m) with standard deviation about 2.

    Tokens come from Gaussian clusters with Zipf's weights; between batches the router's weights
    rotate by `drift`.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(CLUSTERS, WIDTH))
    share = 1 / np.arange(1, CLUSTERS + 1)
    share /= share.sum()
    W = rng.normal(size=(WIDTH, m))
    out = np.empty((batches, n, m), np.float32)
    for t in range(batches):
        tokens = centres[rng.choice(CLUSTERS, n, p=share)] + rng.normal(size=(n, WIDTH))
        out[t] = tokens @ W * (STD / np.sqrt(2 * WIDTH))
        W = W * np.sqrt(1 - drift**2) + drift * rng.normal(size=W.shape)
    return out


def kinds(n, m, seed):
    """Logits (n, m) by name: clustered, the same with experts that differ, normal, heavy tails."""
    rng = np.random.default_rng(seed)
    clustered = stream(n, m, seed=seed)[0]
    table = {
        "clustered": clustered,
        "biased experts": clustered + 3 * rng.normal(size=m),
        "normal": STD * rng.normal(size=(n, m)),
        "heavy tails": rng.standard_t(3, size=(n, m)),
    }
    return {name: L.astype(np.float32) for name, L in table.items()}
