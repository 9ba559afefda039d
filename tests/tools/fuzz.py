"""Starts a demo of its own, signs in, and lets schemathesis loose on it: python fuzz.py [arguments of `schemathesis run`].

Prints what schemathesis prints. Fails if it found something, or if it made fewer cases than promised.
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse
import urllib.request

import demo

# Who calls what. The officer of a regency holds most scopes; what only the ministry may do is called by it, afterwards: it
# can suspend the others.
PASSES = [
    ("Dinas Sosial Kabupaten Mukomuko", "officer", []),
    ("BPJS Kesehatan", "system", ["--include-path-regex", "^/v1/(cases|referrals)"]),
    ("Kementerian Sosial", "officer", ["--include-path-regex", "^/v1/agencies"]),
]
LEAST_CASES = 2000


def sign_in(base: str, client: dict) -> dict[str, str]:
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
    run = subprocess.Popen(command, env={**demo.without_proxies(), **environment}, stdout=subprocess.PIPE, text=True)
    cases = 0
    for line in run.stdout:
        print(line, end="", flush=True)
        if found := re.search(r"(\d+) generated", line):
            cases = int(found[1])
    return run.wait(), cases


def main() -> int:
    more = sys.argv[1:]
    os.chdir(demo.ROOT)
    codes, total = [], 0
    with demo.running() as (base, credentials):
        for agency, kind, arguments in PASSES:
            print(f"\n-- as {kind} of {agency}", flush=True)
            environment = sign_in(base, demo.client(credentials, agency, kind))
            code, cases = fuzz(base, environment, [*arguments, *more])
            codes.append(code)
            total += cases
    print(f"\n{total} cases")
    if total < LEAST_CASES and not more:
        print(f"{LEAST_CASES} are promised", file=sys.stderr)
        return 1
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
