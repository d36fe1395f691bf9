"""From the relaxed plan of a small problem to a k-sparse one, whole, in compiled code.

The same steps as `otopt._rounding`, whose comments hold the reasons. What differs is the source of
luck: numbers drawn beforehand, read in turn. Whatever calls `ascend` is inlined: numba optimises
all that a function calls anew with every caller, which would be most of a minute.
"""

import numpy as np
from numba import njit

from ._numba_ascent import ascend
from ._numba_forest import settle_on_forest
from ._numba_leaf import leaf
from ._numba_newton import pack_support
from ._numba_pool import (
    LUCK,
    add_marks,
    copy_to,
    flat,
    free_slots,
    has_excess,
    hold_clearest,
    keep_carried,
    keep_marked,
    l1_norm,
    lists_of,
    objective,
    outside_of,
    pool_around,
    pool_of_support,
    recentre,
    reduce_to_forest,
    spread,
    top,
    used_entries,
)
from ._numba_relax import relaxed_value

# Not Python's integers: for a literal argument numba would compile `ascend` anew.
NEWTON_STEPS, POLISH_NEWTON_STEPS = np.int64(25), np.int64(30)
DIVE_NEWTON_STEPS, LAST_NEWTON_STEPS = np.int64(10), np.int64(10)
CONVERGED = 1e-6
PATIENCE = 6
STALL = 0.7
POLISH_STEPS = 12
REFILLS = 4
DIVE_DEPTH = 6
DIVE_STEPS = 3
FREED = 0.3


@leaf
def _draw(luck, at):
    """The next number of the sequence; `at (1,)` counts."""
    at[0] += 1
    return luck[at[0] % luck.shape[0]]


@njit(cache=True)
def _draws(luck, at, count):
    numbers = np.empty(count)
    for q in range(count):
        numbers[q] = _draw(luck, at)
    return numbers


@njit(inline="always")
def _sparsify(a, b, k, reg, unit, total, pool, alpha, rounds, luck, at):
    """`otopt._rounding.sparsify`: support, alpha, Newton steps, mass outside the support."""
    rows, pool_cost, mass, count = pool
    n, m = a.shape[0], b.shape[0]
    no_cost = np.empty((0, 0))
    typical = b.mean()
    tiny = 1e-10 * typical
    price = max(0.5 * reg * typical / k.mean(), 1e-4 * unit)
    mu = 0.2 * max(reg, 1e-2 * unit / typical)
    used = used_entries(count, rows.shape[1])
    lists, columns = lists_of(rows, pool_cost, mass, used)
    if k.max() == 1:
        reduce_to_forest(rows, pool_cost, mass, count, n, k, reg, tiny, _draws(luck, at, LUCK))
    support = top(mass, k)
    if outside_of(support, mass) == 0.0:
        return support, alpha, 0, 0.0
    cost, unbound = pool_cost.copy(), np.full(m, n)
    reference = np.zeros(n)
    best, best_mass, best_alpha, best_outside = support, mass.copy(), alpha, np.inf
    nit, last, stalled, idle = 0, np.inf, False, 0
    for _ in range(rounds):
        for j in range(m):
            for q in range(count[j]):
                lists.cost[j, q] = cost[j, q] + (0.0 if support[j, q] else price)
        x, gradient, _, steps, _ = ascend(
            alpha, reference, a, b, no_cost, unbound, reg, mu, lists, columns, 1e-7 * total,
            NEWTON_STEPS,
        )  # fmt: skip
        nit += steps
        if l1_norm(gradient) <= CONVERGED * total:
            alpha = x
            recentre(lists, columns)
            for j in range(m):
                for q in range(count[j]):
                    mass[j, q] = lists.centre[j, q] if lists.centre[j, q] > tiny else 0.0
        else:
            mu *= 10.0
        support = top(mass, k)
        outside = outside_of(support, mass)
        stalled = stalled or outside > STALL * last
        last = min(last, outside)
        if outside > 0.0 and stalled:
            reduce_to_forest(rows, pool_cost, mass, count, n, k, reg, tiny, _draws(luck, at, LUCK))
            copy_to(lists.centre, mass)
            support = top(mass, k)
            outside = outside_of(support, mass)
        idle += stalled
        if outside < best_outside:
            best, best_mass, best_alpha, best_outside = support, mass.copy(), alpha, outside
            idle = 0
        if outside == 0.0 or idle > PATIENCE:
            break
        price = min(2.0 * price, unit)
        if stalled:
            for j in range(m):
                for q in range(count[j]):
                    if mass[j, q] > 0.0 and not support[j, q]:
                        cost[j, q] += unit * (0.03 + 0.12 * _draw(luck, at))
            add_marks(support, free_slots(rows, pool_cost, count, support, alpha, k))
            for j in range(m):
                for q in range(count[j]):
                    if support[j, q]:
                        cost[j, q] = pool_cost[j, q]
    copy_to(mass, best_mass)
    return best, best_alpha, nit, best_outside


