"""The model card of an exported run, in Markdown: what was learned, by whom, on what, how evaluated, by which code."""

from collections.abc import Mapping, Sequence

from federation.learning.evaluation_data import evaluated_on, measured_on
from federation.run.networks import KERAS_NETWORKS
from webapp.operations.transfer.documents import MANIFEST, MODELS, MemberDocument, RunDocument

SHOWN_CLIENTS = 200


def model_card(run: RunDocument, members: Sequence[MemberDocument]) -> str:
    """Return the card; ``members`` are the files of the archive that were written before it."""
    config, hashes = run.config, {member.name: member.sha256 for member in members}
    origin = f"imported from run {run.origin.run_id} of Meadow {run.origin.meadow}" if run.origin else "trained here"
    more = len(run.clients) - SHOWN_CLIENTS
    lines = [
        f"# {_text(run.name)}", "",
        f"Run {run.run_id}, {run.state} after {run.current_round:,} of {run.num_rounds:,} rounds; {origin}.", "",
        "## What was learned", "",
        *_table({
            "Network": config.get("network"), "Data": config.get("dataset"), "Strategy": config.get("strategy"),
            "Seed": config.get("seed"), "Trained on": measured_on(config, "train"),
            "Code": _code(run), "Started": run.started_at, "Ended": run.finished_at,
        }), "",
        "## How it was evaluated", "", f"On {evaluated_on(config)}.", "",
        "| Metric | Last round | Best | Round of the best |", "|---|---|---|---|",
        *(f"| {_text(name)} | {_number(v)} | {_best(run, name)} |" for name, v in sorted(run.last_metrics.items())),
        "", "## Clients that participated", "",
        f"{len(run.clients):,} clients, {sum(client.train_samples for client in run.clients):,} samples.", "",
        "| Client | Samples trained on | Data | App | SHA-256 of its public key |", "|---|---|---|---|---|",
        *(
            f"| {_text(c.name)} | {c.train_samples} | {_text(c.dataset)} | {_text(c.app)} | `{c.key_sha256}` |"
            for c in run.clients[:SHOWN_CLIENTS]
        ),
        *([f"{more:,} more are in `run.json`."] if more > 0 else []),
        "", "## Files", "", f"`{MANIFEST}` has the SHA-256 of every file.", "",
        "| Weights | Round | SHA-256 of the file | SHA-256 of the checkpoint |", "|---|---|---|---|",
        *(
            f"| `{MODELS[which]}` | {model.round} | `{hashes.get(MODELS[which], '')}` | `{model.sha256}` |"
            for which, model in run.models.items()
        ),
        "", "## Versions", "", *_table(run.versions), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _code(run: RunDocument) -> str:
    """Name the code that trained: Meadow's own network, or the apps of the clients."""
    if run.config.get("network") in KERAS_NETWORKS:
        return "Meadow's own Keras network and client app"
    apps = sorted({client.app for client in run.clients if client.app})
    return f"apps of the clients: {', '.join(apps)}" if apps else "Meadow's synthetic app"


def _table(values: Mapping[str, object]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {_text(name)} | {_text(value)} |" for name, value in values.items())]


def _best(run: RunDocument, name: str) -> str:
    best = run.best_metrics.get(name)
    return f"{_number(best.value)} | {best.round}" if best else " | "


def _number(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.6g}"


def _text(value: object) -> str:
    """Return a text for a cell of a table: no mark-up, no end of a cell or a line."""
    text = "" if value is None else str(value)
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#&!" else " " if c in "\r\n" else c for c in text)
