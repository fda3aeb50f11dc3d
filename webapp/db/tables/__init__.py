"""The tables, a module for each subject. Ids of deleted rows are not reused.

Imports nothing of webapp.
"""

from webapp.db.tables.accounts import ApiToken, LoginSession, OpenIdIdentity, User
from webapp.db.tables.apps import APP_MOVES, App, AppState
from webapp.db.tables.audit import AUDIT_ENTRIES, AuditEntry
from webapp.db.tables.base import Id, NullableJson, NumberedRow, Row, UtcTime
from webapp.db.tables.clients import Client, JoinCode, TaskFailure
from webapp.db.tables.events import RUN_EVENTS, RunEvent, RunProblem
from webapp.db.tables.experiments import EXPERIMENT_MOVES, Experiment, ExperimentState
from webapp.db.tables.notifications import NotificationChannel, NotificationDelivery
from webapp.db.tables.runs import METRIC_POINTS, REPLIES, ROUNDS, RUNS, MetricPoint, Reply, Round, Run, RunContents
from webapp.db.tables.tracking import MlflowRun, Sending, TrackingCursor

__all__ = [
    "APP_MOVES", "AUDIT_ENTRIES", "EXPERIMENT_MOVES", "METRIC_POINTS", "REPLIES", "ROUNDS", "RUNS", "RUN_EVENTS",
    "ApiToken", "App", "AppState", "AuditEntry", "Client", "Experiment", "ExperimentState", "Id", "JoinCode",
    "LoginSession", "MetricPoint", "MlflowRun", "NotificationChannel", "NotificationDelivery", "NullableJson",
    "NumberedRow", "OpenIdIdentity", "Reply", "Round", "Row", "Run", "RunContents", "RunEvent", "RunProblem", "Sending",
    "TaskFailure", "TrackingCursor", "User", "UtcTime",
]  # fmt: skip
