"""Fetch the vendored scripts and styles anew, as static/vendor/vendor.json names them, and check each by its sha512.

For a new version: change name, version and file in vendor.json, run this with --trust, and commit both.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parent.parent / "static" / "vendor"


def digest(content: bytes) -> str:
    """Return the base64 of a sha512."""
    return base64.b64encode(hashlib.sha512(content).digest()).decode()


def fetch(name: str, version: str, source: str) -> bytes:
    """Return one file of a package."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, capture_output=True, text=True
        )
        with tarfile.open(Path(folder) / packed.stdout.strip()) as archive:
            member = archive.extractfile(f"package/{source}")
            if member is None:
                raise SystemExit(f"{name} {version} has no file {source}")
            return member.read()


def main() -> None:
    """Fetch and check every file."""
    trust = "--trust" in sys.argv[1:]
    entries = json.loads((VENDOR / "vendor.json").read_text())
    for entry in entries:
        if "*" in entry["source"]:
            continue  # a sprite that was put together by hand
        content = fetch(entry["name"], entry["version"], entry["source"])
        if digest(content) != entry["sha512"] and not trust:
            raise SystemExit(f"{entry['file']} is not what vendor.json says; --trust takes it as it is")
        entry["sha512"] = digest(content)
        (VENDOR / entry["file"]).write_bytes(content)
        print(entry["file"])
    (VENDOR / "vendor.json").write_text(json.dumps(entries, indent=2) + "\n")


if __name__ == "__main__":
    main()
