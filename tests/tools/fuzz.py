"""Starts a demo of its own, signs in, and lets schemathesis loose on it: python fuzz.py [arguments of `schemathesis run`].

Prints what schemathesis prints. Fails if it found something, or if it made fewer cases than promised.
"""

import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

# Who calls what. The officer of a regency holds most scopes; what only the ministry may do is called by it, afterwards: it
# can suspend the others.
PASSES = [
    ("Dinas Sosial Kabupaten Mukomuko", "officer", []),
    ("BPJS Kesehatan", "system", ["--include-path-regex", "^/v1/(cases|referrals)"]),
    ("Kementerian Sosial", "officer", ["--include-path-regex", "^/v1/agencies"]),
]
LEAST_CASES = 2000


def start(data_dir: str) -> tuple[subprocess.Popen, str]:
    # run.sh becomes the service, and ends with whoever started it.
    command = ["scripts/run.sh", "--listen", "127.0.0.1:0", "--data-dir", data_dir]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in demo.stdout:
        if line.startswith("ready "):
            return demo, line.split()[1]
    raise SystemExit(f"the demo did not start: {demo.wait()}")


def sign_in(base: str, data_dir: str, agency: str, kind: str) -> dict[str, str]:
    credentials = json.loads(pathlib.Path(data_dir, "demo", "credentials.json").read_text())
    client = next(c for c in credentials if c["agency"] == agency and c["client_kind"] == kind)
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "acting_user": "staf-0017"}).encode()
    basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    request = urllib.request.Request(f"{base}/oauth/token", form, {"Authorization": f"Basic {basic}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        token = json.load(answer)["access_token"]
    return {
        "SIMPUL_TOKEN": token,
        "SIMPUL_CLIENT_ID": client["client_id"],
        "SIMPUL_CLIENT_SECRET": client["client_secret"],
    }


def fuzz(base: str, environment: dict[str, str], arguments: list[str]) -> tuple[int, int]:
    """Exit code and number of cases."""
    program = pathlib.Path(sys.executable).with_name("schemathesis")
    command = [str(program), "run", f"{base}/openapi.json", "--no-color", *arguments]
    # Variables of the caller that name a proxy would send the requests there.
    inherited = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    run = subprocess.Popen(command, env={**inherited, **environment}, stdout=subprocess.PIPE, text=True)
    cases = 0
    for line in run.stdout:
        print(line, end="", flush=True)
        if found := re.search(r"(\d+) generated", line):
            cases = int(found[1])
    return run.wait(), cases


def main() -> int:
    more = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.chdir(pathlib.Path(__file__).parents[2])
    with tempfile.TemporaryDirectory(prefix="simpul-fuzz-") as data_dir:
        demo, base = start(data_dir)
        try:
            codes, total = [], 0
            for agency, kind, arguments in PASSES:
                print(f"\n-- as {kind} of {agency}", flush=True)
                code, cases = fuzz(base, sign_in(base, data_dir, agency, kind), [*arguments, *more])
                codes.append(code)
                total += cases
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(60)
    print(f"\n{total} cases")
    if total < LEAST_CASES and not more:
        print(f"{LEAST_CASES} are promised", file=sys.stderr)
        return 1
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
