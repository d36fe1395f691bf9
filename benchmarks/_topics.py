"""Every record in benchmarks/results: what it is about, who writes it, who judges it."""

import io
from dataclasses import dataclass

from rich.console import Console

__all__ = ["TOPICS", "Topic"]


@dataclass(frozen=True)
class Topic:
    """A JSON, the command that writes it, and who judges it: "module:function"."""

    name: str
    title: str
    command: str
    judge: str
    part: str | None = None  # the entry of the JSON that the judge takes, if not all of it
    headline: str | None = None  # how the row begins that the README shows


def duality(runs):
    """The tables of a study that promises nothing, as text."""
    from ml_apps.ssl import study_duality

    console = Console(file=io.StringIO(), width=110)
    for data in dict.fromkeys(r["data"] for r in runs):
        study_duality.report(runs, data, console)
    return console.file.getvalue()


def _into(name):
    return f"--out benchmarks/results/{name}.json"


TOPICS = (
    Topic("sparse_ot", "Sparse transport", "benchmarks.sparse_ot",
          "benchmarks.sparse_ot.bars:summary",
          headline="500 and 1000 square, k in {4, 16}, reg 1: POT / ours"),
    Topic("batch", "Batches of sparse transport", "benchmarks.batch",
          "benchmarks.batch.__main__:bars"),
    Topic("clouds", "Sparse transport between point clouds", "benchmarks.clouds",
          "benchmarks.clouds:bars"),
    Topic("exact", "Exact transport and assignment", "benchmarks.exact",
          "benchmarks.exact.bars:summary",
          headline="everything: POT / otopt, least"),
    Topic("entropic", "Entropic transport", "benchmarks.entropic",
          "benchmarks.entropic.bars:summary",
          headline="POT sinkhorn_log / ours, smallest"),
    Topic("mmot", "Multi-marginal transport on a line", "benchmarks.mmot",
          "benchmarks.mmot.bars:summary",
          headline="value and gradient, POT / ours, geometric mean"),
    Topic("optimizers", "Derivative-free optimisers", "benchmarks.optimizers",
          "benchmarks.optimizers.bars:summary",
          headline="smooth, tau 1e-05: lead over"),
    Topic("guess_and_check", "Guess and check", "benchmarks.guess_and_check",
          "benchmarks.guess_and_check.__main__:bars",
          headline="linear, n = 16: candidates a second / published"),
    Topic("moe", "Routers of experts", "benchmarks.moe", "benchmarks.moe.bars:summary"),
    Topic("moe_quick", "Routers of experts, three sizes", "benchmarks.moe --quick",
          "benchmarks.moe.bars:summary",
          headline="4096 x 64, k 1: POT emd / ours, time"),
    Topic("moe_compare", "Routers in a language model",
          f"ml_apps.moe.compare {_into('moe_compare')}", "ml_apps.moe.compare.bars:promises"),
    Topic("fairness", "Fair estimators", f"ml_apps.fairness.compare {_into('fairness')}",
          "ml_apps.fairness.compare.bars:summary"),
    Topic("ssl_losses", "Self-supervised losses", "benchmarks.ssl_losses",
          "benchmarks.ssl_losses.__main__:bars"),
    Topic("pseudo_labels", "Pseudo-labels of a queue", "benchmarks.pseudo_labels",
          "benchmarks.pseudo_labels:bars"),
    Topic("ssl_psco", "Few shots after training without labels",
          f"ml_apps.ssl.study_psco {_into('ssl_psco')}", "ml_apps.ssl.study_psco:promises"),
    Topic("ssl_tradeoff", "What breadth of pre-training costs in labels",
          f"ml_apps.ssl.study_tradeoff {_into('ssl_tradeoff')}",
          "ml_apps.ssl.study_tradeoff.report:promises", "records"),
    Topic("ssl_duality", "One recipe, all self-supervised losses",
          f"ml_apps.ssl.study_duality {_into('ssl_duality')}",
          "benchmarks._topics:duality", "runs"),
)  # fmt: skip
