"""One good call of every public function and method, small enough to be made thousands of times.

A new public name without an entry, or a reason to have none, fails `test_every_public_name`.
"""

import enum
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

import otopt
from otopt.optimize import networks

rng = np.random.default_rng(7)
a, b = np.array([0.25, 0.5, 0.25]), np.array([0.5, 0.0, 0.25, 0.25])
C = rng.random((3, 4))
C[0, 0] = 0.0
X, Y = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
A = rng.dirichlet(np.ones(5), size=3).T
scores = rng.normal(size=(5, 3))
samples, groups = rng.random(6), np.array([0, 1, 0, 1, 1, 0])
square = rng.random((3, 3))
net = networks.Linear(2)
examples, classes = (
    np.array([[-1.0, 0.5], [1.0, 0.0], [-2.0, 0.0], [0.5, 1.0]]),
    np.array([0, 1, 0, 1]),
)
theta = rng.uniform(-1, 1, net.size)


@dataclass(frozen=True)
class Entry:
    """A call with its arrays, which are fuzzed as arrays, and what else it is given."""

    call: Callable
    arrays: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)  # what bounds the work, and scalars
    answer: Callable = lambda result: getattr(result, "value", result)
    skip: tuple = ()  # parameters that are not fuzzed: objects of our own, and functions
    tensors: bool = False  # arrays are passed as tensors
    other: tuple = ()  # ways of SAME that mean something else here


def tensor_entry(call, arrays, **more):
    return Entry(call, arrays, tensors=True, answer=_tensor_answer, **more)


def _tensor_answer(result):
    result = getattr(result, "mass", result)
    return result.detach().numpy() if isinstance(result, torch.Tensor) else result


def sphere(x):
    with np.errstate(over="ignore"):
        return float(np.sum(np.square(x)))


def _pattern_tell(values):
    search = otopt.PatternSearch([0.3, -0.2])
    search.ask()
    search.tell(values)


def _guesser(**settings):
    return otopt.GuessAndCheck([(-1, 1), (-1, 1)], accept=0.5, rng=3, **settings)


def _guesser_tell(values):
    guesser = _guesser()
    guesser.ask(3)
    guesser.tell(values)


def _loss(scores, groups, sample_weight=None, **settings):
    return otopt.nn.MMOTLoss(**settings)(scores, groups, sample_weight)


def _first_batch(**arguments):
    return next(iter(otopt.nn.StratifiedBatchSampler(**arguments)))


def _sparse_loss(a, b, C, **settings):
    return otopt.nn.SparseOTLoss(**settings)(a, b, C)


def _point_loss(x, y, a, b, **settings):
    return otopt.nn.SparseOTLoss(metric="euclidean", **settings)(x, y, a, b)


def _matching(a, b, C, **settings):
    return otopt.nn.SparseOTMatching(**settings)(a, b, C)


line = otopt.mmot_minimize(A).barycenter
few = {"maxiter": 30}
limits = {"max_trials": 50, "max_moves": 20, "rng": 0}

