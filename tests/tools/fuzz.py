"""Starts a demo of its own, signs in, and lets schemathesis loose on it: python fuzz.py [arguments of `schemathesis run`].

Prints what schemathesis prints, of each pass when it has ended. Fails if it found something, or if it made fewer cases than promised.
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

import demo

# Who calls what, those of a line at once. The officer of a regency holds most scopes; what only the ministry may do is called by it,
# afterwards: it can suspend the others.
PASSES = [
    [
        ("Dinas Sosial Kabupaten Mukomuko", "officer", []),
        ("BPJS Kesehatan", "system", ["--include-path-regex", "^/v1/(cases|referrals)"]),
    ],
    [("Kementerian Sosial", "officer", ["--include-path-regex", "^/v1/agencies"])],
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


class Fuzz:
    """A run of schemathesis, which prints into a file of its own."""

    def __init__(self, base: str, environment: dict[str, str], arguments: list[str]) -> None:
        program = pathlib.Path(sys.executable).with_name("schemathesis")
        command = [str(program), "run", f"{base}/openapi.json", "--no-color", *arguments]
        self.printed = tempfile.TemporaryFile("w+")
        self.run = subprocess.Popen(command, env={**demo.without_proxies(), **environment}, stdout=self.printed)

    def end(self) -> tuple[int, int, str]:
        """Exit code, number of cases, and what was printed."""
        code = self.run.wait()
        self.printed.seek(0)
        text = self.printed.read()
        generated = re.findall(r"(\d+) generated", text)
        return code, int(generated[-1]) if generated else 0, text


def main() -> int:
    more = sys.argv[1:]
    os.chdir(demo.ROOT)
    codes, total, started = [], 0, []
    with demo.running() as (base, credentials):
        try:
            for passes in PASSES:
                at_once = []
                for agency, kind, arguments in passes:
                    environment = sign_in(base, demo.client(credentials, agency, kind))
                    one = Fuzz(base, environment, [*arguments, *more])
                    started.append(one)
                    at_once.append((f"as {kind} of {agency}", one))
                for name, one in at_once:
                    code, cases, printed = one.end()
                    print(f"\n-- {name}\n{printed}", flush=True)
                    codes.append(code)
                    total += cases
        finally:
            for one in started:
                one.run.terminate()
    print(f"\n{total} cases")
    if total < LEAST_CASES and not more:
        print(f"{LEAST_CASES} are promised", file=sys.stderr)
        return 1
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
