"""The words of pages for states, outcomes and tasks, and lists of names."""

from collections.abc import Sequence

from federation.run.events import Progress
from federation.run.metric_names import DEVIATION, LOSS_AFTER, LOSS_BEFORE, UPDATE_COSINE, UPDATE_NORM, WORST_TENTH
from federation.run.pooling import POOLED
from webapp.db.tables import Run
from webapp.formatting import plural
from webapp.operations.rows import WITH_PROBLEMS

STATES = {
    "queued": "Queued", "waiting": "Waiting", "running": "Running", "paused": "Paused", "stopping": "Stopping",
    "stopped": "Stopped", "completed": "Completed", "failed": "Failed", "interrupted": "Interrupted",
    "cancelled": "Cancelled", "online": "Online", "stale": "Stale", "offline": "Offline", "pending": "Pending approval",
    "revoked": "Revoked", "idle": "Idle", "finished": "Finished",
}  # fmt: skip

GLYPHS = {
    "online": "running", "ok": "running", "accepted": "running", "offline": "queued", "idle": "queued",
    "stale": "waiting", "late": "waiting", "stopping": "waiting", "lost": "failed", "revoked": "cancelled",
    "no_number": "cancelled", "finished": "completed",
}  # fmt: skip
"""The glyph of each state that has no glyph of its own name."""

TONES = {
    "accepted": "ok", "idle": "queued", "lost": "failed", "stopping": "waiting", "revoked": "cancelled",
    "no_number": "cancelled", "finished": "completed",
}  # fmt: skip
"""The colour of each state that has no colour of its own name."""

OUTCOMES = {
    "accepted": "participated", "late": "late", "failed": "failed", "refused": "rejected", "lost": "lost",
    "away": "not selected", "idle": "evaluated only", "no_number": "no value",
}  # fmt: skip
"""The outcome of a client in a round: ``away`` if it got no task, ``idle`` if only others were sampled to train."""

_OVER_CLIENTS = {
    DEVIATION: "standard deviation over clients", WORST_TENTH: "mean of the worst 10 % of clients",
    POOLED: "all clients' samples together",
}  # fmt: skip
_OF_TARGETS = {
    "auc": "AUC (ROC)", "auc_pr": "AUC (precision-recall)", "balanced_accuracy": "Balanced accuracy", "f1": "F1",
    "sensitivity": "Sensitivity", "specificity": "Specificity", "mae": "MAE", "rmse": "RMSE", "r2": "R²",
}  # fmt: skip
_MEASURED = {
    UPDATE_NORM: "Update norm", UPDATE_COSINE: "Cosine of the update to the mean update",
    LOSS_BEFORE: "Loss before local training", LOSS_AFTER: "Loss after local training",
}  # fmt: skip


def metric_word(name: str) -> str:
    """Return the words for a metric that Meadow measures; any other has its own name."""
    for end, words in _OVER_CLIENTS.items():
        if name.endswith(end):
            return f"{metric_title(name.removesuffix(end))}, {words}"
    return _MEASURED.get(name, name)


def metric_title(name: str) -> str:
    """Return the words for a metric at the head of a column: its own name, with a capital letter, where it has none."""
    return _OF_TARGETS.get(name, name.capitalize())


def problems_of(run: Run) -> str:
    """Return what went wrong in a completed run; empty where nothing did."""
    return (run.reason or "").partition(WITH_PROBLEMS)[2] if run.state == "completed" else ""


def end_of(run: Run) -> str:
    """Return why a run ended, without its problems, as a sentence; empty where nobody says."""
    said = run.reason or ""
    return sentence(said.partition(WITH_PROBLEMS)[0] if run.state == "completed" else said)


def run_word(run: Run) -> str:
    """Return the word for the state of a run; a completed one also says whether it had problems."""
    return "Completed with problems" if problems_of(run) else STATES[run.state]


def work_of(run: Run) -> str:
    """Return how much work a run is: its rounds, or what it does once."""
    return plural(run.num_rounds, "round") if run.kind == "training" else run.kind


def listed(names: Sequence[str], most: int = 4) -> str:
    """Write names as a list: ``a``, ``a and b``, ``a, b and 7 others``."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1:,} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def run_numbers(ids: Sequence[int]) -> str:
    """Write runs by their numbers: ``#3, #4 and #7``."""
    return listed([f"#{run_id}" for run_id in ids], 6)


def sentence(text: str) -> str:
    """Write a reason as a sentence: a capital letter, and one full stop however it ends."""
    said = text.rstrip(". ")
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def task_words(task: Progress | None) -> str:
    """Return the activity of a client: ``Training, batch 38 of 40``. static/js/clients.js has the same words."""
    if task is None:
        return "Idle"
    if task.task == "asked":
        return "Task sent"
    if task.task == "sent":
        return "Ready" if task.phase == "prepare" else "Done, waiting for others"
    words = {
        "training": "Training", "evaluating": "Evaluating", "preparing": "Preparing data", "sending": "Sending",
    }[task.task]  # fmt: skip
    if task.batch is None or task.task == "sending":
        return words
    return f"{words}, batch {task.batch}" + (f" of {task.batches}" if task.batches else "")