ENTRIES = {
    "otopt.sparse_ot": Entry(otopt.sparse_ot, {"a": a, "b": b, "C": C}, {"k": 3, "maxiter": 200}),
    "otopt.sparse_ot, points": Entry(
        otopt.sparse_ot, {"a": a, "b": b, "X": X, "Y": Y}, {"k": 3, "maxiter": 200}
    ),
    "otopt.sparse_ot, penalised": Entry(
        otopt.sparse_ot, {"a": a, "b": b + 0.1, "C": C},
        {"k": 3, "maxiter": 200, "marginal_penalty": 1.0},
    ),
    "otopt.sparse_ot_batch": Entry(
        otopt.sparse_ot_batch, {"a": a, "b": b, "C": np.stack([C, C + 1])},
        {"k": 3, "maxiter": 200, "workers": 1}, answer=lambda r: r[0].value,
    ),
    "otopt.emd": Entry(otopt.emd, {"a": a, "b": b, "C": C}, {"maxiter": 1000}),
    "otopt.emd, points": Entry(
        otopt.emd, {"a": a, "b": b, "X": X, "Y": Y}, {"maxiter": 1000}
    ),
    "otopt.emd_batch": Entry(
        otopt.emd_batch, {"a": a, "b": b, "C": np.stack([C, C + 1])}, {"maxiter": 1000},
        answer=lambda r: r[0].value,
    ),
    "otopt.assignment": Entry(otopt.assignment, {"C": square}, {"maxiter": 1000}),
    "otopt.sinkhorn": Entry(
        otopt.sinkhorn, {"a": a, "b": b, "C": C}, {"reg": 0.5, "maxiter": 200}
    ),
    "otopt.sinkhorn, points": Entry(
        otopt.sinkhorn, {"a": a, "b": b, "X": X, "Y": Y}, {"reg": 0.5, "maxiter": 200}
    ),
    "otopt.sinkhorn_batch": Entry(
        otopt.sinkhorn_batch, {"a": a, "b": b, "C": np.stack([C, C + 1])},
        {"reg": 0.5, "maxiter": 200}, answer=lambda r: r.value[0],
    ),
    "otopt.bmatch": Entry(
        otopt.bmatch, {"S": square, "col_cap": np.array([1, 2, 1])}, {"row": 1, "candidates": 2}
    ),
    "otopt.assign": Entry(
        otopt.assign,
        {"scores": scores, "price": np.array([0.1, 0.0, 0.2]), "capacity": np.array([2, 2, 3]),
         "row_mass": np.ones(5)},
        {"k": 1, "policy": "repair"}, answer=lambda r: r.indices,
    ),
    "otopt.solve_prices": Entry(
        otopt.solve_prices,
        {"scores": scores, "capacity": np.array([2.0, 2.0, 2.0]), "row_mass": np.ones(5)},
        {"k": 1, "maxiter": 30}, answer=lambda r: r.price,
    ),
    "otopt.mmot_1d": Entry(
        otopt.mmot_1d, {"A": A, "support": np.arange(5.0), "weights": np.ones(3)},
        {"cost": "median"}, other=("A: list",),
    ),
    "otopt.mmot_minimize": Entry(
        otopt.mmot_minimize, {"A": A, "support": np.arange(5.0), "weights": np.ones(3)},
        {"cost": "huber", "method": "descent", "maxiter": 5},
        answer=lambda r: r.value, other=("A: list",),
    ),
    "otopt.mmot_null_level": Entry(
        otopt.mmot_null_level,
        {"counts": np.array([3, 2, 4]), "scores": samples, "weights": np.ones(3)},
        {"cost": "variance", "n_draws": 3, "rng": 0}, answer=lambda r: r.mean,
    ),
    "otopt.mmot_samples": Entry(
        otopt.mmot_samples,
        {"x": samples, "groups": groups, "sample_weight": np.ones(6), "weights": np.ones(2)},
        {"cost": "median"},
    ),
    "otopt.minimize": Entry(
        otopt.minimize, {"x0": np.array([0.3, -0.2])},
        {"fun": sphere, "options": {"maxfev": 20}}, answer=lambda r: r.fun, skip=("fun", "args"),
    ),
    "otopt.pattern_search": Entry(
        otopt.pattern_search,
        {"x0": np.array([0.3, -0.2]), "bounds": np.array([[-1.0, 1.0], [-2.0, 2.0]]),
         "initial_step": np.array([0.5, 0.25])},
        {"fun": sphere, "maxfev": 20}, answer=lambda r: r.fun, skip=("fun", "args"),
    ),
    "otopt.guess_and_check": Entry(
        otopt.guess_and_check,
        {"x0": np.array([0.3, -0.2]), "bounds": np.array([[-1.0, 1.0], [-2.0, 2.0]])},
        {"fun": sphere, "accept": 0.5, "max_candidates": 20, "rng": 0},
        answer=lambda r: r.fun, skip=("fun", "args", "examples"),
    ),
    "otopt.PatternSearch": Entry(
        otopt.PatternSearch,
        {"x0": np.array([0.3, -0.2]), "bounds": np.array([[-1.0, 1.0], [-2.0, 2.0]]),
         "initial_step": np.array([0.5, 0.25])},
        answer=lambda r: r.ask(),
    ),
    "otopt.PatternSearch.tell": Entry(
        _pattern_tell, {"values": np.arange(float(len(otopt.PatternSearch([0.3, -0.2]).ask())))}
    ),
    "otopt.GuessAndCheck": Entry(
        otopt.GuessAndCheck, {"bounds": np.array([[-1.0, 1.0], [-2.0, 2.0]])},
        {"accept": 0.5, "rng": 0}, answer=lambda r: r.ask(2),
    ),
    "otopt.GuessAndCheck.ask": Entry(lambda count: _guesser().ask(count), {}, {"count": 2}),
    "otopt.GuessAndCheck.candidate": Entry(
        lambda index: _guesser().candidate(index), {}, {"index": 2}
    ),
    "otopt.GuessAndCheck.tell": Entry(_guesser_tell, {"values": np.array([0.1, 0.7, 0.2])}),
    "otopt.KLPenalty": Entry(otopt.KLPenalty, {}, {"rho": 1.0}),
    "otopt.L2Penalty": Entry(otopt.L2Penalty, {}, {"rho": 1.0}),
    "otopt.MassBounds": Entry(otopt.MassBounds, {}, {"low": 0.5, "high": 2.0}),
    "otopt.LineMeasure.histogram": Entry(line.histogram, {"support": np.arange(5.0)}),
    "otopt.OTResult.to_plan": Entry(
        lambda layout: otopt.emd(a, b, C).to_plan(layout), {}, {"layout": "dense"}
    ),
    "otopt.nn.MMOTLoss.null_level": Entry(
        otopt.nn.MMOTLoss().null_level, {"counts": np.array([3, 2, 4]), "scores": samples},
        {"n_draws": 3, "rng": 0}, answer=lambda r: r.mean,
    ),
    "otopt.optimize.networks.NetworkSamples.theta": Entry(
        networks.guess_and_check(net, examples, classes, rng=0).theta, {}, {"i": 0}
    ),
    "otopt.testing.check_plan": Entry(
        otopt.testing.check_plan, {"a": a, "b": b, "C": C},
        {"result": otopt.sparse_ot(a, b, C, 3), "k": 3}, skip=("result",),
    ),
    "otopt.testing.dirac_problem": Entry(
        otopt.testing.dirac_problem, {"weights": a, "cost": np.arange(3.0)}
    ),
    "otopt.testing.permutation_problem": Entry(
        otopt.testing.permutation_problem,
        {"permutation": np.array([2, 0, 1]), "penalty": square + 0.1},
    ),
    "otopt.testing.monotone_problem": Entry(
        otopt.testing.monotone_problem, {"x": np.arange(3.0), "y": np.array([0.1, 5.0, 2.0])}
    ),
    "otopt.testing.block_problem": Entry(
        otopt.testing.block_problem, {}, {"k": 2, "columns": 2, "penalty": 1.0}
    ),
    "otopt.testing.constant_cost_problem": Entry(
        otopt.testing.constant_cost_problem, {}, {"n": 2, "m": 3}
    ),
    "otopt.nn.sparse_ot_value": tensor_entry(
        otopt.nn.sparse_ot_value, {"a": a, "b": b, "C": C}, settings={"k": 3, "maxiter": 200}
    ),
    "otopt.nn.sparse_ot_plan": tensor_entry(
        otopt.nn.sparse_ot_plan, {"a": a, "b": b, "C": C}, settings={"k": 3, "maxiter": 200}
    ),
    "otopt.nn.emd_value": tensor_entry(
        otopt.nn.emd_value, {"a": a, "b": b, "C": C}, settings={"maxiter": 1000}
    ),
    "otopt.nn.sinkhorn_value": tensor_entry(
        otopt.nn.sinkhorn_value, {"a": a, "b": b, "C": C}, settings={"reg": 0.5, "maxiter": 200}
    ),
    "otopt.nn.sinkhorn_plan": tensor_entry(
        otopt.nn.sinkhorn_plan, {"a": a, "b": b, "C": C}, settings={"reg": 0.5, "maxiter": 200}
    ),
    "otopt.nn.capped_simplex": tensor_entry(
        otopt.nn.capped_simplex, {"x": scores}, settings={"k": 1, "reg": 1.0}
    ),
    "otopt.nn.MMOTLoss": tensor_entry(
        _loss, {"scores": samples, "groups": groups, "sample_weight": np.ones(6)}
    ),
    "otopt.nn.SparseOTLoss": tensor_entry(
        _sparse_loss, {"a": a, "b": b, "C": C}, settings={"k": 3, "maxiter": 200}
    ),
    "otopt.nn.SparseOTLoss, points": tensor_entry(
        _point_loss, {"x": X, "y": Y, "a": a, "b": b}, settings={"k": 3, "maxiter": 200},
        skip=("metric",),
    ),
    "otopt.nn.SparseOTMatching": tensor_entry(
        _matching, {"a": a, "b": b, "C": C}, settings={"k": 3, "maxiter": 200}
    ),
    "otopt.nn.StratifiedBatchSampler": Entry(
        _first_batch, {"groups": groups}, {"batch_size": 4, "min_per_group": 1},
        answer=len,
    ),
    "otopt.optimize.networks.Linear": Entry(networks.Linear, {}, {"features": 3, "classes": 2}),
    "otopt.optimize.networks.MLP": Entry(
        networks.MLP, {}, {"features": 3, "hidden": (4, 2), "classes": 2}
    ),
    "otopt.optimize.networks.LeNet": Entry(
        networks.LeNet, {}, {"width": 0.5, "side": 16, "channels": 1, "classes": 2}
    ),
    "otopt.optimize.networks.guess_and_check": Entry(
        networks.guess_and_check, {"X": examples, "y": classes},
        {"net": net, "max_candidates": 100, "rng": 0}, answer=lambda r: r.indices, skip=("net",),
    ),
    "otopt.optimize.networks.greedy_search": Entry(
        networks.greedy_search, {"X": examples, "y": classes, "theta0": theta},
        {"net": net, **limits}, answer=lambda r: r.theta, skip=("net",),
    ),
    "otopt.optimize.networks.pattern_search": Entry(
        networks.pattern_search, {"X": examples, "y": classes, "theta0": theta},
        {"net": net, **limits}, answer=lambda r: r.theta, skip=("net",),
    ),
    "otopt.optimize.networks.Linear.logits": Entry(net.logits, {"theta": theta, "X": examples}),
    "otopt.optimize.networks.Linear.loss": Entry(
        net.loss, {"theta": theta, "X": examples, "y": classes}
    ),
    "otopt.optimize.networks.Linear.accuracy": Entry(
        net.accuracy, {"theta": theta, "X": examples, "y": classes}
    ),
    "otopt.optimize.networks.Linear.parameters": Entry(
        net.parameters, {"theta": theta}, answer=lambda r: r["weight"]
    ),
    "otopt.optimize.networks.Linear.draw": Entry(net.draw, {}, {"seed": 1, "candidate": 2}),
}  # fmt: skip

