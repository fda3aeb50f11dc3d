"""The loop of one run of a Flower App: wait for SuperNodes, start the process, follow it to its end."""

import logging
import time
from pathlib import Path
from typing import Any

from federation.apps.archive import ApprovedApp
from federation.apps.happenings import Reported
from federation.apps.process import AppProcess
from federation.coordinator.apps.host import AppNotApproved, AppParts, HostedRun
from federation.coordinator.apps.rounds import AppRounds
from federation.coordinator.loops.run_end import RunEnd, RunFailed, run_to_end
from federation.coordinator.quorum import QuorumMissed
from federation.coordinator.run_context import RunContext
from federation.run.states import RunState

log = logging.getLogger(__name__)

CHECK_SECONDS, LIMITS_SECONDS, BLOCK_SECONDS = 0.1, 1.0, 5.0
FOLDER = "app"
"""Of a run's folder: what the app's process has written."""


class AppRun:
    """Works the job of an app to its end, on the thread that calls ``run``."""

    def __init__(self, context: RunContext, parts: AppParts, *, folder: Path) -> None:
        self._context, self._parts, self._control = context, parts, context.control
        self._job, self._wait_state = context.job, context.wait_state
        self._folder = folder / str(context.run_id) / FOLDER
        self._rounds = AppRounds(context.run_id, parts.host.supernodes, context.ledger.record)
        self._is_waiting_told = False

    def run(self) -> RunEnd:
        """Run the app to its end, or to that of the run."""
        return run_to_end(self._work, self._context, AppNotApproved)

    def _work(self) -> RunEnd:
        app = self._parts.approved(self._job.config.app or "")
        self._wait_for_supernodes()
        try:
            return self._run_app(app)
        except OSError as error:
            raise RunFailed(f"The app's process cannot be started: {error}") from error

    def _visible(self) -> dict[int, int]:
        """Return node id -> client id of the SuperNodes that take part: online, admitted, in no other run."""
        excluded = self._control.excluded
        fit = {node: client for node, client in self._parts.host.supernodes().items() if client not in excluded}
        own = self._context.lease.take(fit.values())
        return {node: client for node, client in fit.items() if client in own}

    def _wait_for_supernodes(self) -> None:
        """Return when as many SuperNodes are online as the run needs; raises QuorumMissed at the deadline."""
        said = ""
        with self._control.waiting(self._job.config.quorum_timeout_seconds):
            while True:
                self._context.reload_participation()
                visible, needed = self._visible(), self._control.min_clients
                here = len(visible)
                self._context.lease.note_wait(is_short=here < needed, idle=visible.values())
                if here >= needed:
                    break
                if (seconds := self._control.expire_wait()) is not None:
                    raise QuorumMissed(f"only {here:,} of {needed:,} SuperNodes were online within {seconds:g} s")
                if said != (sentence := f"{here:,} of {needed:,} SuperNodes online"):
                    left = max(0.0, self._control.deadline - time.monotonic())
                    self._wait_state.block(RunState.WAITING, "quorum", sentence, left, "min_clients", "wait")
                    said = sentence
                self._control.next_reply(0.5)
        self._wait_state.set_running()

    def _run_app(self, app: ApprovedApp) -> RunEnd:
        hosted = self._parts.host.begin(app, self._job.config.app_config, lambda: set(self._visible()))
        reason = "the run ended"
        try:
            process = AppProcess(
                self._folder, hosted.address, hosted.token, lambda said: _report(hosted, said), self._parts.limits
            )
            try:
                log.info("the app %s runs in process %s", app.app_id, process.pid)
                self._follow(hosted, process)
            except BaseException as error:
                reason = f"the run ended: {error or type(error).__name__}"
                hosted.finish(reason)  # before the process is asked to end: its token is void
                raise
            finally:
                process.end()
            return self._end_of(hosted, process)
        finally:
            try:
                hosted.finish(reason)
            except Exception:  # the run has ended all the same, and its port must close
                log.exception("run %d: the app could not be ended in Flower's database", self._job.run_id)
            hosted.close()

    def _follow(self, hosted: HostedRun, process: AppProcess) -> None:
        """Record what happens until the process ends; raises RunFailed where it exceeds a limit."""
        config, began = self._job.config, time.monotonic()
        heard_at, limits_at = began, began + LIMITS_SECONDS
        while process.is_running:
            now = time.monotonic()
            if self._record_happenings(hosted):
                heard_at = now
                process.forget_token()
            if now >= limits_at:
                limits_at = now + LIMITS_SECONDS
                if breach := process.breach():
                    raise RunFailed(f"The app was ended: {breach[0].lower()}{breach[1:]}")
                self._context.reload_participation()
            if now - heard_at > config.round_timeout_seconds:
                seconds = f"{config.round_timeout_seconds:g}"
                raise RunFailed(f"The app was ended: it sent no message and got no answer for {seconds} s")
            if config.stop_seconds is not None and now - began > config.stop_seconds:
                raise RunFailed(f"The app was ended: its time limit is {config.stop_seconds:g} s")
            self._tell_wait(now - heard_at)
            self._control.sleep(CHECK_SECONDS)
        self._record_happenings(hosted)

    def _record_happenings(self, hosted: HostedRun) -> bool:
        """Record what has happened; return whether anything has."""
        happenings, some = hosted.traffic.happenings, False
        while not happenings.empty():
            self._rounds.take(happenings.get_nowait())
            some = True
        return some

    def _tell_wait(self, silent_seconds: float) -> None:
        """Say which answers the app waits for, once that has taken a while; and that it does not any more."""
        missing = self._rounds.waiting_for if silent_seconds > BLOCK_SECONDS else 0
        if bool(missing) is self._is_waiting_told:
            return
        self._is_waiting_told = bool(missing)
        if missing:
            sentence = f"The app waits for {missing:,} {'reply' if missing == 1 else 'replies'}"
            left = self._job.config.round_timeout_seconds - silent_seconds
            self._wait_state.block(RunState.RUNNING, "round", sentence, left)
        else:
            self._wait_state.unblock()

    def _end_of(self, hosted: HostedRun, process: AppProcess) -> RunEnd:
        """Return how the run ended: as Flower's database says, not as the process's exit code does."""
        self._rounds.finish()
        outcome, details = hosted.result()
        if outcome == "completed":
            return RunEnd(RunState.COMPLETED)
        if outcome:
            return RunEnd(RunState.FAILED, f"{details or outcome}"[:500])
        return RunEnd(RunState.FAILED, f"The app's process {process.exit_words} before the app had ended; see its log")


def _report(hosted: HostedRun, said: dict[str, Any]) -> None:
    metrics = {str(name)[:100]: float(value) for name, value in dict(said.get("metrics", {})).items()}
    rounds = int(said["rounds"]) if "rounds" in said else None
    hosted.traffic.happenings.put(Reported(int(said["round"]), rounds, metrics))
