"""Which values of a metric are better, and which of two rounds is the better one."""

import pytest

from federation.run.config import RunConfig
from federation.run.events import Checkpoint, RoundDone
from federation.run.metric_goals import BestRound, MetricGoals, better_round, measured_instead
from federation.storage.checkpoint_policy import CheckpointPolicy

LESS = (
    "loss", "val_loss_mean", "train_loss", "box_loss", "valloss", "valLoss", "mae", "mean_absolute_error", "mse",
    "rmse", "perplexity", "error", "error_rate", "wer", "negative_log_likelihood", "cross_entropy",
    "categorical_crossentropy", "kl_divergence", "loss[0]", "test/Loss",
)  # fmt: skip
MORE = (
    "accuracy", "top-5_acc", "binary_accuracy", "auc", "f1", "f1_score", "precision", "recall", "recall@5",
    "recall_at_10", "r2", "iou", "mean_iou", "metrics/mAP50(B)", "metrics/mAP50-95(B)", "neg_mean_squared_error",
    "log_likelihood", "accuracy[3]", "val_acc", "rougeL",
)  # fmt: skip
UNKNOWN = (
    "lossless", "fitness", "loss_scale", "accuracy_drop", "false_negative_rate", "grad_norm", "γ", "_private", "5",
    "score",
)  # fmt: skip


def test_the_direction_of_common_names_is_known_and_no_other_is_guessed() -> None:
    goals = MetricGoals()
    for names, less in ((LESS, True), (MORE, False), (UNKNOWN, None)):
        assert {name: goals.less_is_better(name) for name in names} == dict.fromkeys(names, less)


def test_a_run_says_which_way_its_own_metrics_go() -> None:
    goals = RunConfig(minimize_metrics="fitness, accuracy", maximize_metrics="my score").metric_goals
    named = ("fitness", "accuracy", "my score", "loss", "other")
    assert [goals.less_is_better(name) for name in named] == [True, True, False, True, None]
    with pytest.raises(ValueError, match="fitness is to be minimized as well"):
        RunConfig(minimize_metrics="fitness", maximize_metrics="a,fitness")


def test_of_equal_values_the_lower_loss_is_better_and_then_the_later_round() -> None:
    first, lower, higher = BestRound(1, 0.95, 0.2), BestRound(2, 0.95, 0.12), BestRound(2, 0.95, 0.3)
    assert better_round(lower, first, less=False) == lower
    assert better_round(higher, first, less=False) == first
    for later in (BestRound(2, 0.95, 0.2), BestRound(2, 0.95)):
        assert better_round(later, first, less=False) == later
    assert better_round(BestRound(2, 0.94, 0.1), first, less=False) == first
    assert better_round(BestRound(2, 0.94, 0.9), first, less=True) == BestRound(2, 0.94, 0.9)


@pytest.mark.parametrize("never", [BestRound(0, 0.99), BestRound(3, float("inf")), BestRound(3, float("nan"))])
def test_the_initial_weights_and_a_value_that_is_not_finite_are_never_the_best(never: BestRound) -> None:
    assert better_round(never, None, less=False) is None
    assert better_round(never, BestRound(1, 0.5), less=False) == BestRound(1, 0.5)
    assert better_round(BestRound(0, -1.0), BestRound(1, 0.5), less=True) == BestRound(1, 0.5)


def test_a_run_without_accuracy_goes_by_its_rmse() -> None:
    assert measured_instead("evaluate_accuracy", {"evaluate_rmse", "evaluate_loss"}) == "evaluate_rmse"
    assert measured_instead("accuracy", {"rmse"}) == "rmse"
    assert measured_instead("evaluate_accuracy", {"evaluate_rmse", "evaluate_accuracy"}) == "evaluate_accuracy"
    assert measured_instead("evaluate_accuracy", {"evaluate_loss", "train_rmse"}) == "evaluate_accuracy"
    assert measured_instead("evaluate_f1", {"evaluate_rmse"}) == "evaluate_f1"
    checkpoint = Checkpoint("x", "0" * 64, 1)
    rounds = [
        RoundDone(1, number, 0, 1, 1, 0, 0, {}, {"rmse": value, "loss": 1.0}, checkpoint)
        for number, value in ((1, 3.0), (2, 2.0), (3, 2.5))
    ]
    best: BestRound | None = None
    for done in rounds:
        best = CheckpointPolicy().best_of(done, best, MetricGoals())
    assert best == BestRound(2, 2.0, 1.0)
