"""Nelder-Mead moves with Gao and Han's adaptive parameters, as a search step."""

import numpy as np

__all__ = ["Simplex"]

PATIENCE = 4  # rounds of n moves without a better point before a stint ends


class Simplex:
    """A simplex that is kept from one stint to the next.

    F. Gao, L. Han, "Implementing the Nelder-Mead simplex algorithm with adaptive parameters",
    Computational Optimization and Applications 51, 2012, doi 10.1007/s10589-010-9329-3.
    """

    def __init__(self, n):
        self.points, self.values = np.empty((0, n)), np.empty(0)
        self.expansion = 1 + 2 / n
        self.contraction = 0.75 - 0.5 / n if n > 1 else 0.5
        self.shrinkage = 1 - 1 / n if n > 1 else 0.5

    def stint(self, evaluate, inside, x, f, vertices, smallest):
        """Move until nothing better was found for a while; best point, its value, the size.

        A generator that delegates to `evaluate`; `vertices` (n, n) start a new simplex about x.
        """
        n = len(x)
        if not len(self.points):
            points = np.vstack([x, vertices])
            self.values = np.append(f, (yield from evaluate(vertices)))
            self.points = points
        elif not (self.points == x).all(axis=1).any():
            worst = int(np.argmax(self.values))
            self.points[worst], self.values[worst] = x, f
        best, idle = f, 0
        while idle <= PATIENCE * n:
            order = np.argsort(self.values, kind="stable")
            self.points, self.values = self.points[order], self.values[order]
            idle = 0 if self.values[0] < best else idle + 1
            best = min(best, self.values[0])
            if self.size < smallest:
                break
            yield from self._move(evaluate, inside)
        order = np.argsort(self.values, kind="stable")
        self.points, self.values = self.points[order], self.values[order]
        return self.points[0].copy(), float(self.values[0]), self.size

    @property
    def size(self):
        """Largest coordinate of an edge from the best vertex."""
        return float(np.abs(self.points[1:] - self.points[0]).max())

    def _move(self, evaluate, inside):
        points, values = self.points, self.values
        centre = points[:-1].mean(axis=0)

        def trial(share, end):
            z = inside(points[0], centre + share * (end - centre))
            return z, float((yield from evaluate(z[None]))[0])

        reflected, v = yield from trial(-1.0, points[-1])
        if v < values[0]:
            expanded, w = yield from trial(self.expansion, reflected)
            points[-1], values[-1] = (expanded, w) if w < v else (reflected, v)
        elif v < values[-2]:
            points[-1], values[-1] = reflected, v
        else:
            end, limit = (reflected, v) if v < values[-1] else (points[-1], values[-1])
            contracted, w = yield from trial(self.contraction, end)
            if w < limit or (w == limit and v < values[-1]):
                points[-1], values[-1] = contracted, w
            else:
                points[1:] = points[0] + self.shrinkage * (points[1:] - points[0])
                values[1:] = yield from evaluate(points[1:].copy())
