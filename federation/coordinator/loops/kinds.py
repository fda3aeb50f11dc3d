"""The loop of each kind of run; the run of a Flower App has a loop of another make."""

from federation.coordinator.loops.evaluation import EvaluationLoop
from federation.coordinator.loops.statistics import StatisticsLoop
from federation.coordinator.loops.training import RunLoop
from federation.run.fields.kinds import RunKind

Loop = RunLoop | EvaluationLoop | StatisticsLoop
LOOPS: dict[RunKind, type[Loop]] = {
    "training": RunLoop, "evaluation": EvaluationLoop, "statistics": StatisticsLoop,
}  # fmt: skip
