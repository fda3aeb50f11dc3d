"""Where passwords, session ids and tokens stand: nowhere but with who they belong to."""

import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.http import LOCAL
from tests.support.people import PASSWORD, cookie_in, sign_in
from tests.support.processes import ROOT, make_meadow
from tests.support.secrets import assert_absent, command_lines, texts_below

WRONG = "wrong horse battery"


def users_add(data_dir: Path, name: str, *more: str) -> str:
    """Add an account by the command, its password on standard input; return the process list in the middle of it."""
    command = [sys.executable, "-m", "webapp", "users", "add", name, *more, "--data-dir", str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(f"{PASSWORD}\n")
        process.stdin.flush()
        seen = command_lines()
        process.stdin.close()
        assert process.wait(60) == 0
    assert f"users add {name}" in seen
    return seen


def test_no_secret_of_a_person_is_in_a_log_a_file_a_page_or_the_process_list(tmp_path: Path) -> None:
    meadow = make_meadow(tmp_path, "--host", "0.0.0.0", "--log-level", "debug")
    places = {"processes": users_add(meadow.data_dir, "ada", "--role", "admin")}
    try:
        meadow.start()
        with httpx.Client(base_url=meadow.url, **LOCAL) as http:
            assert sign_in(http, "ada", WRONG).status_code == 401
            answer = sign_in(http, "ada")
            cookie = {"Cookie": cookie_in(answer)}
            made = http.post("/api/tokens", json={"name": "ci"}, headers=cookie)
            secrets = {
                "password": PASSWORD, "wrong password": WRONG, "session id": cookie["Cookie"].partition("=")[2],
                "token": made.json()["token"],
            }  # fmt: skip
            assert http.get("/api/me", params={"token": secrets["token"]}).status_code == 401
            for path in ("/", "/account", "/people", "/server", "/api/users", "/api/tokens", "/nothing", "/login"):
                places[path] = http.get(path, headers=cookie).text
            places["refused login"] = sign_in(http, "ada", WRONG).text
            bearer = {"Authorization": f"Bearer {secrets['token']}"}
            assert http.get("/api/me", headers=bearer).json()["role"] == "viewer"
        places["processes of the dashboard"] = command_lines()
        places |= texts_below(meadow.data_dir)  # with the write-ahead log of a database in use
        assert meadow.interrupt() == 0
        places |= texts_below(meadow.data_dir)
    finally:
        meadow.kill()
    places["log"] = meadow.output  # where an address was logged, it would be without its query
    assert_absent(secrets, places)
