import os
import subprocess
import sys
import time

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


def look_around(target: str) -> None:
    print("environment", sorted(os.environ))
    print("folder", os.listdir("."))
    os.symlink(target, "link")
    os.link(target, "second name")
    os.symlink(target, "../model.npz")
    with open("own file", "w") as file:
        file.write("mine")


@app.main()
def main(grid: Grid, context: Context) -> None:
    what = context.run_config["what"]
    print("begins", flush=True)
    if what == "nothing":
        look_around(str(context.run_config["target"]))
    elif what == "compute":
        while True:
            pass
    elif what == "fork":
        while True:  # each leaves the group of processes
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
            time.sleep(0.05)
    elif what == "disk":
        with open("large", "wb") as file:
            while True:
                file.write(os.urandom(1_000_000))
    elif what == "memory":
        hoard = b"x" * 450_000_000
        if os.fork() and os.fork():  # what they share counts for each of them
            os.fork()
        time.sleep(600 + len(hoard) % 2)
    elif what == "exit":
        os._exit(7)
    elif what == "sleep":
        time.sleep(600)
