"""The bundle that SuperNodes run: whole without Meadow, and nothing of the server in it."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from federation.fleet.bundle import APP_MODULE
from federation.fleet.node_apps import built_bundle


def test_the_bundle_is_whole_holds_nothing_of_the_server_and_is_the_same_each_time(tmp_path: Path) -> None:
    bundle = built_bundle("0.1.0")
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        archive.extractall(tmp_path)
        names = archive.namelist()
    server = ("aggregation", "coordinator", "fleet", "server", "simulation", "storage", "transport")
    assert not [name for name in names if name.split("/")[1:2] and name.split("/")[1] in server], names
    program = f"import {APP_MODULE} as one; print(one.__file__, sorted({{'tensorflow', 'webapp'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == [str(tmp_path / "federation/client/tasks/supernode.py"), "[]"], done.stderr
    built_bundle.cache_clear()
    assert built_bundle("0.1.0") == bundle != built_bundle("0.1.1")
