"""Mutation spot-check: ``python -m tests.mutants`` breaks the library and expects tests to notice.

Every mutation is one exact replacement in a temporary copy, and names the small test that must fail
for it; the same tests must pass on the copy before. Kernels of numba are interpreted there, for
their caches would hold the old code. What is known is kept in .cache/mutants.json, by the text of
the file and of the test, so that a run goes on where the last one stopped (``--minutes 5``).
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).parents[1]
KNOWN = ROOT / ".cache/mutants.json"


class Mutant(NamedTuple):
    """`old` occurs once in `file`; with `new` in its place `test` must fail."""

    file: str
    old: str
    new: str
    test: str


K, O = "otopt/_kernels/", "otopt/_oracles/"
COLUMNS, LINE, PRICES = (f"tests/kernels/test_{name}.py" for name in ("columns", "line", "prices"))
ORACLE, PENALTY = "tests/oracles/test_proximal_dual.py", "tests/ot/test_penalties.py"
ENTROPIC, COUNT = "tests/ot/test_entropic_correctness.py", "tests/rounding/test_counting.py"
MMOT, PHILOX = "tests/ot/test_mmot_1d.py", "tests/kernels/test_philox.py"
TOP, PROX = f"{COLUMNS}::test_top_k_conjugate", f"{COLUMNS}::test_prox_columns_along_a_path"
PASSES = f"{PRICES}::test_passes_agree_with_the_reference"
HIGHS = f"{MMOT}::test_histograms_of_any_sizes_against_highs"
GRID = f"{LINE}::test_lovasz_grid"
SLOPES = f"{LINE}::test_slopes_are_those_of_the_costs_for_both_libraries"
INTEGERS = "tests/kernels/test_integer_masses.py"
CONES = f"{ENTROPIC}::test_value_against_exponential_cones"
WEAK = "tests/ot/test_prices.py::test_weak_duality_at_any_price"
PROOF, UNIFORM = (
    f"{COUNT}::test_a_proof_is_a_proof",
    f"{COUNT}::test_uniform_weights_need_n_plus_m_minus_gcd",
)
ASCENT, SHORT = (
    f"tests/kernels/test_small.py::test_{name}"
    for name in ("ties_along_an_ascent", "conjugates_and_potentials")
)
FEW = "tests/kernels/test_few.py"
ANY = f"{FEW}::test_columns_of_any_length_and_depth"
CONVEX = f"{PENALTY}::test_relaxation_and_bound_are_those_of_the_convex_programme"

MUTANTS = [
    # One column of the plan
    Mutant(K + "reference.py", "(np.cumsum(largest) - z) / np.arange(1, len(v) + 1)",
           "(np.cumsum(largest) - z) / np.arange(2, len(v) + 2)", TOP),
    Mutant(K + "reference.py", "t = np.maximum(v - theta, 0.0) / reg if reg > 0",
           "t = np.maximum(v - theta, 0.0) * reg if reg > 0", TOP),
    Mutant(K + "reference.py", "beta[j] = -(theta + top)", "beta[j] = -theta", TOP),
    Mutant(K + "reference.py", "value[j] = b[j] * top + t @ v - 0.5 * reg * (t @ t)",
           "value[j] = b[j] * top + t @ v - reg * (t @ t)", TOP),
    Mutant(K + "reference.py", "[: k[j] if reg > 0 else 1]", "[: k[j] + 1 if reg > 0 else 1]", TOP),
    Mutant(K + "reference.py", "threshold = theta + (v[k - 1] - theta) * reg / both",
           "threshold = theta", PROX),
    Mutant(K + "reference.py", "if v[k - 1] > theta and v[k] <= threshold:",
           "if v[k - 1] > theta:", PROX),
    Mutant(K + "reference.py", "t[p:q] = tied / (q - p) + (v[p:q] - mean) / mu",
           "t[p:q] = tied / (q - p) + (v[p:q] - mean) / both", PROX),
    Mutant(K + "reference.py", "return p[best], q[best], f[best] * s[best]",
           "return p[best], q[best], s[best]", PROX),
    Mutant(K + "reference.py", "square = t[:p] @ t[:p] + t[p:q].sum() ** 2 / max(k - p, 1)",
           "square = t @ t", PROX),
    Mutant(K + "reference.py", "+ mu * lists.centre[j, used]", "- mu * lists.centre[j, used]", PROX),
    Mutant(K + "reference.py", "mass * reg, strict=True)", "mass, strict=True)",
           f"{COLUMNS}::test_simplex_potentials"),
    # The smoothed semi-dual
    Mutant(O + "proximal_dual.py", "gradient = self.a - np.bincount(rows, mass, minlength=self.n)",
           "gradient = self.a + np.bincount(rows, mass, minlength=self.n)",
           f"{ORACLE}::test_gradient_is_the_derivative_of_the_value"),
    Mutant(O + "proximal_dual.py", "return float(self.a @ alpha - value.sum()), gradient",
           "return float(self.a @ alpha - value[1:].sum()), gradient",
           f"{ORACLE}::test_value_is_the_lagrangian_of_the_plan"),
    Mutant(O + "proximal_dual.py", "np.minimum(k, self.n) if reg > 0 else self.n)",
           "np.minimum(k, self.n))", f"{ORACLE}::test_without_curvature_cardinality_costs_nothing"),
    Mutant(O + "proximal_dual.py", "self.lists.centre[:] = self.columns.mass",
           "self.lists.centre[:] = 0.5 * self.columns.mass",
           f"{ORACLE}::test_recentring_makes_the_plan_the_centre"),
    # Penalties
    Mutant("otopt/_core/penalties.py", "return mass, mass / self.rho",
           "return 2 * mass, mass / self.rho", CONVEX),
    Mutant("otopt/_core/penalties.py", "return self.rho * (1.0 - mass / nominal)",
           "return self.rho * (mass / nominal - 1.0)",
           f"{PENALTY}::test_gradients_match_central_differences"),
    Mutant("otopt/_core/penalties.py", "return float(0.5 * self.rho * ((mass - nominal) ** 2).sum())",
           "return float(self.rho * ((mass - nominal) ** 2).sum())", CONVEX),
    Mutant("otopt/_core/penalties.py", "np.where(potential > 0, self.low, self.high) * potential",
           "np.where(potential > 0, self.high, self.low) * potential", CONVEX),
    Mutant(O + "penalised_dual.py", "-value - beta * self.b,", "-value,", CONVEX),
    # Entropic transport
    Mutant(O + "entropic_dual.py", "return 1.0 / (1.0 + self.reg / self.problem.mass_penalty)",
           "return 1.0 / (1.0 + self.problem.mass_penalty / self.reg)", CONES),
    Mutant(O + "entropic_dual.py", "self.weight * np.exp(-self.reg / self.problem.weight_penalty * phi)",
           "self.weight * np.exp(self.reg / self.problem.weight_penalty * phi)", CONES),
    Mutant(O + "entropic_dual.py", "return self.wanted(self.phi) - self.sums\n\n    def _shift",
           "return self.wanted(self.phi) + self.sums\n\n    def _shift", CONES),
    # Prices
    Mutant(K + "reference_prices.py", "value += w * (p @ r - reg / 2 * p @ p)",
           "value += w * (p @ r - reg * p @ p)", PASSES),
    Mutant(K + "reference_prices.py", "load += w * p", "load += p", PASSES),
    Mutant(K + "reference_prices.py", "np.outer(free, free) / free.sum())", "np.outer(free, free))",
           PASSES),
    Mutant(K + "reference_prices.py", "points = np.unique(np.concatenate([r, r - reg]))",
           "points = np.unique(r)", PASSES),
    Mutant(K + "reference_prices.py", "load = np.bincount(indices.ravel(), np.repeat(weight, k)",
           "load = np.bincount(indices.ravel(), np.tile(weight, k)",
           f"{PRICES}::test_routes_agree_with_the_reference"),
    Mutant(K + "reference_prices.py", "w @ S, w @ S**2", "w @ S, S**2 @ np.ones(S.shape[1])",
           f"{PRICES}::test_moments_and_gibbs_rows_agree"),
    Mutant(O + "price_dual.py", "return value[0] + self.capacity @ self.xp.asarray(q, dtype=load.dtype)",
           "return value[0] - self.capacity @ self.xp.asarray(q, dtype=load.dtype)", WEAK),
    Mutant(O + "price_dual.py", "return value + self.capacity @ q, load, hessian",
           "return value - self.capacity @ q, load, hessian",
           "tests/ot/test_prices.py::test_several_columns_a_row_against_the_linear_programme"),
    Mutant(K + "reference_prices.py", "homeless += [tuple(pair) for pair in members[: load[j] - room[j]]]",
           "homeless += [tuple(pair) for pair in members[: load[j] - room[j] - 1]]",
           f"{PRICES}::test_repair_keeps_to_the_rooms_and_places_everybody"),
    # Multi-marginal transport on a line
    Mutant(K + "monge_costs.py", "g = below * above", "g = below + above", GRID),
    Mutant(K + "monge_costs.py", "g = (below + above - abs(below - above)) / 2",
           "g = (below + above + abs(below - above)) / 2", GRID),
    Mutant(K + "monge_costs.py", "return 2 * w * _from_mean(X, w)", "return w * _from_mean(X, w)", SLOPES),
    Mutant(K + "monge_costs.py", "* m * (t - m / 2)).sum(-1)", "* m * (t - m)).sum(-1)", SLOPES),
    Mutant(K + "monge_path.py", "inner[start[1:] - 1] = False", "inner[start[:-1]] = False",
           f"{MMOT}::test_the_greedy_sweep_equals_the_closed_form"),
    Mutant(K + "monge_path.py", "dual[start[k] : start[k + 1]] = first / d +",
           "dual[start[k] : start[k + 1]] = first +",
           f"{MMOT}::test_callable_costs_against_highs"),
    Mutant(O + "monge.py", "return 0.5 * (X.max(axis=-1) + X.min(axis=-1))", "return X.mean(axis=-1)",
           "tests/ot/test_mmot_minimize.py"),
    Mutant(O + "monge.py", "excess = corners[0] + corners[1] - corners[2] - corners[3]",
           "excess = corners[2] + corners[3] - corners[0] - corners[1]",
           f"{MMOT}::test_costs_that_are_not_monge_are_refused"),
    # Random numbers by index, integer masses, counting
    Mutant(K + "reference_philox.py", "ROUNDS = 10", "ROUNDS = 9", f"{PHILOX}::test_known_answers"),
    Mutant(K + "reference_philox.py", "(p1 >> HALF) ^ c1 ^ k0", "(p1 >> HALF) ^ c3 ^ k0",
           f"{PHILOX}::test_known_answers"),
    Mutant(K + "reference_philox.py", "words[1::2] >> np.uint32(6)", "words[1::2] >> np.uint32(5)",
           f"{PHILOX}::test_numba_draws_the_numbers_of_the_reference"),
    Mutant("otopt/_core/integer_masses.py", "demand[np.argmax(demand)] += difference", "pass",
           f"{INTEGERS}::test_proportions_and_sums"),
    Mutant("otopt/_core/integer_masses.py", "supply = np.where(a > 0, m // common, 0)",
           "supply = np.where(a > 0, m, 0)", f"{INTEGERS}::test_uniform_masses_keep_their_ties"),
    Mutant("otopt/_rounding/counting.py", "return int(np.gcd(n, m))", "return 1", UNIFORM),
    Mutant("otopt/_rounding/counting.py", "return np.searchsorted(capacity, a) + 1",
           "return np.searchsorted(capacity, a) + 2", PROOF),
    Mutant("otopt/_rounding/counting.py", "if n + m - parts > slots:", "if n + m > slots:", PROOF),
    # Kernels of numba, interpreted
    Mutant(K + "_numba_column.py", "        theta = (total - z) / inside", "        theta = (total + z) / inside", TOP),
    Mutant(K + "_numba_column.py", "v[i] if v[i] > level else 0.0", "v[i]", TOP),
    Mutant(K + "_numba_column.py", "count += x[i] > level", "count += x[i] >= level + 1e-3", PROX),
    Mutant(K + "_numba_folded.py", "lowest >= head > most and least > tie", "lowest >= head", ASCENT),
    Mutant(K + "_numba_folded.py", "!= p + e:\n        return False", "< p + e:\n        return False", ASCENT),
    Mutant(K + "_numba_folded.py", "level += excess * reg / both", "level += excess * reg", ASCENT),
    Mutant(K + "_numba_column.py", "t * (v[q] - theta - 0.5 * reg * t)", "t * (v[q] - theta)", SHORT),
    Mutant(K + "_numba_column.py", "while r >= 0 and v[r] < vq:", "while r >= 0 and v[r] > vq:", PROX),
    Mutant(K + "_numba_column.py", "theta + kth * reg / both", "theta",
           f"{FEW}::test_threshold_of_a_column_whose_best_entries_take_all"),
    Mutant(K + "_numba_column.py", "level += kth * reg / both", "level += kth * reg", ANY),
    Mutant(K + "_numba_column.py", "floor = max(lowest, window_floor(level, 0.0)) if is_first else lowest",
           "return p, e, level", ANY),
    Mutant(K + "_numba_column.py", "q_new = reaching(v, s * both - beta), min(above(",
           "q_new = reaching(v, s * both), min(above(", ANY),
    Mutant(K + "_numba_few.py", "np.count_nonzero(x[:q] == x[q])", "0",
           f"{FEW}::test_ranks_are_those_of_a_stable_sort"),
    Mutant(K + "_numba_short.py", "mean = 0.25 * ((m0 + m1) + (m2 + m3))", "mean = max(m0, m1, m2, m3)",
           "tests/kernels/test_small.py::test_conjugates_of_columns_that_are_nearly_flat"),
    Mutant(K + "_numba_newton.py", "min(i, other), max(i, other)", "i, other",
           "tests/kernels/test_newton.py::test_assembly"),
    Mutant(K + "_numba_whole.py", "bound - BOUND_ERROR * magnitude", "bound + BOUND_ERROR * magnitude",
           "tests/kernels/test_small.py::test_the_certificate_is_that_of_the_oracle"),
    Mutant(K + "_numba_whole.py", "row_need[rows[q]] -= mass[q]", "pass",
           "tests/kernels/test_small.py::test_plans_are_measured_and_written_by_columns"),
]  # fmt: skip


def run(folder, test, *, interpreted):
    """Whether the test passes in the folder, and the end of what it says."""
    variables = {"NUMBA_NUM_THREADS": "2", "HYPOTHESIS_PROFILE": "ci"}
    variables |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    if interpreted:
        variables["NUMBA_DISABLE_JIT"] = "1"
    # In this process: interrupted by -x, one with workers ends with a status of its own.
    options = ["-qx", "-n0", "--tb=line", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, test]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):  # nothing was collected, or pytest itself failed
        message = f"{test}: {done.stdout[-500:]}{done.stderr[-500:]}"
        raise RuntimeError(message)
    return done.returncode == 0


def key(mutant):
    """Changes with the mutation, with its file and with the file of its test."""
    files = [ROOT / mutant.file, ROOT / mutant.test.partition("::")[0]]
    parts = [*mutant, *(file.read_text(encoding="utf-8") for file in files)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def outcome(mutant, folder, passing):
    """`caught`, `MISSED`, or what keeps it from being tried."""
    interpreted = Path(mutant.file).name.startswith("_numba")
    case = mutant.test, interpreted
    if case not in passing:
        passing[case] = run(folder, mutant.test, interpreted=interpreted)
    if not passing[case]:
        return "TEST FAILS WITHOUT IT"
    file = folder / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        return f"FOUND {text.count(mutant.old)} TIMES"
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return "MISSED" if run(folder, mutant.test, interpreted=interpreted) else "caught"
    finally:
        shutil.copy2(ROOT / mutant.file, file)


def main():
    """Try all mutants that are not known yet; exit status 1 unless all are caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after that long")
    minutes = parser.parse_args().minutes
    console, started = Console(), time.monotonic()
    known = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
    KNOWN.parent.mkdir(exist_ok=True)
    passing = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for room in ("otopt", "tests"):  # with times, by which numba knows its caches
            shutil.copytree(ROOT / room, folder / room)
        shutil.copy2(ROOT / "pyproject.toml", folder)
        for mutant in track(MUTANTS, description="mutants", console=console):
            if known.get(key(mutant)) == "caught":
                continue
            if time.monotonic() - started > 60 * minutes:
                break
            known[key(mutant)] = outcome(mutant, folder, passing)
            KNOWN.write_text(json.dumps(known))
    table = Table("file", "in place of", "stands", "test", "outcome")
    outcomes = [known.get(key(mutant), "not tried yet") for mutant in MUTANTS]
    for mutant, said in zip(MUTANTS, outcomes, strict=True):
        name = Path(mutant.file).name
        table.add_row(
            name, escape(mutant.old), escape(mutant.new), mutant.test.rpartition("/")[2], said
        )
    console.print(table)
    caught = outcomes.count("caught")
    console.print(f"{caught} of {len(MUTANTS)} mutants caught")
    return int(caught < len(MUTANTS))


if __name__ == "__main__":
    sys.exit(main())
