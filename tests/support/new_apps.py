"""Apps that were written from a template: their files, and their own tests in this process."""

import importlib.util
import sys
from pathlib import Path


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the files of an app by their paths."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def pass_own_tests(folder: Path) -> int:
    """Call the tests of an app and return how many there are. Its modules are forgotten afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    specification = importlib.util.spec_from_file_location("own_tests", folder / "tests" / "test_app.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
        tests = [value for name, value in vars(module).items() if name.startswith("test_")]
        for test in tests:
            test()
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in set(sys.modules) - before if name.split(".")[0] == folder.name]:
            del sys.modules[name]
    return len(tests)
