"""Messages of an app that a SuperNode took and did not answer: kept as copies, and sent once more.

Flower hands a message out once and deletes its objects when the SuperNode has it. It keeps one reply to a message at
most, so that an app never sees two, whoever answers.
"""

from dataclasses import dataclass

from flwr.app import Message

from federation.apps.traffic import AppTraffic, Lost
from federation.flwr_internals import ObjectTree, SqlLinkState, iterate_object_tree

MOST_TAKES = 2
"""Processes of a SuperNode that may take a message. A ClientApp that ends its process would end each one's."""
GIVEN_UP = f"its SuperNode took the message {MOST_TAKES} times and gave no answer; its log says why"


@dataclass(frozen=True, slots=True)
class SentCopy:
    """A message as a SuperNode took it. Its bytes are those that Flower keeps, not others."""

    message: Message
    tree: ObjectTree
    contents: dict[str, bytes]


def copy_of(state: SqlLinkState, message: Message) -> SentCopy | None:
    """Return a copy of a message that Flower hands out; None where Flower has its objects no longer."""
    store, message_id = state.object_store, message.metadata.message_id
    if not store.get(message_id):
        return None
    tree = store.get_object_tree(message_id)
    contents = {one.object_id: store.get(one.object_id) or b"" for one in iterate_object_tree(tree)}
    return SentCopy(message, tree, contents)


def send_again(state: SqlLinkState, traffic: AppTraffic, lost: Lost) -> None:
    """Let the SuperNode's next poll have a message anew; the app gets Flower's error for one that was lost before."""
    for reply_id in lost.parts:
        state.object_store.delete(reply_id)
    if lost.takes >= MOST_TAKES or lost.copy is None or not _store_again(state, lost.message_id, lost.copy):
        state.delete_messages({lost.message_id})  # Flower answers for it from now on
        traffic.give_up(lost.message_id, GIVEN_UP)
    else:
        traffic.wait_again(lost.message_id)


def _store_again(state: SqlLinkState, message_id: str, copy: SentCopy) -> bool:
    """Store a message and its objects anew, with the time of its first sending: the app's TTL counts from there."""
    copy.message.metadata.delivered_at = ""
    run_id = copy.message.metadata.run_id
    session_id = state.start_session(run_id)
    with state.session():  # the app, which asks meanwhile, never finds it gone
        state.delete_messages({message_id})
        stored, missing = state.store_message_and_object_tree(copy.message, copy.tree, session_id)
    return stored and all(
        state.store_object(run_id, session_id, object_id, copy.contents[object_id]) for object_id in missing
    )
