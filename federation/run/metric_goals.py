"""Which values of a metric are better: known for common names, given by the run for others, else unknown.

Also the one comparison of two rounds by a metric, which checkpoints and pages share.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any

LOWER = frozenset({
    "loss", "error", "errors", "err", "mae", "mse", "rmse", "msle", "rmsle", "mape", "smape", "wape", "mase",
    "rmspe", "perplexity", "ppl", "wer", "cer", "ter", "mer", "eer", "nll", "bce", "logloss", "crossentropy",
    "entropy", "divergence", "brier", "ece", "fid", "kid", "hausdorff", "fpr", "fnr", "regret",
})  # fmt: skip
HIGHER = frozenset({
    "accuracy", "acc", "auc", "auroc", "auprc", "aucpr", "roc", "f1", "f2", "fbeta", "precision", "recall",
    "sensitivity", "specificity", "r2", "r²", "iou", "miou", "jaccard", "dice", "map", "map50", "ap", "ap50",
    "ndcg", "mrr", "bleu", "rouge", "rougel", "meteor", "psnr", "ssim", "kappa", "mcc", "tpr", "tnr", "likelihood",
    "elbo", "reward",
})  # fmt: skip
NEUTRAL = frozenset({
    "mean", "avg", "average", "rate", "score", "value", "total", "macro", "micro", "weighted", "val", "valid",
    "test", "eval", "at", "k", "b", "m", "l", "worst", "pooled", "pr",
})  # fmt: skip
"""Words after a metric's name that say how it was measured: ``val_loss_mean``, ``recall_at_5``, ``mAP50(B)``."""

SERVER_PHASE = "server"
"""The phase of metrics that the server measures on held-out data: ``server_accuracy``."""


def is_evaluated_at_server(config: Mapping[str, object]) -> bool:
    """Say whether a run with that stored configuration has metrics of the server."""
    return config.get("server_evaluation", "off") != "off"


def decisive_metric(metric: str, server_evaluation: bool, measured: Container[str] = ()) -> str:
    """Return the metric that decides which round is the best: in a run without metrics of the server the clients' one.

    ``metric`` is the one of the settings, such as ``evaluate_accuracy``; ``measured`` are those of the run.
    """
    phase, _, name = metric.partition("_")
    decisive = f"evaluate_{name}" if phase == SERVER_PHASE and not server_evaluation else metric
    return measured_instead(decisive, measured)


def measured_instead(metric: str, measured: Container[str]) -> str:
    """Return the metric that decides among these: where a target that is a number has no accuracy, the rmse."""
    phase, _, name = metric.rpartition("_")
    other = f"{phase}_rmse".removeprefix("_")
    return other if name == "accuracy" and metric not in measured and other in measured else metric


_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class MetricGoals:
    """The names that a run minimizes and maximizes, besides those that are known."""

    minimize: frozenset[str] = frozenset()
    maximize: frozenset[str] = frozenset()

    def less_is_better(self, name: str) -> bool | None:
        """Say whether less of the metric is better; ``name`` has no phase in front. None: unknown."""
        if name in self.minimize:
            return True
        return False if name in self.maximize else _known(name)


def names_of(text: object) -> frozenset[str]:
    """Return the names in a text in which commas separate them."""
    return frozenset(name for part in str(text or "").split(",") if (name := part.strip()))


def goals_of(config: Mapping[str, object]) -> MetricGoals:
    """Return the goals of a stored configuration; one of an earlier release has none."""
    return MetricGoals(names_of(config.get("minimize_metrics")), names_of(config.get("maximize_metrics")))


@lru_cache(maxsize=4096)
def _known(name: str) -> bool | None:
    """Return the direction that the last word of a name gives which says what is measured."""
    words = [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", name))]
    while words and (words[-1].isdecimal() or words[-1] in NEUTRAL):
        words.pop()
    if not words:
        return None
    last = words[-1]
    less = True if last in LOWER or last.endswith("loss") else False if last in HIGHER else None
    return less if less is None or not {"neg", "negative"} & set(words[:-1]) else not less


@dataclass(frozen=True, slots=True)
class BestRound:
    """The best committed round by a metric. ``loss`` is the loss of the same phase, which decides between equals."""

    round: int
    value: float
    loss: float | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "BestRound | None":
        """Return what is stored under these names, or None; an earlier release stored no loss."""
        return None if stored is None else cls(stored["round"], stored["value"], stored.get("loss"))


def better_round(new: BestRound, best: BestRound | None, *, less: bool) -> BestRound | None:
    """Return the better of a new round and the best one before it.

    Round 0 evaluates the initial weights and is never the best, nor is a round whose value is not finite. Of equal
    values the lower loss wins; where it does not decide either, the later round.
    """
    if new.round == 0 or not isfinite(new.value):
        return best
    if best is None:
        return new
    if new.value != best.value:
        return new if (new.value < best.value) == less else best
    if new.loss is not None and best.loss is not None and new.loss > best.loss:
        return best
    return new
