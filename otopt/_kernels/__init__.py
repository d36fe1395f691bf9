"""Raw loops, one file a technology; a module that defines these functions is a backend.

Nothing here checks its input or knows why it is called. Columns are independent: threads write
only rows of their own of (m, ...) arrays, so results do not depend on the number of threads.

Shapes and symbols
------------------
``alpha (n,)`` potentials; ``Ct (m, n)`` cost, C-contiguous, row j is column j of C, float32 or
float64; ``b (m,)`` positive masses; ``reg >= 0``, ``mu >= 0`` curvatures; ``k`` in 1..n.

top_k_conjugate(alpha, Ct, b, k, reg, workers) -> value (m,), beta (m,), rows (m, k), mass (m, k)
    ``value[j] = max <t, alpha - c_j> - reg/2 ||t||^2`` over t >= 0 with sum b_j and at most k
    nonzeros, the maximiser (unused slots: row -1, mass 0) and the potential beta_j of the column:
    ``mass = max(alpha + beta_j - c_j, 0) / reg`` on the k largest entries.

prox_columns(alpha, rise, Ct, b, k, reg, mu, lists, columns, workers) -> value (m,), need
    ``value[j] = max <t, x_j> - reg/2 ||t||_ksup^2 - mu/2 ||t||^2`` over t >= 0 with sum b_j, where
    ``x_j = alpha - c_j + mu * centre_j``. Works on candidate lists (`CandidateLists`) that are
    rebuilt from `Ct` only where the threshold of the column can have reached an unlisted entry;
    ``rise`` bounds the increase of alpha since the last call. A list with bound ``-inf`` is never
    rebuilt: that is a sparse cost. Solutions go to `columns` (`ColumnSolutions`). ``need > 0``:
    some list must hold `need` entries, enlarge all and call again with rise = 0.

pack_support(lists, columns) -> start (m + 1,), rows, mass, kind
    The nonzeros in compressed columns; kind is 1 on heads, 2 on ties.

curvature_coefficients(kind, start, columns, k, reg, mu) -> coefficients (m, 3)
    ``-dt_j/dalpha = diag(1/(reg+mu) on heads, 1/mu on ties) - [[hh, he], [he, ee]]`` blockwise.
"""
