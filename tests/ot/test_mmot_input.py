"""Bad input of the multi-marginal functions is refused by name; unusual input works."""

import numpy as np
import pytest

import otopt

A = np.array([[0.5, 0.25, 0.0], [0.5, 0.25, 1.0], [0.0, 0.5, 0.0]])
NAN, INF = float("nan"), float("inf")


def changed(array, value, at=(1, 0)):
    array = array.copy()
    array[at] = value
    return array


BAD = {
    "unequal masses": (A * [1, 1, 2], {}, "equal sums.*normalize=True"),
    "negative": (changed(changed(A, -0.5), 1.5, (0, 0)), {}, "non-negative"),
    "nan": (changed(A, NAN), {}, "finite"),
    "inf": (changed(A, INF), {}, "finite"),
    "no mass": (0 * A, {}, "positive sum"),
    "one empty histogram": (A * [1, 1, 0], {"normalize": True}, "positive sum.*number 2"),
    "vector": (A[0], {}, "`A` must have shape"),
    "no bins": (A[:0], {}, "`A`"),
    "no histograms": (A[:, :0], {}, "`A`"),
    "empty list": ([], {}, "`A`"),
    "empty group": ([A[:, 0], []], {}, r"`A\[1\]`.*leave"),
    "matrix in a list": ([A, A], {}, r"`A\[0\]`"),
    "text": ([["x"], ["y"]], {}, r"`A\[0\]`"),
    "complex": (A + 0j, {}, "`A` must be real"),
    "short support": (A, {"support": [0.0, 1.0]}, "`support`"),
    "nan support": (A, {"support": [0.0, NAN, 1.0]}, "`support` must be finite"),
    "supports of a matrix": (A, {"support": [[0.0, 1.0, 2.0]] * 3}, "`support`"),
    "one support of a list": (list(A.T), {"support": np.arange(3.0)}, "`support` must be a list"),
    "unknown cost": (A, {"cost": "l3"}, "`cost` must be one of"),
    "weights of range": (A, {"weights": np.ones(3)}, "`weights` must be None"),
    "weights of a callable": (A, {"cost": np.ptp, "weights": np.ones(3)}, "`weights` must be None"),
    "weights short": (A, {"cost": "median", "weights": np.ones(2)}, "`weights`"),
    "weights zero": (A, {"cost": "median", "weights": [0, 1, 1]}, "`weights`"),
    "delta zero": (A, {"cost": "huber", "delta": 0.0}, "`delta`"),
    "callable of a wrong shape": (A, {"cost": lambda X: X}, "`cost` must map"),
    "callable that gives nan": (A, {"cost": lambda X: X[..., 0] * NAN}, "`cost` must map"),
}


@pytest.mark.parametrize("case", BAD)
def test_mmot_1d_refuses(case):
    masses, settings, text = BAD[case]
    with pytest.raises((TypeError, ValueError), match=f"(?s)^mmot_1d: .*{text}"):
        otopt.mmot_1d(masses, **settings)


def frozen(array):
    array = array.copy()
    array.setflags(write=False)
    return array


GOOD = {
    "float32": A.astype(np.float32),
    "integers": (4 * A).astype(int),
    "read-only": frozen(A),
    "fortran": np.asfortranarray(A),
    "strided": np.repeat(A, 2, axis=1)[:, ::2],
    "list": list(A.T),
    "lists": A.T.tolist(),
    "big endian": A.astype(">f8"),
    "huge": 1e150 * A,
    "tiny": 1e-150 * A,
    "negative zero": np.where(A == 0, -0.0, A),
    "rounded": A * [1, 1 + 1e-10, 1],
}


@pytest.mark.reference
@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("cost", ["range", "variance"])
def test_mmot_1d_accepts_and_does_not_modify(case, cost):
    masses = GOOD[case]
    before = np.array(masses, copy=True)
    result = otopt.mmot_1d(masses, cost=cost)
    scale = np.sum(before) / 3
    expected = otopt.mmot_1d(A, cost=cost).value
    assert isinstance(result.value, float)
    assert result.value == pytest.approx(scale * expected, rel=1e-6)
    assert result.gap <= 1e-9 * scale
    np.testing.assert_array_equal(masses, before)


def test_repeated_supports_are_one_place():
    x = [0.0, 1.0, 1.0]
    merged = np.array([A[0], A[1] + A[2]])
    for cost in ("range", "huber", "median"):
        result = otopt.mmot_1d(A, cost=cost, support=x)
        assert result.value == pytest.approx(otopt.mmot_1d(merged, cost=cost).value, abs=1e-15)


@pytest.mark.parametrize("cost", ["range", "pairwise_l1", "median", "variance", "huber"])
def test_one_group_and_one_bin_cost_nothing(cost):
    for masses in (A[:, :1], np.ones((1, 3)), np.ones((1, 1))):
        result = otopt.mmot_1d(masses, cost=cost)
        assert result.value == 0
        assert (result.dual == 0).all()
        assert result.plan.mass.sum() == pytest.approx(1)


