"""The loop of each kind of run; the run of a Flower App has a loop of another make."""

from federation.coordinator.evaluation.loop import EvaluationLoop
from federation.coordinator.run_loop import RunLoop
from federation.coordinator.statistics.loop import StatisticsLoop
from federation.run.fields.kinds import RunKind

Loop = RunLoop | EvaluationLoop | StatisticsLoop
LOOPS: dict[RunKind, type[Loop]] = {
    "training": RunLoop, "evaluation": EvaluationLoop, "statistics": StatisticsLoop,
}  # fmt: skip
