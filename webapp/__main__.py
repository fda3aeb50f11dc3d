"""``python -m webapp``: the dashboard and the Flower server in one process.

Exit codes: 0 ended by a signal, 1 the database cannot be used, 2 bad settings, 3 another dashboard uses the data
directory or the database, or took the database over while PostgreSQL was away, 4 a port is taken.
"""

import gc
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from types import FrameType

from federation.protocol.addresses import format_address
from federation.protocol.tls.certificates import ServerTls
from webapp.accounts.accounts import Accounts
from webapp.accounts.first_account import FIRST_NAME, AccountMissing, ensure_first_account
from webapp.certificates import dashboard_tls, server_tls
from webapp.commands import COMMANDS, say
from webapp.db.database import Database
from webapp.db.database_url import DatabaseUnusable, startup_failures
from webapp.db.instance_lock import InstanceLock, take_database
from webapp.descriptors import connection_bounds, open_files, raise_open_files
from webapp.http.serving import DashboardServer, PortTaken, bind
from webapp.lock_file import DataInUse, LockFile
from webapp.logs import configure_logging
from webapp.operations.audit.attempts import SERVER, Attempt
from webapp.operations.audit.log import record_once
from webapp.settings import Settings, read_settings

log = logging.getLogger("webapp")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes, or run a command; return the exit code."""
    os.umask(0o077)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and (module := COMMANDS.get(given[0])):  # a dashboard need not import it
        return int(importlib.import_module(module).main(given[1:]))
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    try:
        settings = read_settings(given)
        tls = server_tls(settings)
    except ValueError as error:
        return say(2, str(error))
    configure_logging(settings.log_level, as_json=settings.log_format == "json")
    raise_open_files()
    with ExitStack() as stack:
        try:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            data_lock = LockFile(settings.lock_file, f"data directory {settings.data_dir}", "data-dir")
            stack.callback(data_lock.close)
            database_lock = take_database(settings.sqlalchemy_url, settings.lock_file)
            stack.callback(database_lock.close)
            web = stack.enter_context(bind(settings.host, settings.port, "port"))
            flower = stack.enter_context(bind(settings.flower_host, settings.flower_port, "flower-port"))
        except DataInUse as error:
            return say(3, str(error))
        except DatabaseUnusable as error:
            return say(1, str(error))
        except PortTaken as error:
            return say(4, str(error))
        except OSError as error:
            return say(2, f"--data-dir {settings.data_dir} cannot be used: {error.strerror}.")
        for lock in (data_lock, database_lock):
            lock.show_address(_addresses(web, flower, "http" if dashboard_tls(settings, tls) is None else "https"))
        return serve(settings, web, flower, database_lock, tls)


def serve(settings: Settings, web: socket.socket, flower: socket.socket, lock: InstanceLock,
          tls: ServerTls | None) -> int:  # fmt: skip
    """Serve on bound sockets until SIGINT, SIGTERM or SIGHUP, or until another dashboard took the database over."""
    try:
        _prepare_database(settings)
    except DatabaseUnusable as error:
        return say(1, str(error))
    except AccountMissing as error:
        return say(2, str(error))
    gc.disable()  # importing Flower and the routes takes a second, and garbage collections a tenth more
    from webapp.app import create_app

    try:
        app = create_app(settings, flower, lock, tls)
    except ValueError as error:
        return say(2, str(error))
    bounds, _ = connection_bounds(open_files(), settings.proxies)
    server = DashboardServer(
        app, bounds, app.state.event_hub.close, must_end=lock.is_lost, tls=dashboard_tls(settings, tls),
    )  # fmt: skip

    def end(_signal: int, _frame: FrameType | None) -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal_number != signal.SIGHUP or signal.getsignal(signal_number) != signal.SIG_IGN:  # nohup ignores it
            signal.signal(signal_number, end)
    dashboard_address, flower_address = (format_address(*sock.getsockname()[:2]) for sock in (web, flower))
    _freeze_modules()
    log.info(
        "dashboard at %s://%s%s, clients join at %s, data in %s",
        "http" if dashboard_tls(settings, tls) is None else "https", dashboard_address, settings.root,
        f"https://{flower_address}" if tls else flower_address, settings.data_dir.resolve(),
    )  # fmt: skip
    server.run([web])
    if lock.lost is not None:
        return say(3, lock.lost)
    return 0 if server.started else 1


def _freeze_modules() -> None:
    """Enable garbage collections, which then scan no imported module: Flower's classes force one with each reply."""
    gc.freeze()
    gc.enable()


def _prepare_database(settings: Settings) -> None:
    """Migrate the database, and create the first account where a setting says so.

    Raises DatabaseUnusable, AccountMissing.
    """
    from webapp.db.migrations import migrate_database

    migrate_database(settings.sqlalchemy_url)
    with startup_failures(), closing(Database(settings.sqlalchemy_url)) as database:
        if ensure_first_account(Accounts(database, settings.data_dir, is_loopback=False), settings):
            record_once(database, Attempt(SERVER, "first account", target=f"user {FIRST_NAME}"))


def _addresses(web: socket.socket, flower: socket.socket, scheme: str) -> dict[str, str | int]:
    host, port = web.getsockname()[:2]
    flower_host, flower_port = flower.getsockname()[:2]
    return {"scheme": scheme, "host": host, "port": port, "flower_host": flower_host, "flower_port": flower_port}


if __name__ == "__main__":
    sys.exit(main())
