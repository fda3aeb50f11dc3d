"""Readers who reach one dashboard under two host names: what depends on the name is never another reader's."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.dashboard import running
from tests.support.people import add_person, cookie_of

HOSTS = ("one.example", "two.example")


def test_readers_under_two_host_names_get_their_own_join_command(tmp_path: Path) -> None:
    with running(tmp_path, flower_host="0.0.0.0", admission="open", allowed_hosts=",".join(HOSTS)) as dashboard:
        add_person(dashboard, "ada")
        cookie = cookie_of(dashboard, "ada")
        fragment = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#clients-page"}

        def read(place: int) -> tuple[str, str]:
            host = HOSTS[place % 2]
            headers = {"Host": host, "Cookie": cookie, **(fragment if place % 4 < 2 else {})}
            answer = dashboard.http.get("/clients", headers=headers)
            assert answer.status_code == 200, answer.text
            return host, answer.text

        with ThreadPoolExecutor(8) as readers:
            for host, page in readers.map(read, range(40)):
                (other,) = set(HOSTS) - {host}
                assert f"--server {host}:" in page and other not in page
