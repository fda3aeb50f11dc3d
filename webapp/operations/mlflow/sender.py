"""Sends one run: creates it and its clients in MLflow, then adds the rounds that are not there yet.

Where it is unknown what has arrived, after a start and after each failure, MLflow is asked for the last step of each
metric. Metrics of one name are sent in the order of their rounds, so what comes later is not there yet.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from federation.run.states import ENDED
from webapp.db.database import Database
from webapp.db.repository.rounds import list_rounds
from webapp.db.repository.rows import change_row
from webapp.db.repository.runs import get_run
from webapp.db.repository.tracking import mlflow as table
from webapp.db.repository.tracking.points import TimedPoint, timed_points_after
from webapp.db.tables import Client, MlflowRun, Round, Run, Sending
from webapp.operations.mlflow import records
from webapp.operations.mlflow.api import MlflowApi, MlflowMissing, MlflowRefused
from webapp.operations.mlflow.counts import MlflowCounts
from webapp.settings import Settings

PAGE_POINTS, PAGE_ROUNDS = 2000, 200


class RunSender:
    """Sends runs to the server of the settings, one after the other."""

    def __init__(self, settings: Settings, database: Database, api: MlflowApi, counts: MlflowCounts) -> None:
        self._database, self._api, self._counts, self._settings = database, api, counts, settings
        self._max_clients = settings.mlflow_clients
        self._experiment_id = ""
        self._known: set[str] = set()
        """Runs of MLflow of which it is known that all that was sent has arrived."""

    def send(self, row: MlflowRun, is_ended: Callable[[], bool]) -> bool:
        """Send all that is new of a run; False where ``is_ended``, which is asked between requests, became True.

        Raises what the API raises.
        """
        with self._database.read() as session:
            run = get_run(session, row.run_id)
            clients = {one.client_id: one for one in table.clients_at(session, row.server, row.run_id)}
        if run is None:
            return True
        tags = records.run_tags(run, row, self._link(run))
        self._create(row, run.name, run.started_at or run.created_at, records.run_params(run), tags)
        while not is_ended():
            with self._database.read() as session:  # rounds first: the points of each of them are there, too
                rounds = list_rounds(session, run.id, after=row.sent_round, limit=PAGE_ROUNDS)
                known = None if len(clients) < self._max_clients else [one for one in clients if one is not None]
                points = timed_points_after(session, run.id, row.sent_point, known, PAGE_POINTS)
            if not rounds and not points:
                self._send_state(row, run, list(clients.values()))
                return True
            if len(points) == PAGE_POINTS:
                rounds = [one for one in rounds if one.round < points[-1].round]
            self._add_clients(row, run, clients, points)
            self._send_page(row, clients, rounds, points)
        return False

    def _send_page(
        self, row: MlflowRun, clients: dict[int | None, MlflowRun], rounds: Sequence[Round],
        points: Sequence[TimedPoint],
    ) -> None:  # fmt: skip
        metrics: dict[int | None, list[records.Metric]] = {
            None: [one for row in rounds for one in records.round_metrics(row)]
        }
        for point in points:
            if point.client_id is None or point.client_id in clients:
                metrics.setdefault(point.client_id, []).append(records.point_metric(point))
        for client_id, found in metrics.items():
            self._at(row if client_id is None else clients[client_id], partial(self._log, found))
        row.sent_point = points[-1].id if points else row.sent_point
        row.sent_round = rounds[-1].round if rounds else row.sent_round
        with self._database.write() as session:
            change_row(session, MlflowRun, row.id, sent_round=row.sent_round, sent_point=row.sent_point)
        self._counts.rounds += len(rounds)

    def _at(self, target: MlflowRun, work: Callable[[str], None]) -> None:
        """Do something with a run of MLflow; a client's run that was deleted there is passed over from then on."""
        if target.state == Sending.GONE and target.client_id is not None:
            return
        mlflow_id = str(target.mlflow_id)
        try:
            try:
                work(mlflow_id)
            except MlflowRefused:
                self._api.read_run(mlflow_id)  # raises MlflowMissing for a deleted run, which is refused in many ways
                raise
        except MlflowMissing:
            if target.client_id is None:
                raise
            target.state = Sending.GONE
            with self._database.write() as session:
                change_row(session, MlflowRun, target.id, state=Sending.GONE)

    def _log(self, metrics: list[records.Metric], mlflow_id: str) -> None:
        if mlflow_id not in self._known:
            steps, _ = self._api.read_run(mlflow_id)
            metrics = [one for one in metrics if one["step"] > steps.get(one["key"], -1)]
        self._known.discard(mlflow_id)
        self._api.log_metrics(mlflow_id, metrics)
        self._known.add(mlflow_id)

    def _add_clients(
        self, row: MlflowRun, run: Run, clients: dict[int | None, MlflowRun], points: Sequence[TimedPoint]
    ) -> None:  # fmt: skip
        """Create the child runs of clients that were not in the run before, up to the limit."""
        new = dict.fromkeys(one.client_id for one in points if one.client_id not in (None, *clients))
        chosen = [one for one in new if one is not None][: max(0, self._max_clients - len(clients))]
        if chosen:
            with self._database.write() as session:
                table.add_clients(session, row, chosen, datetime.now(UTC))
            with self._database.read() as session:
                clients |= {one.client_id: one for one in table.clients_at(session, row.server, row.run_id)}
        for client_id, child in clients.items():
            if child.mlflow_id is None and client_id is not None:
                with self._database.read() as session:
                    client = session.get(Client, client_id)
                assert client is not None
                start = run.started_at or run.created_at
                tags = records.client_tags(client, child, str(row.mlflow_id))
                self._create(child, client.name, start, records.client_params(client), tags)

    def _create(self, row: MlflowRun, name: str, start: datetime, params: records.Pairs, tags: records.Pairs) -> None:
        """Create a run in MLflow with its parameters; an earlier try may have created it without an answer."""
        if row.mlflow_id is not None:
            return
        try:
            experiment = self._experiment_id or self._api.experiment_id(self._settings.mlflow_experiment)
            found = self._api.find_run(experiment, row.key)
            if found is None:
                found = self._api.create_run(experiment, name, records.milliseconds(start), tags)
            _, there = self._api.read_run(found)
        except MlflowRefused as error:
            self._experiment_id = ""  # it may have been deleted
            raise MlflowRefused(str(error)) from error
        self._api.log_params(found, {key: text for key, text in params.items() if key not in there})
        with self._database.write() as session:
            change_row(session, MlflowRun, row.id, mlflow_id=found, experiment_id=experiment)
        row.mlflow_id, row.experiment_id, self._experiment_id = found, experiment, experiment

    def _send_state(self, row: MlflowRun, run: Run, clients: Sequence[MlflowRun]) -> None:
        """Tell MLflow the state of a run and its clients, where it has changed."""
        end = records.milliseconds(run.finished_at) if run.state in ENDED and run.finished_at else None
        status, news = records.status_of(run.state), f"{run.state} {end or ''}"
        if row.sent_state == news:
            return
        for client in clients:
            if client.sent_state != f"{status} {end or ''}":
                self._at(client, partial(self._api.update_run, status=status, end=end))
                with self._database.write() as session:
                    change_row(session, MlflowRun, client.id, sent_state=f"{status} {end or ''}")
        self._at(row, partial(self._api.update_run, status=status, end=end, name=run.name))
        self._at(row, partial(self._api.set_tags, tags=records.state_tags(run)))
        with self._database.write() as session:
            change_row(session, MlflowRun, row.id, sent_state=news)
        if run.state in ENDED:
            self._known -= {str(one.mlflow_id) for one in (row, *clients)}

    def _link(self, run: Run) -> str:
        return f"{self._settings.public_url}/runs/{run.id}" if self._settings.public_url else ""
