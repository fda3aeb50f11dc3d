"""Imports what ``python -m webapp`` imports before it serves, in the process that tests fork dashboards off."""

import gc
import os

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # flwr reads it when it is imported

import federation.client.process
import federation.simulation.processes  # noqa: F401
import webapp.app
import webapp.db.migrations  # noqa: F401

gc.freeze()
