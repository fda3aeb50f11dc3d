"""Dockerfile, compose.yaml and systemd units: what can be told of them without a daemon."""

import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT
from webapp.settings import Settings

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
INSTRUCTIONS = re.findall(r"^([A-Z]+) (.+)$", re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text()), re.MULTILINE)
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OWN = [name for name, service in COMPOSE["services"].items() if service["image"] == "meadow"]
VARIABLE = re.compile(r"\bMEADOW_[A-Z_]+")


def known(text: str) -> bool:
    """Say whether all settings that a text names exist."""
    names = VARIABLE.findall(text)
    return bool(names) and {name.removeprefix("MEADOW_").lower() for name in names} <= set(Settings.model_fields)


def test_the_image_runs_meadow_as_a_user_without_rights_and_checks_its_health() -> None:
    words = dict(INSTRUCTIONS)  # the last of each kind
    assert words["USER"] == "10001"
    assert (words["ENTRYPOINT"], words["CMD"]) == ('["meadow"]', '["serve"]')
    assert "127.0.0.1:8000/healthz" in words["HEALTHCHECK"]
    assert all(":" in value and "latest" not in value for kind, value in INSTRUCTIONS if kind == "FROM")
    assert known((ROOT / "Dockerfile").read_text())


def test_what_the_image_is_built_from_makes_the_whole_wheel(tmp_path: Path) -> None:
    source, names = tmp_path / "src", []
    allowed = (ROOT / ".dockerignore").read_text().split()
    for copied in [value.split() for kind, value in INSTRUCTIONS if kind == "COPY" and "--from" not in value]:
        for name in copied[:-1]:
            assert f"!{name}" in allowed, f"{name} is not sent to the builder"
            made = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            source.mkdir(exist_ok=True)
            made(ROOT / name, source / name)
    for folder in (source, ROOT):
        uv = (sys.executable, "-m", "uv", "--quiet", "build", "--wheel", "--out-dir", str(tmp_path / folder.name))
        subprocess.run([*uv, str(folder)], check=True, timeout=100)
        names.append(sorted(zipfile.ZipFile(next((tmp_path / folder.name).glob("*.whl"))).namelist()))
    assert names[0] == names[1]


def test_the_services_are_locked_down_and_their_settings_exist() -> None:
    assert sorted(COMPOSE["services"]) == ["dashboard", "database", "site-a", "site-b"]
    for name in OWN:
        service = COMPOSE["services"][name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"], name
        assert [volume.partition(":")[2] for volume in service["volumes"]] == ["/data"]
    dashboard = COMPOSE["services"]["dashboard"]
    assert known(" ".join(dashboard["environment"]))
    assert dashboard["ports"] == ["127.0.0.1:8000:8000"], "over plain HTTP on this machine alone"
    used = {volume.partition(":")[0] for one in COMPOSE["services"].values() for volume in one["volumes"]}
    assert used == set(COMPOSE["volumes"])
    for site in ("site-a", "site-b"):
        command = COMPOSE["services"][site]["command"]
        options = subprocess.run(
            [sys.executable, "-m", "federation.client", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        assert command[0] == "client" and all(word in options for word in command if word.startswith("--"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_valid_and_ends_by_sigterm(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text()
    command = shlex.split(re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)[0])
    assert command[:2] in (["/opt/meadow/bin/meadow", "serve"], ["/opt/meadow/bin/meadow", "client"])
    assert "KillSignal" not in text and "DynamicUser=yes" in text and "ProtectSystem=strict" in text
    if "MEADOW_" in text:
        assert known(re.sub(r"^#.*$", "", text, flags=re.MULTILINE))
    if analyzer := shutil.which("systemd-analyze"):
        copied = tmp_path / unit.name
        copied.write_text(text.replace("/opt/meadow/bin/meadow", sys.executable))
        said = subprocess.run([analyzer, "verify", copied], capture_output=True, text=True, timeout=60)
        assert (said.returncode, said.stderr) == (0, "")
