"""What is measured: a PostgreSQL with a demo's rows and many more, and a service as in production beside it."""

import base64
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
# A quarter of a small database server's memory; and no checkpoint in the middle of the seed.
POSTGRES = ["shared_buffers=1GB", "max_wal_size=8GB"]
# A proxy that the caller's variables name would get the requests; those of PostgreSQL would change its programs.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if "proxy" not in name.lower() and not name.startswith("PG")
}
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ready_line(process: subprocess.Popen, what: str) -> str:
    for line in process.stdout:
        if line.startswith("ready "):
            return line.split()[1]
    raise SystemExit(f"{what} did not start: exit code {process.wait()}")


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.wait(60)


class Database:
    """The demo, for its PostgreSQL, its agencies and their clients. It idles while the service is measured."""

    def __init__(self, program: str, data_dir: pathlib.Path, rows: int, volunteers: int):
        self.program, self.data_dir, self.rows, self.volunteers = program, data_dir, rows, volunteers
        self.seeds = [HERE / "seed.sql", HERE / "volunteers.sql"]
        self.digest = hashlib.sha256(b"".join(seed.read_bytes() for seed in self.seeds)).hexdigest()[:16]
        self.start()
        if not self.is_seeded():
            self.seed()
        # From disk to memory, so that the first to be measured does not pay for all.
        self.sql(
            "CREATE SCHEMA IF NOT EXISTS bench",
            "CREATE EXTENSION IF NOT EXISTS pg_prewarm SCHEMA bench",
            "SELECT sum(bench.pg_prewarm(oid, 'read')) FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')",
        )
        # `simpul serve` refuses a database that a demo made. Here it serves the demo's clients, and nobody else.
        self.sql("UPDATE installation SET demo = false")
        # What the demo sealed, the keys of the service do not open.
        self.sql("DELETE FROM referral_details")
        # Nobody but the ministry sees them all, and it takes no files of its own accord.
        self.sql(
            "UPDATE access_state SET scopes = array_append(scopes, 'imports:write') WHERE NOT scopes @> '{imports:write}' "
            "AND agency_id IN (SELECT id FROM agencies WHERE kind = 'ministry')"
        )

    def start(self) -> None:
        command = [self.program, "demo", "--listen", "127.0.0.1:0", "--data-dir", str(self.data_dir)]
        command += [word for setting in POSTGRES for word in ("--postgres", setting)]
        self.demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        ready_line(self.demo, "the demo")
        pg = self.data_dir / "pg" / "data"
        self.socket = pg.joinpath("postmaster.pid").read_text().splitlines()[4]
        self.programs = pathlib.Path(shlex.split(pg.joinpath("postmaster.opts").read_text())[0]).parent

    def stop(self) -> None:
        stop(self.demo)

    def psql(self, *arguments: str) -> str:
        command = [self.programs / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-U", "postgres"]
        run = subprocess.run([*command, *arguments, "simpul"], capture_output=True, text=True, env=ENVIRONMENT)
        if run.returncode:
            raise SystemExit(f"psql: {run.stderr}")
        return run.stdout.strip()

    def sql(self, *statements: str) -> str:
        return self.psql(*[word for statement in statements for word in ("-c", statement)])

    def is_seeded(self) -> bool:
        if self.sql("SELECT to_regclass('bench.seeded')") == "":
            return False
        if self.sql("SELECT * FROM bench.seeded") != f"{self.rows}|{self.volunteers}|{self.digest}":
            say(f"{self.data_dir} holds other rows: making it anew")
            self.stop()
            shutil.rmtree(self.data_dir)
            self.start()
            return False
        return True

    def seed(self) -> None:
        say(f"seeding {self.rows:,} referrals and {self.volunteers:,} volunteers into {self.data_dir}: some minutes")
        started = time.monotonic()
        variables = {"rows": self.rows, "volunteers": self.volunteers, "digest": self.digest}
        for seed in self.seeds:
            self.psql(*[word for name, value in variables.items() for word in ("-v", f"{name}={value}")], "-f", str(seed))
        say(f"seeded in {time.monotonic() - started:.0f} s")

    def log(self) -> pathlib.Path:
        return self.data_dir / "pg" / "log"

    def credential(self, agency: str, kind: str) -> dict:
        clients = json.loads((self.data_dir / "demo" / "credentials.json").read_text())
        return next(client for client in clients if client["agency"] == agency and client["client_kind"] == kind)


class Service:
    """`simpul serve` with the settings of production that touch speed; only its log goes nowhere."""

    def __init__(self, database: Database, log_level: str = "info"):
        self.database = database
        keys = database.data_dir / "serve-keys"
        keys.mkdir(mode=0o700, exist_ok=True)
        self.environment = {
            **ENVIRONMENT,
            "DATABASE_URL": f"postgres://simpul_service@{urllib.parse.quote(database.socket, safe='')}/simpul",
            "PUBLIC_URL": "http://localhost:8080",
            "LISTEN": "127.0.0.1:0",
            "ADMIN_LISTEN": "off",
            "SIGNING_KEYS_DIR": str(keys),
            **{f"RATE_LIMIT_{of}": "1000000" for of in ("CLIENT", "AGENCY", "TOKENS", "STRANGERS")},
            "DATA_KEYS_DIR": str(keys),
            "DOCUMENTS_DIR": str(keys),
            "LOG_LEVEL": log_level,
        }
        create = [database.program, "keys", "create"]
        subprocess.run(create, env=self.environment, cwd=keys, check=True, stdout=subprocess.DEVNULL)
        # At the level warn it says why it does not start; at info it says every request.
        errors = subprocess.DEVNULL if log_level == "info" else None
        how = {"env": self.environment, "cwd": keys, "stdout": subprocess.PIPE, "stderr": errors, "text": True}
        self.process = subprocess.Popen([database.program, "serve"], **how)  # in a folder without .env
        self.base = ready_line(self.process, "the service")

    def stop(self) -> None:
        stop(self.process)

    def token(self, agency: str, kind: str, **more: str) -> str:
        client = self.database.credential(agency, kind)
        form = urllib.parse.urlencode({"grant_type": "client_credentials"} | more).encode()
        basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        request = urllib.request.Request(f"{self.base}/oauth/token", form, {"Authorization": f"Basic {basic}"})
        with direct.open(request) as answer:
            return json.load(answer)["access_token"]

    def request(self, token: str, path: str, body: dict | None = None, key: str = "") -> dict:
        data = None if body is None else json.dumps(body).encode()
        with self.open(token, path, data, key) as answer:
            return json.load(answer)

    def open(self, token: str, path: str, data: bytes | None = None, key: str = ""):
        headers = {"Authorization": f"Bearer {token}"}
        if data is not None:
            headers |= {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return direct.open(urllib.request.Request(self.base + path, data, headers))

    def memory(self) -> float:
        """Resident megabytes."""
        told = subprocess.check_output(["ps", "-o", "rss=", "-p", str(self.process.pid)], text=True)
        return int(told) / 1024


def first_answer(database: Database) -> float:
    """Milliseconds from the start of `simpul serve` to its first answer, which has asked the database."""
    started = time.monotonic()
    service = Service(database)
    address = urllib.parse.urlsplit(service.base)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = connection.recv(1024)
    took = (time.monotonic() - started) * 1000
    service.stop()
    if b" 200 " not in answer.split(b"\r\n")[0]:
        raise SystemExit(f"/readyz: {answer!r}")
    return took