def test_normalize_divides_by_the_sums():
    scaled = A * [1, 2, 3]
    result = otopt.mmot_1d(scaled, normalize=True)
    assert result.value == pytest.approx(otopt.mmot_1d(A).value)
    assert result.plan.mass.sum() == pytest.approx(1)


X, G = np.array([0.1, 0.4, 0.5, 0.9]), np.array([0, 1, 0, 1])
BAD_SAMPLES = {
    "nan": ((changed(X, NAN, 1), G), {}, "`x` must be finite"),
    "inf": ((changed(X, INF, 1), G), {}, "`x` must be finite"),
    "matrix": ((X[:, None], G), {}, "`x`"),
    "empty": (([], []), {}, "`x`"),
    "vector without groups": ((X,), {}, "without `groups`"),
    "empty group": (([X, []],), {}, "no empty group"),
    "no group": (([],), {}, "`x`"),
    "labels short": ((X, G[:3]), {}, "`groups`"),
    "labels nan": ((X, [0, NAN, 0, 1]), {}, "missing labels"),
    "labels none": ((X, ["a", None, "a", "b"]), {}, "missing labels"),
    "labels nan object": ((X, np.array(["a", NAN, "a", "b"], dtype=object)), {}, "missing labels"),
    "labels mixed": ((X, np.array(["a", 1, "a", 1], dtype=object)), {}, "one kind"),
    "shares negative": ((X, -np.eye(4)), {}, "shares"),
    "shares nan": ((X, np.full((4, 2), NAN)), {}, "shares"),
    "shares zero": ((X, np.zeros((4, 2))), {}, "share"),
    "weights short": ((X, G), {"sample_weight": [1, 1]}, "`sample_weight`"),
    "weights negative": ((X, G), {"sample_weight": [1, 1, -1, 1]}, "`sample_weight`"),
    "weights of a group zero": ((X, G), {"sample_weight": [0, 1, 0, 1]}, "positive weight"),
    "callable": ((X, G), {"cost": np.ptp}, "needs tensors"),
    "text": ((["a", "b"], [0, 1]), {}, "`x`"),
}


@pytest.mark.parametrize("case", BAD_SAMPLES)
def test_mmot_samples_refuses(case):
    args, settings, text = BAD_SAMPLES[case]
    with pytest.raises((TypeError, ValueError), match=f"^mmot_samples: .*{text}"):
        otopt.mmot_samples(*args, **settings)


def test_labels_may_be_anything_that_sorts():
    expected = otopt.mmot_samples(X, G)
    for labels in (
        G.astype(np.uint8), G.astype(bool), G.astype(float), 7 * G - 3, 10**12 * G, G.tolist(),
        np.array(["b", "w"])[G], ["b", "w", "b", "w"], np.array(["b", "w"], dtype=object)[G],
        np.eye(2)[G], np.eye(2, dtype=int)[G], np.eye(5)[G + 2],
    ):  # fmt: skip
        result = otopt.mmot_samples(X, labels)
        assert result.value == pytest.approx(expected.value)
        np.testing.assert_allclose(result.gradient, expected.gradient)
    assert otopt.mmot_samples(X, np.array(["b", "w"])[G]).groups.tolist() == ["b", "w"]


BAD_OTHERS = {
    "list": (lambda: otopt.mmot_minimize(list(A.T)), "mmot_minimize: `A`"),
    "batch": (lambda: otopt.mmot_minimize(A[None]), "mmot_minimize: `A`"),
    "method": (lambda: otopt.mmot_minimize(A, method="x"), "mmot_minimize: `method`"),
    "maxiter": (lambda: otopt.mmot_minimize(A, maxiter=0), "mmot_minimize: `maxiter`"),
    "callable": (lambda: otopt.mmot_minimize(A, cost=np.ptp), "mmot_minimize: `cost`"),
    "masses": (lambda: otopt.mmot_minimize(-A), "mmot_minimize: `A`"),
    "support": (lambda: otopt.mmot_minimize(A, support=[2, 1, 0]), "mmot_minimize: `support`"),
    "counts": (lambda: otopt.mmot_null_level([3, 0]), "mmot_null_level: `counts`"),
    "counts float": (lambda: otopt.mmot_null_level([3.0]), "mmot_null_level: `counts`"),
    "scores": (lambda: otopt.mmot_null_level([3], scores=[NAN]), "mmot_null_level: `scores`"),
    "draws": (lambda: otopt.mmot_null_level([3], n_draws=0), "mmot_null_level: `n_draws`"),
}


@pytest.mark.parametrize("case", BAD_OTHERS)
def test_the_others_refuse(case):
    call, text = BAD_OTHERS[case]
    with pytest.raises((TypeError, ValueError), match=f"^{text}"):
        call()
