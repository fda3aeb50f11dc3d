"""The certificates of proxies that end TLS in front of the Flower port: a client signs for the one that it has seen."""

import logging
import threading
from pathlib import Path

from federation.protocol.tls.certificates import CertificateUnusable, read_chain, version_of
from federation.protocol.tls.fingerprints import sha256_of

log = logging.getLogger(__name__)


class ProxyCertificates:
    """The SHA-256 (hex) of each certificate in a file, which is read again when it changes. From any thread.

    A proxy may take a renewed certificate later than the file shows it: the one before stays accepted. Raises
    CertificateUnusable where the file cannot be used at the start.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._version = version_of(file)
        self._now = self._read()
        self._before: frozenset[str] = frozenset()

    def accepted(self) -> frozenset[str]:
        """Return what clients may sign for."""
        with self._lock:
            if (version := version_of(self._file)) != self._version:
                self._version = version
                try:
                    self._now, self._before = self._read(), self._now
                except CertificateUnusable as error:
                    log.warning("the changed certificates of proxies are not used: %s", error)
            return self._now | self._before

    def _read(self) -> frozenset[str]:
        return frozenset(map(sha256_of, read_chain(self._file)))
