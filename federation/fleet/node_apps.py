"""What SuperNodes run: Meadow's bundle, and apps of people. A run in Flower's database each; see ``deployment``."""

import importlib.metadata
import threading
from collections.abc import Callable, Mapping
from functools import cache

from federation.fleet.bundle import APP_ID, bundle_files
from federation.fleet.deployment import Deployment, NodeApp
from federation.flwr_internals import LinkState

FindApp = Callable[[str], NodeApp]
"""Returns the app whose FAB has a hash; called in worker threads. Raises NotPosted where it may not run."""


class Deployments:
    """The deployment of Meadow's bundle, and that of one run's app: of runs with an app one is active at a time.

    For worker threads, but for ``own``.
    """

    def __init__(self, state: LinkState, find_app: FindApp) -> None:
        self.own = Deployment(state, own_app)
        self._state, self._find_app = state, find_app
        self._lock = threading.Lock()
        self._of_run: tuple[tuple[int, str], Deployment] | None = None

    def of_run(self, run_id: int, app_hash: str, options: Mapping[str, object]) -> Deployment:
        """Return the deployment of a run's app; that of another run ends. Raises NotPosted.

        ``options`` are the settings that the run has: the app gets those that it knows. Resumed, the run's app finds
        what it left in ``Context.state``, on each SuperNode that was not restarted.
        """
        with self._lock:
            key, app = (run_id, app_hash), self._find_app(app_hash)  # each time: its approval may be withdrawn
            if self._of_run is None or self._of_run[0] != key:
                self._finish_other()
                series = f"Meadow's run {run_id}, app {app_hash}"
                made = Deployment(self._state, lambda: app, options, series, is_legacy=app.is_legacy)
                self._of_run = (key, made)
            return self._of_run[1]

    def _finish_other(self) -> None:
        if self._of_run is not None:
            self._of_run[1].finish()
            self._of_run = None

    def keep_alive(self) -> None:
        """Tell Flower that the runs are under way, at least every 60 s."""
        self.own.keep_alive()
        with self._lock:
            if self._of_run is not None:
                self._of_run[1].keep_alive()

    def finish(self) -> None:
        """End the runs: SuperNodes drop what they have of them."""
        self.own.finish()
        with self._lock:
            self._finish_other()


def own_app() -> NodeApp:
    """Return Meadow's bundle."""
    version = importlib.metadata.version("meadow")
    return NodeApp(APP_ID, version, built_bundle(version), {})


@cache
def built_bundle(version: str) -> bytes:
    """Return the FAB. flwr's builder takes half a second to import: only those wait for it who need it."""
    from federation.flwr_internals import build_fab_from_files

    return build_fab_from_files(bundle_files(version))[0]
