"""Flags, environment and README agree; bad ones end with a sentence that names the flag."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from webapp.pages.server.health import why_admission
from webapp.settings import Settings, reachable_by_others, read_settings

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MEADOW_{name.upper()}", raising=False)


def test_every_setting_stands_in_the_readme_with_its_default_and_description() -> None:
    pattern = r"^\| `--([a-z-]+)` \| `(MEADOW_[A-Z_]+)` \| (?:`([^`]+)`)? ?\| (.+) \|$"
    rows = re.findall(pattern, README.read_text(), re.MULTILINE)
    expected = []
    for name, field in Settings.model_fields.items():
        default = {None: "", False: "off"}.get(field.default, str(field.default))
        expected.append((name.replace("_", "-"), f"MEADOW_{name.upper()}", default, field.description))
    assert rows == expected


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_defaults_stay_on_this_machine() -> None:
    settings = read_settings([])
    assert (settings.host, settings.flower_host, settings.admission_rule) == ("127.0.0.1", "127.0.0.1", "open")
    assert settings.sqlalchemy_url.startswith("sqlite:///")


def test_the_environment_sets_what_flags_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEADOW_PORT", "9001")
    monkeypatch.setenv("MEADOW_FLOWER_PORT", "9002")
    monkeypatch.setenv("MEADOW_ADMISSION", "approve")
    settings = read_settings(["--port", "9003", "--data-dir", "/tmp/meadow"])
    assert (settings.port, settings.flower_port, settings.admission) == (9003, 9002, "approve")
    assert settings.data_dir == Path("/tmp/meadow")


@pytest.mark.parametrize("arguments", [["--data-dir=~/meadow"], []])
def test_a_tilde_is_the_home_folder(arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEADOW_DATA_DIR", "~/meadow")
    settings = read_settings([*arguments, "--app-client-data=~/tables"])
    assert (settings.data_dir, settings.app_client_data) == (tmp_path / "meadow", tmp_path / "tables")


def test_a_tilde_without_a_home_folder_is_refused_with_its_flag() -> None:
    with pytest.raises(ValueError, match=r"^--data-dir: .*~no-such-person.*Write the whole path"):
        read_settings(["--data-dir", "~no-such-person/meadow"])


def test_settings_do_not_change_once_they_are_read() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_the_password_of_a_database_is_not_shown() -> None:
    settings = read_settings(["--database-url", "postgresql+psycopg://meadow:open-sesame@db/meadow"])
    assert "open-sesame" not in repr(settings)
    assert "open-sesame" in settings.sqlalchemy_url


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "70000"], "--port"),
        (["--flower-port", "many"], "--flower-port"),
        (["--admission", "ajar"], "--admission"),
        (["--host", " "], "--host"),
        (["--data-dir", "\udcff"], "--data-dir"),
        (["--trusted-proxies", "127.0.0.1, proxy.example"], "--trusted-proxies"),
        (["--trusted-proxies", "10.0.0.1/8"], "--trusted-proxies"),
        (["--root-path", "meadow"], "--root-path"),
        (["--root-path", "//meadow.example"], "--root-path"),
        (["--root-path", "/lab/../meadow"], "--root-path"),
        (["--root-path", '/"onload='], "--root-path"),
        (["--allowed-hosts", "lab, meadow.example:9000"], "--allowed-hosts"),
        (["--public-url", "http://meadow.example"], "--public-url"),
        (["--public-url", "https://ada:secret@meadow.example"], "--public-url"),
        (["--public-url", "https://meadow.example:x"], "--public-url"),
    ],
)
def test_a_bad_value_names_its_flag(arguments: list[str], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}: "):
        read_settings(arguments)


@pytest.mark.parametrize(
    ("given", "path"), [("/meadow/", "/meadow"), ("/user/a@b.org/lab", "/user/a@b.org/lab"), ("/", "")]
)
def test_a_root_path_ends_without_a_slash(given: str, path: str) -> None:
    assert read_settings(["--root-path", given]).root_path == path


def test_an_unknown_flag_ends_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--colour", "green"])
    assert caught.value.code == 2
    assert "--colour" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--host", "--flower-host"])
@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.4.12", "::", "meadow.example"])
def test_an_address_that_others_reach_is_known(flag: str, address: str) -> None:
    assert reachable_by_others(read_settings([flag, address])) == [f"{flag} {address}"]


def test_new_clients_need_a_code_where_other_machines_reach_the_flower_port_unless_the_setting_says_otherwise() -> None:
    def admission(*arguments: str) -> tuple[str, str]:
        settings = read_settings(list(arguments))
        return settings.admission_rule, why_admission(settings)

    assert admission("--host", "0.0.0.0") == ("open", "since only this machine reaches the Flower port")
    assert admission("--flower-host", "0.0.0.0") == ("code", "since other machines reach the Flower port")
    assert admission("--flower-host", "0.0.0.0", "--admission", "open") == ("open", "set by --admission")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_is_reached_by_this_machine_alone(address: str) -> None:
    assert reachable_by_others(read_settings(["--host", address])) == []


def test_a_host_name_that_is_allowed_is_that_of_others_unless_it_is_loopback() -> None:
    def reachable(names: str) -> list[str]:
        return reachable_by_others(read_settings(["--allowed-hosts", names]))

    assert reachable("lab.example, localhost") == ["--allowed-hosts lab.example, localhost"]
    assert reachable("localhost, 127.0.0.9") == []


def test_an_address_behind_a_proxy_is_reached_by_others_and_is_an_allowed_host() -> None:
    settings = read_settings(["--public-url", "https://Meadow.example:8443/lab/"])
    assert settings.public_url == "https://Meadow.example:8443/lab"
    assert reachable_by_others(settings) == ["--public-url https://Meadow.example:8443/lab"]
    assert settings.extra_hosts == {"meadow.example"}
