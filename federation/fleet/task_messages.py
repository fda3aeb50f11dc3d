"""Tasks as the contents of Flower messages, and replies as offers: in Meadow's own form, or in that of Flower's apps.

For the app of a person a message holds what Flower's strategies send: the record ``config`` and an ArrayRecord.
"""

from flwr.app import ArrayRecord, RecordDict

from federation.fleet.weight_records import WeightRecords
from federation.protocol import messages
from federation.run.metric_names import is_number
from federation.transport.exchange import Assignment
from federation.weights.content_ids import content_id
from federation.weights.flower_content import BadContent, app_answer, app_content, arrays_content, content_of, text_of
from federation.weights.layout import Layout
from federation.weights.legacy_content import FunctionMissing, legacy_answer, legacy_content
from federation.weights.records import values_of

NO_FUNCTION = "function registered with name"
"""Part of the reason that Flower gives for an app without a function for a message."""


def app_hash_of(assignment: Assignment) -> str:
    """Return the hash of the app of a person that SuperNodes run in this run; empty: Meadow's own bundle."""
    named = assignment.config.get("node_app")
    return named if isinstance(named, str) else ""


def task_content(assignment: Assignment, weights: WeightRecords, *, is_legacy: bool = False) -> RecordDict:
    """Return the content of a task's message; ``is_legacy``: for an app made of a client_fn. For worker threads."""
    content = assignment.exchange.content
    arrays = weights.record(content) if content is not None else None
    if app_hash_of(assignment):
        plain = app_content(assignment.config, arrays)
        return legacy_content(assignment.exchange.phase, plain) if is_legacy else plain
    return content_of(assignment.task_text(), arrays)


def offer_of(
    assignment: Assignment, content: RecordDict, *, is_legacy: bool = False
) -> tuple[messages.Offer, RecordDict]:
    """Return a reply as an offer, and the content with its arrays; raises ValueError, TypeError or FunctionMissing.

    The offer is checked where it is passed on, as that of any client.
    """
    if app_hash_of(assignment):
        return _app_offer(assignment, content, is_legacy)
    offer = messages.decode_client(text_of(content))
    if not isinstance(offer, messages.Offer) or offer.message_id != assignment.message_id:
        raise BadContent("its reply answers another task")
    return offer, content


def _app_offer(
    assignment: Assignment, content: RecordDict, is_legacy: bool
) -> tuple[messages.Offer, RecordDict]:  # fmt: skip
    expected = [entry.name for entry in sent.layout.entries] if (sent := assignment.exchange.content) else []
    if is_legacy:
        metrics, examples, record = legacy_answer(assignment.exchange.phase, expected, content)
        metrics = {name: value for name, value in metrics.items() if is_number(value)}
    else:
        metrics, examples, record = app_answer(content)
    header = None
    if record:
        names = expected if sorted(record) == sorted(expected) else list(record)
        layout = Layout.of(names, [values_of(record[name]) for name in names])
        header = messages.ContentHeader(
            id=content_id(assignment.message_id.encode()), size_bytes=layout.size_bytes, layout=layout.to_json()
        )
    offer = messages.Offer(message_id=assignment.message_id, metrics=metrics, num_examples=examples, content=header)
    return offer, arrays_content(record if record is not None else ArrayRecord())


def failed_offer(assignment: Assignment, reason: str) -> messages.Offer:
    """Return the offer of a task that failed; an app without a function for its phase has failed nothing."""
    none = str(FunctionMissing(assignment.exchange.phase))
    missing = bool(app_hash_of(assignment)) and (NO_FUNCTION in reason or reason == none)
    error = none if missing else reason
    return messages.Offer(
        message_id=assignment.message_id, error=error[: messages.MAX_ERROR_CHARACTERS], not_implemented=missing
    )
