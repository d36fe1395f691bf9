"""The benchmark of point clouds measures what it says."""

import json

from benchmarks import clouds


def test_a_record_is_json_and_keeps_its_promise():
    entry = json.loads(json.dumps(clouds.record(400), allow_nan=False))
    assert entry["relaxed_marginal_error"] <= clouds.TOL
    assert entry["nonzeros"] <= 400 * clouds.K
    # The peak is that of the whole process, of tests that ran before as well.
    assert clouds.kept(entry | {"peak_resident": 2**30})


def test_promises_can_be_broken():
    entry = {"relaxed_marginal_error": 1e-6, "marginal_error": 1e-12, "rounding": "repair",
             "peak_resident": 2**30}  # fmt: skip
    assert clouds.kept(entry)
    assert not clouds.kept(entry | {"relaxed_marginal_error": 2e-4})
    assert not clouds.kept(entry | {"marginal_error": 2e-4})
    assert clouds.kept(entry | {"marginal_error": 1.0, "rounding": "none"})
    assert not clouds.kept(entry | {"peak_resident": 2**31})
