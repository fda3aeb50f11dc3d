"""Handlers of the REST API that give a run's results: metrics, series, comparison, downloads."""