# Public callables without an entry of their own, and why.
NO_ENTRY = {
    "made by the library alone; users read it": {
        "otopt.AssignmentResult", "otopt.BMatching", "otopt.EntropicBatch", "otopt.EntropicResult",
        "otopt.LineMeasure", "otopt.MMOTMinimizeResult", "otopt.MMOTResult",
        "otopt.MMOTSamplesResult", "otopt.MultiMarginalPlan", "otopt.NullLevel", "otopt.OTResult",
        "otopt.PriceResult", "otopt.Routing", "otopt.SinkhornProgress", "otopt.Status",
        "otopt.nn.SparsePlan", "otopt.testing.KnownProblem",
        "otopt.optimize.networks.NetworkSamples", "otopt.optimize.networks.NetworkSearch",
    },
    "options: plain records, refused by the functions that read them": {
        "otopt.EmdOptions", "otopt.SinkhornOptions", "otopt.SparseOTOptions",
    },
    "takes no arrays": {"otopt.show_config"},
    "exceptions and warnings": {f"otopt.errors.{name}" for name in otopt.errors.__all__},
    "strategies of hypothesis, which checks what they are given": {
        "otopt.testing.known_problems", "otopt.testing.transport_problems",
    },
    "needs a process group; same checks as in one process, tested in tests/distributed": {
        "otopt.distributed.solve_prices", "otopt.distributed.sparse_ot",
    },
}  # fmt: skip


