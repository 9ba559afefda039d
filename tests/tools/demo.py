"""A demo of its own for a tool: started in a folder that goes with it, and stopped again."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]


def without_proxies() -> dict[str, str]:
    """Variables of the caller that name a proxy would send the requests there."""
    return {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}


@contextlib.contextmanager
def running() -> Iterator[tuple[str, pathlib.Path]]:
    """Where it answers, and its credentials.json."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="simpul-demo-") as folder:
        # run.sh becomes the service, and ends with whoever started it.
        command = ["scripts/run.sh", "--listen", "127.0.0.1:0", "--data-dir", folder]
        demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            ready = (line for line in demo.stdout if line.startswith("ready "))
            base = next(ready, "").removeprefix("ready ").strip()
            if not base:
                raise SystemExit(f"the demo did not start: {demo.wait()}")
            yield base, pathlib.Path(folder, "demo", "credentials.json")
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(60)


def client(credentials: pathlib.Path, agency: str, kind: str) -> dict:
    """One entry of credentials.json."""
    found = json.loads(credentials.read_text())
    return next(entry for entry in found if entry["agency"] == agency and entry["client_kind"] == kind)
