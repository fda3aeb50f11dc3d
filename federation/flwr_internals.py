"""The one module that imports what flwr does not export. Another release of flwr may rename any of it.

``python -m federation.flwr_internals`` says which names the installed flwr lacks (``make canary`` asks the newest one).
A name is imported when it is first used: the server side of flwr takes over a second to import, and clients need three
names of another side.
"""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flwr.app.message import remove_content_from_message as remove_content_from_message
    from flwr.cli.build import build_fab_from_files as build_fab_from_files
    from flwr.common.config import flatten_dict as flatten_dict
    from flwr.common.config import validate_config as validate_config
    from flwr.common.constant import NOOP_ACCOUNT_NAME as NOOP_ACCOUNT_NAME
    from flwr.common.constant import NOOP_FLWR_AID as NOOP_FLWR_AID
    from flwr.common.constant import SUPERLINK_NODE_ID as SUPERLINK_NODE_ID
    from flwr.common.constant import TIMESTAMP_HEADER as TIMESTAMP_HEADER
    from flwr.common.constant import AuthnType as AuthnType
    from flwr.common.constant import ErrorCode as ErrorCode
    from flwr.common.constant import Status as Status
    from flwr.common.constant import SubStatus as SubStatus
    from flwr.proto.control_pb2 import GetAuthTokensRequest as GetAuthTokensRequest
    from flwr.proto.control_pb2 import GetAuthTokensResponse as GetAuthTokensResponse
    from flwr.proto.control_pb2 import GetLoginDetailsResponse as GetLoginDetailsResponse
    from flwr.proto.control_pb2 import ListRunsRequest as ListRunsRequest
    from flwr.proto.control_pb2 import ListRunsResponse as ListRunsResponse
    from flwr.proto.control_pb2 import StartRunRequest as StartRunRequest
    from flwr.proto.control_pb2 import StartRunResponse as StartRunResponse
    from flwr.proto.control_pb2 import StopRunRequest as StopRunRequest
    from flwr.proto.control_pb2 import StopRunResponse as StopRunResponse
    from flwr.proto.control_pb2 import StreamLogsRequest as StreamLogsRequest
    from flwr.proto.control_pb2 import StreamLogsResponse as StreamLogsResponse
    from flwr.proto.message_pb2 import ObjectTree as ObjectTree
    from flwr.proto.node_pb2 import NodeInfo as NodeInfo
    from flwr.proto.runtime_pb2 import PullAppMessagesRequest as PullAppMessagesRequest
    from flwr.server.superlink.linkstate import LinkState as LinkState
    from flwr.server.superlink.linkstate import LinkStateFactory as LinkStateFactory
    from flwr.server.superlink.linkstate.sql_linkstate import SqlLinkState as SqlLinkState
    from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER as FLEET_HTTP_PUBLIC_KEY_HEADER
    from flwr.supercore.constant import FLEET_HTTP_SIGNATURE_HEADER as FLEET_HTTP_SIGNATURE_HEADER
    from flwr.supercore.constant import NOOP_FEDERATION_ID as NOOP_FEDERATION_ID
    from flwr.supercore.constant import TASK_TOKEN_HEADER as TASK_TOKEN_HEADER
    from flwr.supercore.constant import TaskType as TaskType
    from flwr.supercore.error import http_error_translator as http_error_translator
    from flwr.supercore.fab import Fab as Fab
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects as get_all_nested_objects
    from flwr.supercore.inflatable.inflatable_object import get_object_body as get_object_body
    from flwr.supercore.inflatable.inflatable_object import (
        get_object_children_ids_from_object_content as get_object_children_ids_from_object_content,
    )
    from flwr.supercore.inflatable.inflatable_object import get_object_tree as get_object_tree
    from flwr.supercore.inflatable.inflatable_object import (
        get_object_type_from_object_content as get_object_type_from_object_content,
    )
    from flwr.supercore.inflatable.inflatable_object import iterate_object_tree as iterate_object_tree
    from flwr.supercore.inflatable.inflatable_object import no_object_id_recompute as no_object_id_recompute
    from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents as inflate_object_from_contents
    from flwr.supercore.object_store import ObjectStore as ObjectStore
    from flwr.supercore.object_store import ObjectStoreFactory as ObjectStoreFactory
    from flwr.supercore.primitives.asymmetric import bytes_to_public_key as bytes_to_public_key
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes as public_key_to_bytes
    from flwr.supercore.primitives.asymmetric import uses_nist_ec_curve as uses_nist_ec_curve
    from flwr.supercore.primitives.asymmetric import verify_signature as verify_signature
    from flwr.supercore.primitives.asymmetric_ed25519 import create_message_to_sign as create_message_to_sign
    from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE as PROTOBUF_MEDIA_TYPE
    from flwr.supercore.protobuf.constants import PROTOBUF_STREAM_MEDIA_TYPE as PROTOBUF_STREAM_MEDIA_TYPE
    from flwr.supercore.protobuf.framing import frame_message as frame_message
    from flwr.supercore.protobuf.translation import ProtobufTranslationMiddleware as ProtobufTranslationMiddleware
    from flwr.supercore.routers.runtime import create_runtime_router as create_runtime_router
    from flwr.supercore.task_identity import TaskIdentity as TaskIdentity
    from flwr.superlink.cli import flwr_serverapp as flwr_serverapp
    from flwr.superlink.config_loader import get_federation_manager as get_federation_manager
    from flwr.superlink.routers.fleet.node_auth import NodeAuthMiddleware as NodeAuthMiddleware
    from flwr.superlink.routers.fleet.router import router as router
    from flwr.superlink.servicer.runtime.runtime_handlers import confirm_message_received as confirm_message_received
    from flwr.superlink.servicer.runtime.runtime_handlers import get_nodes as get_nodes
    from flwr.superlink.servicer.runtime.runtime_handlers import pull_messages as pull_messages
    from flwr.superlink.servicer.runtime.runtime_handlers import pull_object as pull_object
    from flwr.superlink.servicer.runtime.runtime_handlers import pull_task_input as pull_task_input
    from flwr.superlink.servicer.runtime.runtime_handlers import push_messages as push_messages
    from flwr.superlink.servicer.runtime.runtime_handlers import push_object as push_object
    from flwr.superlink.servicer.runtime.runtime_handlers import push_task_output as push_task_output