# Public methods that take something, by the name they are defined under: an entry or a reason.
IN_FORWARD = "called by the entry of its class"
ASKED_BY_SOLVERS = "called by solvers with arrays of theirs"
METHODS = {
    "PatternSearch.tell": "otopt.PatternSearch.tell",
    "PatternSearch.result": "what it takes is the account of pattern_search",
    "GuessAndCheck.ask": "otopt.GuessAndCheck.ask",
    "GuessAndCheck.candidate": "otopt.GuessAndCheck.candidate",
    "GuessAndCheck.tell": "otopt.GuessAndCheck.tell",
    "GuessAndCheck.result": "what it takes are the settings of guess_and_check",
    "LazyResult.in_tensors": "called by the library with what it knows of the tensors it was given",
    "LineMeasure.histogram": "otopt.LineMeasure.histogram",
    "OTResult.to_plan": "otopt.OTResult.to_plan",
    "Network.logits": "otopt.optimize.networks.Linear.logits",
    "Network.loss": "otopt.optimize.networks.Linear.loss",
    "Network.accuracy": "otopt.optimize.networks.Linear.accuracy",
    "Network.parameters": "otopt.optimize.networks.Linear.parameters",
    "Network.draw": "otopt.optimize.networks.Linear.draw",
    "NetworkSamples.theta": "otopt.optimize.networks.NetworkSamples.theta",
    "MMOTLoss.null_level": "otopt.nn.MMOTLoss.null_level",
    "MMOTLoss.set_extra_state": "called by torch with what get_extra_state returned",
    "MMOTLoss.forward": IN_FORWARD,
    "SparseOTLoss.forward": IN_FORWARD,
    "SparseOTMatching.forward": IN_FORWARD,
    **{
        f"{kind}.{method}": ASKED_BY_SOLVERS
        for kind in ("KLPenalty", "L2Penalty", "MassBounds")
        for method in ("answer", "value", "dual", "slope")
    },
}


def public_methods():
    """Defined names of the methods of public classes that take an argument."""
    found = set()
    for name in public_callables():
        thing = pkgutil.resolve_name(name)
        if not inspect.isclass(thing) or issubclass(thing, (BaseException, enum.Enum)):
            continue
        for method, function in inspect.getmembers(thing, inspect.isfunction):
            takes = len(inspect.signature(function).parameters) > 1
            if not method.startswith("_") and function.__module__.startswith("otopt") and takes:
                found.add(function.__qualname__)
    return found


def public_callables():
    """Dotted names of everything that can be called, networks included."""
    found = []
    modules = [otopt, *(t for n in otopt.__all__ if inspect.ismodule(t := getattr(otopt, n)))]
    for module in [*modules, networks]:
        names = (f"{module.__name__}.{name}" for name in module.__all__)
        found += [name for name in names if callable(pkgutil.resolve_name(name))]
    return found
