"""What must be true whatever strangers send: the pages that everybody uses answer, and the log holds no error."""

import logging

import pytest

from tests.support.dashboard import Dashboard

PAGES = ("/", "/clients", "/runs", "/runs/new", "/server", "/api/clients")


def check_pages(dashboard: Dashboard, *more: str) -> None:
    """Assert that the pages, and some more, are answered with 200."""
    for path in (*PAGES, *more):
        answer = dashboard.http.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-500:])


def check_log(caplog: pytest.LogCaptureFixture) -> None:
    """Assert that nothing was logged with a traceback or as an error, and begin anew."""
    bad = [record.getMessage() for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
    assert not bad, bad[:5]
    caplog.clear()
