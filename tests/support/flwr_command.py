"""The flwr command as a process, with a home and a configuration of its own; and single calls of it."""

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.processes import wait_until

FLWR = Path(sys.executable).parent / "flwr"


class FlwrCommand:
    """Runs ``flwr`` against one dashboard, which its configuration calls meadow."""

    def __init__(self, home: Path, address: str, authority: Path) -> None:
        self._home = home
        home.mkdir()
        (home / "config.toml").write_text(
            f'[superlink.meadow]\naddress = "{address}"\nroot-certificates = "{authority}"\n'
        )

    def start(self, *arguments: str) -> "Running":
        """Start it."""
        log = self._home / f"{len(list(self._home.glob('*.log')))}.log"
        environment = {
            **os.environ, "FLWR_HOME": str(self._home), "FLWR_TELEMETRY_ENABLED": "0", "BROWSER": "true",
            "FLWR_DISABLE_UPDATE_CHECK": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "200", "NO_PROXY": "*",
        }  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen([FLWR, *arguments], env=environment, stdout=output, stderr=output)
        return Running(process, log)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run it to its end; return exit code and output."""
        return self.start(*arguments).end()

    @property
    def token(self) -> str:
        """The token that it got by its login."""
        kept = yaml.safe_load((self._home / "credentials.yaml").read_text())
        (text,) = (value for name, value in kept.items() if name.endswith("access-token"))
        return base64.b64decode(text).decode()


class Running:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    def wait_for(self, text: str) -> str:
        """Wait until it has written a text; return all that it has written."""
        wait_until(lambda: text in self.output or self._process.poll() is not None, 40, f"output {text!r}")
        assert text in self.output, self.output
        return self.output

    def end(self) -> tuple[int, str]:
        """Wait for its end; return exit code and output."""
        try:
            return self._process.wait(40), self.output
        finally:
            self._process.kill()


def call(http: httpx.Client, name: str, message: Any = None, **headers: str) -> httpx.Response:
    """Send one call as the command does."""
    body = message.SerializeToString() if message is not None else b""
    return http.post(f"/v1/control/{name}", content=body, headers={"content-type": "application/protobuf", **headers})
