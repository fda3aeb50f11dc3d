"""The apps of people that SuperNodes run: an approved one, as the Flower server takes it."""

from federation.apps.client_functions import is_made_of_client_fn
from federation.server.flower_server import NodeApp, NotPosted
from webapp.operations.apps.store import Apps
from webapp.problems import Conflict


def find_node_app(apps: Apps, hash: str) -> NodeApp:
    """Return an approved app; raises NotPosted with the reason where it may not run."""
    try:
        app, fab = apps.approved(hash)
    except Conflict as error:
        raise NotPosted(error.sentence.removesuffix(".")) from error
    return NodeApp(f"{app.publisher}/{app.name}", app.version, fab, app.settings, is_made_of_client_fn(fab))
