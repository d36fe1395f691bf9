"""Two real processes over gloo find the prices of one, and route as one."""

import warnings

import numpy as np
import pytest
import torch
import torch.distributed as dist

import otopt
from ml_apps import moe
from otopt.distributed import solve_prices
from tests.distributed.processes import on_processes

SIZES = ((256, 128), (256, 31), (200, 0))
ROUTERS = ("in_batch", "lagged")


def scores(n):
    rng = np.random.default_rng(n)
    return (2 * rng.normal(size=(n, 8)) + rng.normal(size=8)).astype(np.float32)


def steps():
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.normal(size=(128, 8)).astype(np.float32)) for _ in range(5)]


def router_of(mode, group=None):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return moe.PriceRouter(
            8, 4, train=mode, warmup_steps=2, capacity_factor=None, passes=2, process_group=group
        )


def solve_and_route(rank, size):
    def half(x):
        return x.chunk(size)[rank]

    answers = {}
    for n, cut in SIZES:
        S = scores(n)[:cut] if rank == 0 else scores(n)[cut:]
        fixed = solve_prices(S, 2, passes=4)
        solved = solve_prices(torch.from_numpy(S), 2)
        answers[n, cut] = {
            "fixed": fixed.price,
            "solved": solved.price,
            "bound": solved.dual_bound,
            "load": solved.load,
        }
    for mode in ROUTERS:
        router = router_of(mode, dist.group.WORLD)
        indices = []
        for x in steps():
            indices.append(router(half(x)).indices)
            router.update()
        answers[mode] = {"price": router.price, "ema": router.price_ema, "indices": indices}
    sign = moe.SignBiasRouter(8, 4, process_group=dist.group.WORLD)
    sign.load_state_dict(moe.SignBiasRouter(8, 4).state_dict() | {"weight": torch.eye(4, 8)})
    sign(half(steps()[0]))
    sign.update()
    answers["sign"] = sign.bias
    return answers


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    otopt.solve_prices(scores(64), 2)  # the processes find compiled kernels
    return on_processes(2, solve_and_route, tmp_path_factory.mktemp("group"))


@pytest.mark.parametrize("size", SIZES)
def test_two_processes_find_the_prices_of_one(answers, size):
    S = scores(size[0])
    fixed = otopt.solve_prices(S, 2, passes=4)
    solved = otopt.solve_prices(S, 2, method="diagonal")
    for answer in answers:
        np.testing.assert_allclose(answer[size]["fixed"], fixed.price, atol=1e-6)
        np.testing.assert_allclose(answer[size]["solved"], solved.price, atol=1e-6)
        np.testing.assert_array_equal(answer[size]["load"], solved.load)
        assert answer[size]["bound"] == pytest.approx(solved.dual_bound, rel=1e-6)
    assert torch.equal(answers[0][size]["solved"], answers[1][size]["solved"])


@pytest.mark.parametrize("mode", ROUTERS)
def test_routers_route_as_one(answers, mode):
    class Cold(moe.PriceRouter):
        """Starts as processes of a group do: by passes, not by the full curvature."""

        def _solve(self, s, mass, passes=None, reg=None):
            if self.steps == 0:
                return otopt.solve_prices(
                    s, self.k, row_mass=mass, certify=False, passes=8, smoothing=0.1
                )
            return super()._solve(s, mass, passes, reg)

    one = router_of(mode)
    one.__class__ = Cold
    for number, x in enumerate(steps()):
        whole = one(x).indices
        one.update()
        if mode == "lagged" and number < 2:
            continue  # the warm-up fills the experts of every process by itself
        parts = [answer[mode]["indices"][number] for answer in answers]
        assert torch.equal(torch.cat(parts), whole)
    for answer in answers:
        torch.testing.assert_close(answer[mode]["price"], one.price, rtol=0, atol=1e-6)
        torch.testing.assert_close(answer[mode]["ema"], one.price_ema, rtol=0, atol=1e-6)


def test_biases_are_moved_by_loads_of_all(answers):
    assert torch.equal(answers[0]["sign"], answers[1]["sign"])
    one = moe.SignBiasRouter(8, 4)
    one.load_state_dict({"weight": torch.eye(4, 8), "bias": torch.zeros(4)})
    one(steps()[0])
    one.update()
    torch.testing.assert_close(answers[0]["sign"], one.bias)


def test_needs_a_process_group():
    assert not dist.is_initialized()
    with pytest.raises(ValueError, match="init_process_group"):
        solve_prices(scores(8))


def test_what_needs_one_process_is_refused():
    from otopt.ot._price_problem import read_problem

    options = {
        "row_mass": None, "row_nnz": None, "equality": None, "smoothing": None, "reg": None,
        "passes": None, "tol": 1.0,
        "maxiter": 1, "warm_start": None, "certify": False, "reduce": lambda x: x,
    }  # fmt: skip
    for method in ("newton", "quantile"):
        with pytest.raises(ValueError, match="method"), warnings.catch_warnings():
            read_problem("f", scores(8), 1, None, method=method, **options)