def _imported(source: str) -> dict[str, list[str]]:
    """Return the names that a source imports of flwr, by module."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("flwr."):
            found.setdefault(node.module, []).extend(alias.name for alias in node.names)
    return found


NAMES = _imported(Path(__file__).read_text(encoding="utf-8"))
"""Each module of flwr with the names that are used of it: those that are imported above for the type checker."""

METHODS: dict[str, tuple[str, ...]] = {
    "LinkState": (
        "acknowledge_task_heartbeat", "activate_task", "claim_task", "cleanup_run", "create_node", "create_run",
        "deactivate_node", "delete_messages", "finish_task", "get_message_res", "get_node_id_by_public_key",
        "get_node_info", "get_object", "get_run_info", "get_run_series", "num_message_ins", "start_session",
        "store_fab", "store_message_and_object_tree", "store_object",
    ),
    "LinkStateFactory": ("state",),
    "SqlLinkState": (
        "delete_messages", "get_message_ins", "get_message_res", "get_nodes", "initialize", "session", "start_session",
        "store_fab", "store_message_and_object_tree", "store_object",
    ),
    "ObjectStore": ("__len__", "delete", "delete_objects_in_run", "get", "get_object_tree"),
}  # fmt: skip
"""The methods that are called on objects of these classes."""

TEXTS: dict[str, tuple[str, ...]] = {
    "flwr.serverapp.strategy.strategy": (
        "[ROUND %s/%s]", "└──> MetricRecord: %s", "Initial global evaluation results: %s",
    ),
    "flwr.server.workflow.default_workflows": ("[ROUND %s]", "fit progress: (%s, %s, %s, %s)"),
}  # fmt: skip
"""What strategies log, by which ``apps.launcher`` knows rounds and what was measured at the server."""

_MODULES = {name: module for module, names in NAMES.items() for name in names}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Return one of ``NAMES``."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_MODULES[name]), name)


def location_of(name: str) -> str:
    """Return where one of ``NAMES`` is, for a process that imports nothing of Meadow: its module, a colon, the name."""
    return f"{_MODULES[name]}:{name}"


def missing() -> Iterator[str]:
    """Yield each name that the installed flwr lacks, in full, and each text that its module does not hold."""
    for module, names in NAMES.items():
        try:
            loaded = importlib.import_module(module)
        except ImportError as error:
            yield f"{module}: {error}"
            continue
        for name in names:
            if not hasattr(loaded, name):
                yield f"{module}.{name}"
            yield from (
                f"{module}.{name}.{method}" for method in METHODS.get(name, ())
                if not callable(getattr(getattr(loaded, name, None), method, None))
            )  # fmt: skip
    for module, texts in TEXTS.items():
        source = _source_of(module)
        yield from (f"{module}: {text!r}" for text in texts if text not in source)


def _source_of(module: str) -> str:
    try:
        found = importlib.util.find_spec(module)
    except ImportError:  # its package is gone
        return ""
    return Path(found.origin).read_text(encoding="utf-8") if found is not None and found.origin else ""


def main() -> int:
    """Print what is missing; the exit code is 1 where something is."""
    from importlib.metadata import version

    found = list(missing())
    total = len(_MODULES) + sum(map(len, [*METHODS.values(), *TEXTS.values()]))
    sys.stdout.writelines(f"MISSING {name}\n" for name in found)
    sys.stdout.write(f"flwr {version('flwr')}: {len(found)} of {total} names that Meadow relies on are missing\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
