"""What keeps the server from working: a sentence for each, for /readyz."""

import logging
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from federation.protocol.tls.certificates import ServerTls
from federation.server.flower_server import FlowerServer
from webapp.db.database import Database
from webapp.db.disk_reserve import NEEDED_BYTES
from webapp.db.instance_lock import InstanceLock

log = logging.getLogger(__name__)


def reasons_not_ready(
    database: Database, flower: FlowerServer, instance_lock: InstanceLock, data_dir: Path, tls: ServerTls | None
) -> Iterator[str]:  # fmt: skip
    """Yield why no round can be completed now; nothing where the server is ready."""
    try:
        database.check()
    except Exception as error:
        log.warning("the database does not answer: %s", error)
        yield "The database does not answer."
    if instance_lock.is_lost():
        yield f"{str(instance_lock.lost).partition(':')[0]}."
    try:
        if shutil.disk_usage(data_dir).free < NEEDED_BYTES:
            yield "The data volume has no free space."
    except OSError as error:
        log.warning("the data directory cannot be read: %s", error)
        yield "The data directory cannot be read."
    if not flower.is_running:
        yield "The Flower server is not running."
    if tls is not None and tls.certificate.expires < datetime.now(UTC):
        yield "The TLS certificate has expired: clients and browsers refuse it."
