"""Raw loops, one file a technology; a module that defines these functions is a backend.

Nothing here checks its input or knows why it is called. Columns are independent: threads write
only rows of their own of (m, ...) arrays, so results do not depend on the number of threads.
`reference` is the judge of the others; where entries are exactly equal, any choice among them is
right, and the order of entries within a column is free unless it is stated.

Shapes and symbols
------------------
``alpha (n,)`` potentials; ``Ct (m, n)`` cost, C-contiguous, row j is column j of C, float32 or
float64; ``b (m,)`` positive masses; ``k (m,)`` int64 in 1..n; curvatures ``reg >= 0`` and
``mu >= 0``, with ``reg + mu > 0`` in `prox_columns`. Ties exist only where ``k`` binds: there
``reg, mu > 0``.

Where ``Ct`` says so it may also be a `PointCost`, which stands for such a matrix through two point
clouds: `numba_points` and `reference_points` take that, and the same signatures otherwise.

Entries
-------
entries(Ct, columns, rows) -> values
    ``Ct[columns, rows]``, broadcast.

take_columns(Ct, sample) -> Ct
    The rows `sample` of Ct; of a `PointCost`, for scans of columns only.

cost_range(Ct) -> low, high
    The smallest and the largest entry.

c_transform(x, M) -> (r,)
    Per row of M (r, s) the smallest ``M_row - x``.

Columns
-------
top_k_conjugate(alpha, Ct, b, k, reg, workers) -> value (m,), beta (m,), rows (m, K), mass (m, K)
    ``value[j] = max <t, alpha - c_j> - reg/2 ||t||^2`` over t >= 0 with sum b_j and at most k_j
    nonzeros, K being the largest k_j, the maximiser (unused slots last: row -1, mass 0) and the
    potential of the column: ``mass = max(alpha + beta_j - c_j, 0) / reg`` on the k_j largest
    entries. With reg = 0 the mass sits on one largest entry and ``beta_j = -max(alpha - c_j)``.

prox_columns(alpha, rise, Ct, b, k, reg, mu, lists, columns, workers) -> value (m,), need
    ``value[j] = max <t, x_j> - reg/2 ||t||_ksup^2 - mu/2 ||t||^2`` over t >= 0 with sum b_j, where
    ``x_j = alpha - c_j + mu * centre_j``. Works on candidate lists (`CandidateLists`) that are
    rebuilt from `Ct` only where the threshold of the column can have reached an unlisted entry;
    ``rise`` bounds the increase of alpha since the last call. A list with bound ``-inf`` is never
    rebuilt: it is complete, or a sparse cost. Solutions go to `columns` (`ColumnSolutions`): heads
    have cardinality weight 1 and ``mass = (x + beta) / (reg + mu)``, ties a weight in between and
    ``mass = (x - threshold) / mu``. Entries with ``x <= threshold`` carry nothing: the threshold
    is -beta where no more than k entries exceed that, else the highest such level.
    ``need > 0``: some list must hold `need` entries (n always do) and nothing else returned has a
    meaning; enlarge all and call again with rise = 0.

simplex_potentials(x, M, mass, reg) -> potential (r,)
    Per row of M (r, s) the potential with ``sum(max(x + potential - M_row, 0)) = mass * reg``.

cheapest_in_columns(alpha, Ct, count) -> rows (m, count)
    Rows of the `count` smallest ``c_ij - alpha_i`` of every column, in any order.

cheapest_in_rows(alpha, beta, Ct, count) -> columns (n, count)
    Columns of the `count` smallest ``c_ij - alpha_i - beta_j`` of every row, smallest first.

Curvature
---------
A support is ``start (m + 1,), rows, kind`` in compressed columns; ``A = 1/(reg + mu)``, ``M =
1/mu``. ``H = d(T 1)/d alpha``, minus the Hessian of the semi-dual, is the sum over columns of
``diag(A on heads, M on ties) - [[hh, he], [he, ee]]`` blockwise: the coefficients stand between
heads, heads and ties, ties.

pack_support(lists, columns) -> start (m + 1,), rows, cost, mass, kind
    The entries of every list that carry mass, in the order of the list; kind is 1 on heads, 2 on
    ties.

curvature_coefficients(heads, ties, k, reg, mu) -> coefficients (m, 3)
    hh, he, ee of every column, from its numbers of heads and ties.

assemble_dense(start, rows, kind, coefficients, A, M, shift, n) -> (n, n)
    H + shift.

assemble_sparse(start, rows, kind, coefficients, A, M, shift, n) -> indptr, indices, values
    The same in compressed columns (or rows: it is symmetric), each in any order.

assemble_grouped(start, rows, kind, coefficients, A, M, shift, group) -> rows, columns, values
    Triplets of ``P' (H + shift) P``, P (n, groups) the indicator of ``group (n,)``.

hessian_diagonal(start, rows, kind, coefficients, A, M, shift, n) -> (n,)
    The diagonal of H + shift.

hessian_product(start, rows, kind, coefficients, A, M, shift, x, y) -> None
    ``y = (H + shift) x`` in place.

conjugate_gradient(start, rows, kind, coefficients, A, M, shift, g, rtol, maxiter) -> d, iterations
    ``(H + shift) d = g`` until the residual, in the norm of the inverse diagonal, is at most
    rtol times that of g; less accurate only if iterations = maxiter.

column_system(start, rows, kind, heads, ties, k, reg, A, M, shift, g) -> S, r, diagonal (n,)
    The system ``(H + shift) d = g`` with the rows eliminated: one unknown for the heads and one for
    the ties of every column that has such, in the order of the columns.

row_step(start, rows, kind, heads, ties, A, M, diagonal, g, u) -> d (n,)
    Its solution from the solution of ``S u = r``.

connected_rows(start, rows, n) -> label (n,)
    The smallest row that each row is connected to through columns.

row_entry_level(Ct, threshold, label, column_label) -> level (n,)
    Per row the smallest ``c_ij + threshold_j`` over columns of another label; inf without one.

entry_slack(Ct, alpha, threshold, label, column_label) -> slack (n,)
    Per label the smallest `row_entry_level` less alpha over the rows that have it; inf without one.

list_entry_level(lists, threshold, label, column_label) -> level (n,)
    The same over listed entries only.

Forests
-------
Arcs ``rows (E,), columns (E,), mass (E,), price (E,)``, at most one for each pair, whose masses
change in place; nodes are rows 0..n-1 and columns n..n+m-1.

cancel_cycles(rows, columns, mass, price, n, m, k) -> parent (n + m,), arc (n + m,)
    Takes arcs by decreasing mass; where one closes a cycle, pushes mass round it until an arc is
    empty: in the direction that empties an arc of a column with more than k nonzeros if only one
    does, else in the cheaper one at these prices. Marginals do not change; the nonzeros form a
    forest, part of the one returned (-1 at its roots).

pivot_to_capacity(rows, columns, mass, price, n, m, k, luck, patience) -> bool
    After `cancel_cycles`, pivots, each on the lightest arc of the columns with more than k
    nonzeros, until there is none, or for `patience` pivots that leave as many nonzeros too many.
    An empty arc enters and closes a cycle through that column, pushed until an arc is empty. The
    entering arc needs a free slot, or the leaving one is of the same column.
    First choice is one that empties an arc of another overfull column, at the least cost; next one
    that takes most from the lightest arc; last the one of least ``luck[(pivot * 7919 + arc) %
    len(luck)]``. Marginals do not change. Whether every column has at most k nonzeros.

settle_on_forest(rows, columns, mass, row_need, column_need) -> None
    Adds signed masses on a spanning forest of the heaviest nonzero arcs so that the marginals
    change by the needs, as far as these add up to zero in each component (rows against columns).

Networks
--------
A second family, `numba_network` beside `reference_network`: exact transport on a cost
``C (n, m)``, C-contiguous, with integer masses ``supply (n,), demand (m,)``, positive and of equal
sum. Potentials are ``u (n,), v (m,)``; arcs are ``rows, columns, flow``.

cold() -> bool
    Whether the first call would have to load or compile the kernels.

cost_range(C) -> low, high, sample_range(C) -> low, high
    Of a sample of rows, for any layout; the first gives NaN where any entry of C is not finite.

row_potentials(C, v) -> u, column_potentials(C, u) -> v
    ``u_i = min_j C_ij - v_j`` and ``v_j = min_i C_ij - u_i``.

checked_potentials(C, v) -> u, bad
    The first, and how many entries of C are not finite.

c_transform(C, v) -> u, v
    The first, then the second.

shortlist(C, v, length) -> u, columns (n, length) int32, cost (n, length)
    Per row the least of ``C_ij - v_j`` and the `length` entries where it is smallest; of a matrix
    that may be none, which to the functions below means all.

cluster(features (n, d), size) -> order (n,), start (c + 1,)
    Points in boxes of at most `size` neighbours; box r is ``order[start[r] : start[r + 1]]``.

cluster_costs(C, row_order, row_start, column_order, column_start) -> (R, S)
    Mean cost from clusters of rows to clusters of columns.

potentials_of_clusters(C, row_order, row_start, u (R,)) -> v (m,)
    Column potentials from those of clusters of rows, by the mean cost of a cluster.

regret_flow(C, v, supply, demand, columns, cost) -> arcs
    Rows fill the cheapest listed columns by ``C_ij - v_j``, those first that would lose most by
    their second; where no listed column is left, any other. A forest.

forest_flow(rows, columns, supply, demand) -> flow, fits
    The only flow on a forest, if there is one.

match(C, u, v, columns, cost, tol, most_work) -> column_of (n,)
    A perfect matching of a square problem, good on the lists; u and v may be improved in place.

hang(C, rows, columns, flow, offset) -> tree, tree_arcs(tree, n) -> arcs
    A spanning tree made of a forest of arcs, whose components get the potentials ``offset (n,)`` in
    their first rows, and the arcs of a tree that carry something.

simplex(C, columns, cost, tree, batch, tol, most_pivots, most_work, tally) -> status, u, v, least
    Pivots until no reduced cost is below -tol (status 0, and ``least = row_potentials(C, v)``), or
    until a limit (status 1; call again to go on). `tally (5,)` adds up pivots and rows of C priced.

Between points, `numba_network_points` beside `reference_network_points` have these functions for
a `PointCost` in place of C, except `cost_range`, `sample_range`, `cluster_costs` and
`potentials_of_clusters`: such a cost is finite, and its points have means.

Multi-marginal transport on a line
----------------------------------
A third family, `numba_line` beside `reference_line`; `torch_line` has what other devices need.
Costs by number (`monge_costs`), ``w (d,)`` positive weights, which range ignores. The dual is the
gradient in the masses, zero in the first bin of every marginal but for ``c / d`` where the cost of
the first tuple is c. All marginals have the same mass.

range_grid(A, gaps, dual) -> value
    Cost max - min of histograms ``A (n, d)``, ``gaps (n - 1,)`` or None for ones; writes `dual`.
    NaN unless A is non-negative, finite, of positive and equal column sums (to 1e-11).

lovasz_grid(kind, A, gaps, w) -> value (B,), dual (B, n, d)
    Histograms ``A (B, n, d)``: per gap the Lovász extension of the cost at the d CDF values.

lovasz_pooled(kind, x, group, mass, unit, w, want_dual) -> value, grad (N,), dual (N,) or None
    Places ``x (N,)`` in any order with ``mass (N,)``, or ``unit[group]`` where mass is None. `grad`
    is the gradient in x; at ties the mean of that with marginals in ascending and descending order.

sweep(kind, x, start, cdf, w, delta, mass) -> value, dual (N,), grad (N,)
    Marginal k has ``x[start[k]:start[k+1]]`` ascending and its CDF there. `delta` is Huber's.

Entropic transport
------------------
A family of its own, `numba_gibbs` beside `reference_gibbs`.
``phi (p,)`` and ``psi (q,)`` are potentials over reg, ``weight (p,)`` and ``mass (q,)`` the
positive masses that belong to them. The cost is a matrix ``C (q, p)``, or points ``(X (q, d),
Yt (d, p), metric)`` with metric 1 for the squared distance and 2 for the distance; the other one
is None.

gibbs_pass(phi, C, points, reg, mass, weight, power, E, measure, workers) -> psi, top, sums, linear
    Eliminates the rows. With ``z = phi - c_j / reg`` of row j, ``top = max z``, ``psi = -power
    log(sum weight exp z)``, the plan ``T_ji = mass_j weight_i exp(z_i + psi_j)``: its column sums
    (p,), and where `measure` is set its cost ``<T, C>``. Writes ``exp(z - top)`` to ``E (q, p)``,
    float32, unless it is None; what is below 1e-25 becomes 0.

scale_pass(u, E, coef, exponent, workers) -> s (q,), sums (p,)
    ``s = E u`` and ``E' (coef s^exponent)``, computed in the dtype of u (E is float32).

scale_pass_points(u, phi, top, points, reg, coef, exponent, workers) -> s (q,), sums (p,)
    The same for ``E = exp(phi - C / reg - top)`` that is computed on the way.

gibbs_batch(C, reg, mass, weight, tol, maxiter, schedule, workers)
        -> phi, psi, linear, sums, outcome, error, passes
    Whole balanced problems ``C (B, q, p)``, ``reg (B,)``, ``mass (B, q)``, ``weight (B, p)`` with
    sums 1 and zeros allowed, each until the L1 error of the column sums is at most tol or maxiter
    passes are made. The schedule (anneal_below, anneal_from, anneal_factor, level_tol) is that of
    `SinkhornOptions`. Outcomes: 0 converged, 1 limit, 2 precision.

Random numbers by index
-----------------------
`numba_philox` beside `reference_philox`, equal to the last bit. Number j of a candidate depends on
the seed (below 2^64), the candidate (below 2^64), the stream (below 2^32) and j alone.

signed32(seed, candidates (B,), size, stream) -> (B, size) float32 in [-1, 1)

unit64(seed, candidates (B,), size, stream) -> (B, size) float64 in [0, 1)

Prices
------
A family of its own, `numba_prices` beside `reference_prices`; `torch_prices` has the same
signatures for tensors on any device, without a host synchronisation and without curvature 2.
``S (n, m)`` scores, ``q (m,)`` prices, ``weight (n,)`` masses of rows (rows of mass 0 may hold
anything finite), float64; r = S - q is formed in the dtype of S.

score_moments(S, weight) -> mass, sums (m,), squares (m,)
    Weighted sums of the scores and of their squares by column.

price_pass(S, q, k, nnz, reg, weight, curvature) -> value, load (m,), diagonal, hessian
    Rows ``p = argmax <r, p> - reg/2 |p|^2`` over 0 <= p <= 1 with sum k and support in the nnz
    largest entries; value and load are their weighted sums. `curvature` is 0, 1 (the diagonal,
    (m,)) or 2 (the matrix too, (m, m)): ``sum w / reg (diag(f) - f f' / |f|)``, f the entries with
    0 < p < 1. What is not asked for is empty.

route(S, q, k, weight) -> indices (n, k), value, load (m,)
    The k largest entries of r in every row, largest first, of equal ones the first; the weighted
    sum of ``S - q`` over them, in double precision, and of their columns.

gibbs_rows(S, shift, reg, weight) -> (n, m) float32
    ``exp((s_i - shift) / reg)`` over its largest entry of the row; what is below 1e-25 and rows of
    mass 0 are 0.

places(experts (p,), order (p,), m) -> position (p,)
    Rank of every pair among those of its expert, in the given order; -1 where experts < 0.

repair(S, q, indices (n, k), room (m,), weight) -> left
    Moves pairs from columns with more than `room` of them to others, in place; index -1 for the
    `left` pairs that found no place. None is left where rooms hold all pairs (torch: for k = 1).

top_of_rows(S, count) -> columns (n, count), scores (n, count)
    The `count` largest entries of every row, largest first, of equal ones the first; float64.

match_lists(columns (n, t), scores (n, t), k, room (m,)) -> slots (n, k), u (n,), w (m,)
    Best matching of k listed columns a row and at most `room` rows a column; unused list entries
    are -1, at the end. `slots` are places in the lists, -1 where no path was left. Potentials with
    w >= 0, 0 at columns with room, ``scores - w <= u`` on pairs not taken and ``>= u`` on others.

Neural networks
---------------
`numba_guess` beside `reference_guess`, `numba_lenet` beside `reference_lenet`. Parameters are flat
vectors, weights and biases by turns: convolutions (maps, channels, 5, 5), dense layers (inputs,
units), the last layer (classes, inputs).

search(kind, sizes, X, signs, seed, low, high) -> check(first, last, room)
    Guess-and-check for two classes; see `reference_guess.search`.

logits(theta, X, sizes, classes) -> (n, classes), Search(theta, X, y, sizes, classes)
    LeNet, and its loss with one parameter changed: `trial`, `commit`, `poll`; see
    `reference_lenet.FullSearch`.

Small problems
--------------
In `numba_small` only, which has all functions above too. Where these are missing,
`otopt._solvers.semismooth_newton` and `otopt.ot._relaxation` take the same steps one by one.

ascend(x, reference, a, b, Ct, k, reg, mu, lists, columns, tol, maxiter) -> state
    x, gradient, support, Newton steps and evaluations at the end of a Newton ascent of the proximal
    dual: where the L1 norm of the gradient is at most tol.

relax_small(a, b, C, Ct, k, reg, unit, mass, tol, maxiter, lists, columns, settings) -> state
    The whole relaxation from empty lists with room for every row.

solve_small(a, b, C, Ct, k, reg, unit, mass, tol, maxiter, relaxing, rounding, effort, luck,
            places) -> end
    The relaxation, the search for a k-sparse plan and its certificate: (found, converged, Newton
    steps of the relaxation, all of them, evaluations, relaxed gap), (bound, alpha, beta), relaxed
    plan (start, rows, mass) by columns and increasing rows, its value and marginal error, k-sparse
    plan, (<T, C>, ||T||^2, marginal error). The latter plan is rows and mass (M, width), -1 and 0
    in unused slots, for ``places = (indices of rows, of columns, M, width)``; a width of 0 is as
    much as needed. `luck` holds numbers in [0, 1). The search takes about ``multiple *
    max(Newton steps of the relaxation, least)`` Newton steps for ``effort = (multiple, least)``.
"""
