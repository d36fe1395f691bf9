"""Tensors: in and out alike on the CPU, and the path of other devices, which runs here too."""

import numpy as np
import pytest
import torch

import otopt
from otopt._backend import TensorHome
from otopt._kernels import torch_prices
from otopt._oracles.price_dual import PriceDual
from otopt.ot import _price_solve
from otopt.ot._price_input import Rows
from tests.ot.test_prices import clustered


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_prices_of_tensors_are_at_least_single(dtype):
    scores = torch.from_numpy(clustered(256, 8)).to(dtype)
    result = otopt.solve_prices(scores, 2)
    expected = otopt.solve_prices(scores.double().numpy().astype(np.float32), 2)
    single = torch.float64 if dtype == torch.float64 else torch.float32
    assert result.price.dtype == result.load.dtype == single
    np.testing.assert_allclose(result.price.double(), expected.price, atol=1e-3)
    routing = otopt.assign(scores, result, 2, 64, policy="repair")
    assert routing.indices.dtype == torch.int64
    assert routing.keep.dtype == torch.bool
    assert (routing.load == 64).all()
    match = otopt.bmatch(scores[:20].float(), 2, 5)
    assert match.indices.dtype == torch.int64


def test_gradients_are_refused():
    scores = torch.zeros(4, 2, requires_grad=True)
    with pytest.raises(TypeError, match="requires_grad"):
        otopt.solve_prices(scores)
    with torch.no_grad():
        otopt.solve_prices(scores)


def elsewhere(S, k, capacity=None, **options):
    """The solve as it runs on other devices, on the CPU."""
    scores = torch.from_numpy(S)
    n, m = S.shape
    weight = torch.ones(n, dtype=torch.float64)
    rows = Rows(scores, weight, weight.sum(), torch_prices, TensorHome(scores.dtype, "cpu"))
    room = torch.full((m,), n * k / m if capacity is None else capacity, dtype=torch.float64)
    dual = PriceDual(torch_prices, scores, weight, k, m, room, capacity is None)
    settings = {"method": "auto", "reg": None, "smoothing": None, "passes": None, "tol": 2e-3,
                "maxiter": 200, "certify": True} | options  # fmt: skip
    return _price_solve.solve(rows, dual, None, _price_solve.PriceSettings(**settings))


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_devices_find_the_same_prices(k, dtype):
    S = clustered(512, 8).astype(dtype)
    for options in ({"passes": 5}, {"method": "quantile", "passes": 4}, {"method": "diagonal"}):
        found = elsewhere(S, k, **options)
        expected = otopt.solve_prices(S, k, **options)
        np.testing.assert_allclose(found.price, expected.price, atol=1e-4)
        assert float(found.dual_bound) == pytest.approx(expected.dual_bound, rel=1e-6)
    found = elsewhere(S, k, 512 * k / 6, passes=30)
    expected = otopt.solve_prices(S, k, 512 * k / 6, passes=30)
    np.testing.assert_allclose(found.price, expected.price, atol=1e-4)


@pytest.mark.gpu
def test_a_fixed_number_of_passes_waits_for_nothing():
    S = torch.from_numpy(clustered(4096, 32)).cuda()
    price = otopt.solve_prices(S, passes=3).price
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = otopt.solve_prices(S, passes=2, warm_start=price)
        routing = otopt.assign(S, result.price, 1, 128, policy="repair")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (routing.load == 128).all()
    expected = otopt.solve_prices(S.cpu(), passes=2, warm_start=price.cpu())
    torch.testing.assert_close(result.price.cpu(), expected.price, rtol=0, atol=1e-4)