@njit(cache=True)
def _settle(a, b, lists):
    """Remove the marginal error of the centres along a forest; what is left of it."""
    row, column, carried = flat(lists.rows, lists.centre, lists.count)
    row_need, column_need = a.copy(), b.copy()
    for q in range(row.shape[0]):
        row_need[row[q]] -= carried[q]
        column_need[column[q]] -= carried[q]
    before = l1_norm(row_need) + l1_norm(column_need)
    settled = carried.copy()
    settle_on_forest(row, column, settled, row_need, column_need)
    row_need, column_need = a.copy(), b.copy()
    for q in range(row.shape[0]):
        settled[q] = max(settled[q], 0.0)
        row_need[row[q]] -= settled[q]
        column_need[column[q]] -= settled[q]
    after = l1_norm(row_need) + l1_norm(column_need)
    if after >= before:
        return before
    z = 0
    for j in range(lists.count.shape[0]):
        for q in range(lists.count[j]):
            lists.centre[j, q] = settled[z]
            z += 1
    return after


@njit(inline="always")
def _polish(a, b, reg, unit, total, lists, columns, alpha):
    """`otopt._rounding.polish`: masses in the centres; alpha, Newton steps, error."""
    n = a.shape[0]
    no_cost = np.empty((0, 0))
    reference = np.zeros(n)
    mu = 0.02 * max(reg, 1e-2 * unit / b.mean())
    unbound = np.full(b.shape[0], n)
    nit, value = 0, np.inf
    for _ in range(POLISH_STEPS):
        alpha, _, support, steps, _ = ascend(
            alpha, reference, a, b, no_cost, unbound, reg, mu, lists, columns, 1e-11 * total,
            POLISH_NEWTON_STEPS,
        )  # fmt: skip
        nit += steps
        recentre(lists, columns)
        previous, value = value, relaxed_value(support, columns, unbound, reg)
        if abs(previous - value) <= 1e-10 * abs(value):
            break
        mu *= 0.1
    return alpha, nit, _settle(a, b, lists)


@njit(inline="always")
def _attempt(a, b, k, reg, unit, total, pool, alpha, rounds, feasible, luck, at):
    """Make the masses of the pool k-sparse: mass, alpha, value, marginal error, Newton steps."""
    rows, cost, mass, count = pool
    support, alpha, nit, outside = _sparsify(
        a, b, k, reg, unit, total, pool, alpha, rounds, luck, at
    )
    best_mass, best_alpha, best = mass.copy(), alpha, np.inf
    keep_marked(best_mass, support)
    trial = np.zeros(mass.shape)
    for _ in range(REFILLS if outside == 0.0 else 0):
        add_marks(support, free_slots(rows, cost, count, support, alpha, k))
        lists, columns = lists_of(rows, cost, mass, support)
        alpha, steps, error = _polish(a, b, reg, unit, total, lists, columns, alpha)
        nit += steps
        spread(lists, support, trial)
        value = objective(cost, trial, reg)
        if error > feasible * total or value >= best:
            break
        copy_to(mass, trial)
        best_mass, best_alpha, best = trial.copy(), alpha, value
        carried = top(mass, k)
        wanted = free_slots(rows, cost, count, carried, alpha, k)
        is_new = False
        for j in range(count.shape[0]):
            for q in range(count[j]):
                gain = alpha[rows[j, q]] - columns.threshold[j] - cost[j, q]
                wanted[j, q] = wanted[j, q] and gain > 1e-9 * unit
                is_new = is_new or (wanted[j, q] and not support[j, q])
        if not is_new:
            break
        support = carried
        add_marks(support, wanted)
    return best_mass, best_alpha, best, nit


@njit(inline="always")
def _relax_on(a, b, k, reg, unit, total, pool, allowed, alpha):
    rows, cost, mass, _ = pool
    lists, columns = lists_of(rows, cost, mass, allowed)
    no_cost = np.empty((0, 0))
    reference = np.zeros(a.shape[0])
    mu = 0.2 * max(reg, 1e-2 * unit / b.mean())
    capacity = k if reg > 0.0 else np.full(b.shape[0], a.shape[0])
    nit = 0
    for _ in range(DIVE_STEPS):
        alpha, _, _, steps, _ = ascend(
            alpha, reference, a, b, no_cost, capacity, reg, mu, lists, columns,
            1e-7 * total, DIVE_NEWTON_STEPS,
        )  # fmt: skip
        nit += steps
        recentre(lists, columns)
        mu *= 0.25
    spread(lists, allowed, mass)
    return alpha, nit


