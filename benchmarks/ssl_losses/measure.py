"""One comparison: both losses in one process, called in turn. Run as a child by __main__."""

import ctypes
import gc
import importlib.util
import json
import statistics
import sys
import time
import types
from pathlib import Path

from benchmarks._environment import pin_threads

pin_threads()

import torch  # noqa: E402

from ml_apps.ssl import losses  # noqa: E402

FAMILIES = ("ntxent", "chunked", "vicreg", "barlow")


def lightly(module, name):
    """A loss of lightly, past the `__init__` of its packages, which need torchvision."""
    if "lightly.loss" not in sys.modules:
        spec = importlib.util.find_spec("lightly")
        if spec is None or not spec.submodule_search_locations:
            return None
        for folder in ("loss", "models"):
            package = types.ModuleType(f"lightly.{folder}")
            package.__path__ = [str(Path(spec.submodule_search_locations[0]) / folder)]
            sys.modules[package.__name__] = package
        if importlib.util.find_spec("torchvision") is None:  # its names are imported, not used
            vision, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
            ops.StochasticDepth = vision.ops = ops
            sys.modules |= {"torchvision": vision, "torchvision.ops": ops}
    return getattr(importlib.import_module(f"lightly.loss.{module}"), name)


def both(family):
    """Ours and lightly's, with the same parameters."""
    if family in ("ntxent", "chunked"):
        chunk = 64 if family == "chunked" else None
        theirs = lightly("ntx_ent_loss", "NTXentLoss")
        return losses.NTXentLoss(0.15, chunk_size=chunk), theirs and theirs(temperature=0.15)
    if family == "vicreg":
        theirs = lightly("vicreg_loss", "VICRegLoss")
        return losses.VICRegLoss(), theirs and theirs()
    theirs = lightly("barlow_twins_loss", "BarlowTwinsLoss")
    return losses.BarlowTwinsLoss(), theirs and theirs()


def views(n, d):
    g = torch.Generator().manual_seed(0)
    z = torch.randn(n, d, generator=g)
    return z, z + 0.5 * torch.randn(n, d, generator=g)


def call(loss, z):
    """Value, gradients and CPU seconds of one forward and backward pass."""
    a, b = (x.clone().requires_grad_() for x in z)
    started = time.process_time()
    value = loss(a, b)
    value.backward()
    seconds = time.process_time() - started
    return value.item(), (a.grad, b.grad), seconds


def status_mb(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def peak_mb(loss, z):
    """High-water mark of resident memory above what inputs and program take (Linux)."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = status_mb("VmRSS")
    call(loss, z)
    return status_mb("VmHWM") - before


def record(family, n, d, budget):
    """Times in turn for `budget` CPU seconds, at least once each; ratios of neighbours."""
    ours, theirs = both(family)
    z = views(n, d)
    sides = {"ours": ours} | ({"lightly": theirs} if theirs else {})
    small = tuple(x[:64] for x in z)
    for loss in sides.values():
        call(loss, small)
    result = {"family": family, "n": n, "d": d}
    values, gradients = {}, {}
    for side, loss in sides.items():
        result[f"{side}_peak_mb"] = peak_mb(loss, z)
        values[side], gradients[side], _ = call(loss, z)
    times = {side: [] for side in sides}
    started = time.process_time()
    while not times["ours"] or (time.process_time() - started < budget and len(times["ours"]) < 25):
        for side, loss in sides.items():
            times[side].append(call(loss, z)[2])
    for side in sides:
        result[f"{side}_cpu_s"] = statistics.median(times[side])
    if theirs:
        result["repeats"] = len(times["ours"])
        result["cpu_ratio"] = statistics.median(
            b / a for a, b in zip(times["ours"], times["lightly"], strict=True)
        )
        result["memory_ratio"] = result["lightly_peak_mb"] / result["ours_peak_mb"]
        result["value_difference"] = abs(values["ours"] / values["lightly"] - 1)
        result["gradient_difference"] = max(
            float((a - b).norm() / b.norm())
            for a, b in zip(gradients["ours"], gradients["lightly"], strict=True)
        )
    return result


if __name__ == "__main__":
    family, n, d, budget = sys.argv[1:]
    sys.stdout.write(json.dumps(record(family, int(n), int(d), float(budget))))
