"""What every function can do: ``python docs/capabilities.py`` writes it into the user guide.

The table below is the one place that says so; `tests/api/test_capabilities.py` holds every cell
against the library.
"""

from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parent / "user_guide/choosing.md"
BEGIN = "<!-- written by `python docs/capabilities.py` -->\n"
END = "<!-- end of what was written -->"
LEADING = "leading dimensions"


class Capabilities(NamedTuple):
    """Names are those of otopt; an empty cell is a "no"."""

    torch: str  # "yes": tensors in, tensors out; "read": answers are NumPy arrays
    cuda: str = ""  # the module of kernels that serves other devices
    batched: str = ""  # a function, or LEADING
    differentiable: tuple[str, ...] = ()
    distributed: str = ""
    certificate: tuple[str, ...] = ()  # fields of the result


BOUND = ("dual_bound", "gap")
ENCLOSED = ("dual_bound", "primal_bound", "gap")
SPARSE = ("nn.sparse_ot_value", "nn.sparse_ot_plan")

TABLE = {
    "sparse_ot": Capabilities(
        "yes", batched="sparse_ot_batch", distributed="distributed.sparse_ot", certificate=BOUND,
        differentiable=(*SPARSE, "nn.SparseOTLoss", "nn.SparseOTMatching"),
    ),
    "sparse_ot_batch": Capabilities(
        "yes", batched="sparse_ot_batch", differentiable=SPARSE, certificate=BOUND
    ),
    "emd": Capabilities(
        "yes", batched="emd_batch", differentiable=("nn.emd_value",), certificate=BOUND
    ),
    "emd_batch": Capabilities(
        "yes", batched="emd_batch", differentiable=("nn.emd_value",), certificate=BOUND
    ),
    "assignment": Capabilities("yes", certificate=BOUND),
    "sinkhorn": Capabilities(
        "yes", batched="sinkhorn_batch", certificate=ENCLOSED,
        differentiable=("nn.sinkhorn_value", "nn.sinkhorn_plan"),
    ),
    "sinkhorn_batch": Capabilities("yes", batched="sinkhorn_batch", certificate=ENCLOSED),
    "mmot_1d": Capabilities(
        "yes", cuda="torch_line", batched=LEADING, differentiable=("mmot_1d",),
        certificate=("dual", "gap"),
    ),
    "mmot_samples": Capabilities(
        "yes", cuda="torch_line", differentiable=("mmot_samples", "nn.MMOTLoss")
    ),
    "mmot_minimize": Capabilities("read"),
    "mmot_null_level": Capabilities("read"),
    "solve_prices": Capabilities(
        "yes", cuda="torch_prices", differentiable=("nn.capped_simplex",),
        distributed="distributed.solve_prices", certificate=("dual_bound",),
    ),
    "assign": Capabilities("yes", cuda="torch_prices"),
    "bmatch": Capabilities("yes", certificate=("dual_bound", "certified")),
    "pattern_search": Capabilities("read", certificate=("certified",)),
    "guess_and_check": Capabilities("read"),
    "minimize": Capabilities("read", certificate=("certified",)),
}  # fmt: skip


def page_table():
    """The table in Markdown."""
    head = ("", "NumPy", "torch, CPU", "CUDA", "batched", "differentiable", "distributed",
            "certificate")  # fmt: skip
    lines = [head, ("---",) * len(head)]
    for name, can in TABLE.items():
        batched = can.batched if can.batched in ("", LEADING) else f"`{can.batched}`"
        lines.append((
            f"`{name}`", "yes", can.torch, "yes" if can.cuda else "no", batched or "no",
            _code(can.differentiable), _code([can.distributed] if can.distributed else ()),
            _code(can.certificate),
        ))  # fmt: skip
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _code(names):
    return ", ".join(f"`{name}`" for name in names) or "no"


def page():
    """The page as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{page_table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
