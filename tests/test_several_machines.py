"""README's section on several machines, word by word, on machines of network namespaces."""

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.machines import Machine, machines
from tests.support.markup import parse
from tests.support.people import PASSWORD, cookie_in, sign_in
from tests.support.processes import ROOT, RealProcess, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DASHBOARD = "https://127.0.0.1:8000"
SYNTHETIC = {"network": "synthetic", "dataset": "synthetic", "num_rounds": 2, "min_clients": 2}


def commands() -> tuple[list[str], str]:
    """Return the commands that README names for the server's machine, and the one for each client's."""
    section = (ROOT / "README.md").read_text().partition("\n## On several machines\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    server, client = ([line.partition("#")[0].strip() for line in block.strip().splitlines()] for block in blocks[:2])
    assert len(server) <= 4 and len(client) == 1
    return server, client[0]


@contextmanager
def started(machine: Machine, command: str, folder: Path) -> Iterator[RealProcess]:
    """Run a command on a machine whose disk is ``folder``, as its user would, until the end of the block."""
    folder.mkdir(exist_ok=True)
    process = RealProcess(
        [*machine.prefix[1:], sys.executable, *command.split()[1:]], folder / "log", environment_of(folder),
        program=Path("/usr/sbin/ip"), folder=folder,
    )  # fmt: skip
    assert command.startswith("python ")
    process.start()
    try:
        yield process
    finally:
        process.interrupt()
        sys.stderr.write(f"---- {command}\n{process.output}\n")


def environment_of(folder: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "HOME": str(folder), "XDG_STATE_HOME": str(folder)}


def test_an_empty_machine_serves_two_clients_on_other_addresses_with_the_commands_of_the_readme(tmp_path: Path) -> None:
    server_commands, client_command = commands()
    with ExitStack() as stack:
        server, *sites = stack.enter_context(machines(3))
        for command in server_commands[:-1]:
            done = subprocess.run(
                [*server.prefix, sys.executable, *command.replace("NAME", "ann").split()[1:]], cwd=tmp_path,
                env=environment_of(tmp_path), input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr + done.stdout
        dashboard = stack.enter_context(started(server, server_commands[-1], tmp_path))
        dashboard.wait_for_output("clients join at")
        person = Person(server, tmp_path / "data" / "tls" / "ca.pem")
        for number, site in enumerate(sites):
            shown = person.add_client(f"site-{number}", f"{server.address}:8080", partition=number)
            code = shown.removeprefix(client_command.removesuffix("CODE"))
            assert client_command.replace("CODE", code) == shown
            stack.enter_context(started(site, shown, tmp_path / f"site-{number}"))
        wait_until(lambda: [one["state"] for one in person.get("/api/clients")["items"]] == ["online"] * 2, 90)
        seen = {one["name"]: one["facts"]["address"] for one in person.get("/api/clients")["items"]}
        assert seen == {"site-0": sites[0].address, "site-1": sites[1].address}
        run_id = person.start_run()
        wait_until(lambda: person.get(f"/api/runs/{run_id}")["state"] == "completed", 60)
        assert [one["state"] for one in person.get("/api/join-codes")["items"]] == ["used", "used"]


class Person:
    """The operator, in a browser on the server's machine."""

    def __init__(self, machine: Machine, authority: Path) -> None:
        self._machine, self._context = machine, ssl.create_default_context(cafile=authority)
        self._headers: dict[str, str] = {}
        self._headers = {"Cookie": cookie_in(self._ask(lambda http: sign_in(http, "ann")))}

    def add_client(self, name: str, server: str, partition: int) -> str:
        """Fill in the form of Add client; return the command that the page shows."""
        form = {"name": name, "dataset": "synthetic", "partition": str(partition), "partitions": "2", "server": server}
        answer = self._ask(lambda http: http.post("/clients/add", data=form))
        assert answer.status_code == 200, answer.text
        return parse(answer.text).one("code", id="join").text

    def get(self, path: str) -> Any:
        return self._ask(lambda http: http.get(path)).json()

    def start_run(self) -> int:
        answer = self._ask(lambda http: http.post("/api/runs", json=SYNTHETIC))
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def _ask(self, ask: Any) -> httpx.Response:
        def call() -> httpx.Response:
            options: dict[str, Any] = {"verify": self._context, "headers": self._headers}
            with httpx.Client(base_url=DASHBOARD, trust_env=False, timeout=20, **options) as http:
                answer: httpx.Response = ask(http)
                return answer

        return self._machine.call(call)