@njit(inline="always")
def _dive(a, b, k, reg, unit, total, pool, allowed, is_restricted, alpha):
    """`otopt._rounding.dive`: alpha and Newton steps."""
    nit = 0
    for depth in range(DIVE_DEPTH + 1):
        if depth > 0 or is_restricted:
            alpha, steps = _relax_on(a, b, k, reg, unit, total, pool, allowed, alpha)
            nit += steps
        if depth == DIVE_DEPTH or not hold_clearest(pool[2], allowed, k):
            break
    return alpha, nit


@njit(cache=True)
def _freed(pool, mass, alpha, reg, conjugate, luck, at):
    """Columns to set free: drawn with probability in proportion to what they lose."""
    rows, cost = pool[0], pool[1]
    m = rows.shape[0]
    key = np.full(m, np.inf)
    losing = 0
    for j in range(m):
        spent = conjugate[j]
        for q in range(rows.shape[1]):
            t = mass[j, q]
            spent += t * (cost[j, q] - alpha[rows[j, q]] + 0.5 * reg * t)
        if spent > 0.0:  # Efraimidis, Spirakis 2006: weighted sampling without replacement
            key[j] = -np.log(max(_draw(luck, at), 1e-300)) / spent
            losing += 1
    free = np.empty(min(max(2, int(FREED * m)), losing), np.int64)
    for z in range(free.shape[0]):
        free[z] = key.argmin()
        key[free[z]] = np.inf
    return free


@njit(inline="always")
def round_small(a, b, Ct, k, reg, unit, total, relaxed, certificate, settings, budget, luck):
    """A k-sparse plan: rows, cost and mass (m, L), alpha, value (inf unless found), Newton steps.

    Takes the relaxed plan on: ``relaxed`` are reference, mu, lists and columns at its end,
    ``certificate`` its bound, alpha, beta and conjugates. `luck` holds numbers in [0, 1); the
    search ends after about `budget` Newton steps.
    """
    reference, mu, lists, columns = relaxed
    bound, alpha, beta, conjugate = certificate
    extra, rounds, has_room, improvements, feasible, dive_above, improve_above = settings
    n = a.shape[0]
    capacity = k if reg > 0.0 else np.full(b.shape[0], n)
    at = np.zeros(1, np.int64)
    nit = 0
    excess = has_excess(columns, k)
    is_linear = k.max() == 1
    if is_linear or not excess:
        ascend(
            reference.copy(), reference, a, b, Ct, capacity, reg, mu, lists, columns,
            1e-11 * total, LAST_NEWTON_STEPS,
        )  # fmt: skip
        excess = has_excess(columns, k)
    support = pack_support(lists, columns)
    if not excess:
        pool = pool_of_support(support, Ct)
        rows, cost, mass, count = pool
        every = used_entries(count, rows.shape[1])
        trial, solutions = lists_of(rows, cost, mass, every)
        polished, nit, error = _polish(a, b, reg, unit, total, trial, solutions, alpha)
        if error <= feasible * total:
            spread(trial, every, mass)
            value = objective(cost, mass, reg)
            return rows, cost, mass, polished, value, nit
    pool = pool_around(support, alpha, beta, Ct, k, extra)
    rows, cost, mass, count = pool
    masses = mass.copy()
    best, best_alpha, value = masses, alpha, np.inf
    for trial in range(2 + improvements):  # as it is, after a dive, around the best so far
        start = alpha
        if trial > 0:
            gap = _gap(value, bound, unit, total)
            if is_linear or not has_room or gap <= (dive_above if trial == 1 else improve_above):
                break
            if trial > 1 and nit > budget:
                break
            allowed = used_entries(count, rows.shape[1])
            copy_to(mass, masses if trial == 1 else best)
            if trial > 1:
                start = best_alpha
                keep_carried(allowed, best)
                for j in _freed(pool, best, alpha, reg, conjugate, luck, at):
                    allowed[j, : count[j]] = True
            start, steps = _dive(a, b, k, reg, unit, total, pool, allowed, trial > 1, start)
            nit += steps
        found, found_alpha, found_value, steps = _attempt(
            a, b, k, reg, unit, total, pool, start, rounds, feasible, luck, at
        )
        nit += steps
        if trial == 0 or found_value < value:
            best, best_alpha, value = found, found_alpha, found_value
        if value == np.inf:
            break
    return rows, cost, best, best_alpha, value, nit


@njit(cache=True)
def _gap(value, bound, unit, total):
    return (value - bound) / max(abs(value), 1e-9 * unit * total)
