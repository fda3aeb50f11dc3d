"""Finds the Chromium for browser tests: the machine's own, else one that apt-get or Playwright installs."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is Chromium without its windows and menus, which takes a third less CPU time."""


def find() -> str | None:
    """Return the path of the machine's Chromium; None when there is none and Playwright's own has to do."""
    return next((path for name in NAMES if (path := shutil.which(name)) is not None), None)


def install() -> None:
    """Install a Chromium: as root on Debian by apt-get, else in Playwright's folder; raises CalledProcessError."""
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], check=True)
        for package in NAMES[:2]:
            command = ["apt-get", "install", "-qy", "--no-install-recommends", package]
            if subprocess.run(command, env=quiet, check=False).returncode == 0:
                return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    if find() is None:
        install()
