"""`make bench`: how fast the service answers, and how far that is from what PostgreSQL alone can do.

Every figure stands beside one of pgbench, which sends the very statements that the service sends (taken from
PostgreSQL's log, see statements.py), over the same socket, with as many connections, in turn with the service: the
machine may be shared, so only ratios of one run mean something. docs/performance.md says how to read them.

    python3 bench/run.py [--rows N] [--volunteers N] [--rounds N] [--seconds N] [--data-dir DIR] [--explain] [--write]
"""

import argparse
import dataclasses
import datetime
import json
import math
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import statements
from machine import ENVIRONMENT, HERE, Database, Service, first_answer, say

ROOT = HERE.parent
DOCUMENT = ROOT / "docs" / "performance.md"
CONNECTIONS, MORE_CONNECTIONS = 64, 128
SETTLING = 2
REFUSED = 0.001
BY_ID, BY_ID_SHOWN = "by id, person masked", "by id, person shown and recorded"
# As the sessions of the service are, src/platform/db.
READING = {"plan_cache_mode": "force_generic_plan", "max_parallel_workers_per_gather": "0", "jit": "off"}
READER, WRITER = " ".join(f"-c {name}={value}" for name, value in READING.items()), "-c synchronous_commit=on"
# Nobody may read them to the end to answer a request.
LARGE = (
    "referrals", "cases", "case_people", "referral_counts", "regions", "volunteers", "volunteer_people", "name_words",
)
# Rows that a page of a list may read.
MOST_READ = 1000
# Which ids are whose, see seed.sql and volunteers.sql.
REFERRALS, VOLUNTEERS = 3, 6
# Whoever waits for an answer waits for it alone: searches are measured by how long one takes, with as many at a time as there
# are cores.
SEARCHERS, SEARCH_P95 = 2, 30
EXPORTS = ("csv", "ndjson", "xlsx")
# A village in each of eight regencies of Bengkulu: one regency counts its cases one after the other.
VILLAGES = [
    "17.01.01.2001", "17.02.06.1004", "17.03.01.2001", "17.04.01.2001",
    "17.05.01.1001", "17.06.02.1017", "17.07.01.1004", "17.08.01.1007",
]


@dataclasses.dataclass
class Load:
    """One kind of request, and who sends it."""

    name: str
    agency: str
    client: str
    path: str
    # What it reads or writes: without it the request was answered by something else than meant.
    table: str
    # Rows whose n modulo 20 is this, see seed.sql; None: the path is whole.
    kind: int | None = None
    which: int = REFERRALS
    bodies: list[dict] | None = None
    # Of the ratio; None: it is compared with another load and not with pgbench.
    goal: float | None = None
    connections: int = 64
    # Milliseconds; None: it is measured by how many there are in a second.
    p95: float | None = None
    # It is planned for its values, on the connections for reports.
    by_values: bool = False

    @property
    def creates(self) -> bool:
        return self.path == "/v1/cases"


@dataclasses.dataclass
class Figure:
    """What was measured of a load: one number a round."""

    service: list[float] = dataclasses.field(default_factory=list)
    service_p50: list[float] = dataclasses.field(default_factory=list)
    service_p95: list[float] = dataclasses.field(default_factory=list)
    service_p99: list[float] = dataclasses.field(default_factory=list)
    pgbench: list[float] = dataclasses.field(default_factory=list)
    pgbench_p99: list[float] = dataclasses.field(default_factory=list)
    statements: int = 0
    asked: int = 0
    refused: int = 0


@dataclasses.dataclass
class Export:
    """One file of all volunteers: seconds until the last byte and the first, megabytes of it, and of the service's memory."""

    form: str
    seconds: float
    first: float
    size: float
    memory: float


def loads(service: Service) -> list[Load]:
    bpjs, branch, office = "BPJS Kesehatan", "BPJS Kesehatan Mukomuko", "Dinas Sosial Provinsi Bengkulu"
    ministry, regency = "Kementerian Sosial", "Dinas Sosial Kabupaten Mukomuko"
    waiting = "/v1/referrals?direction=received&status=received&limit=20"
    figures, counts = "/v1/statistics/referrals", "referral_counts"
    systems = service.request(service.token(office, "officer"), "/v1/source-systems?service=pbi_jk_reactivation")
    target = next(system["agency_id"] for system in systems["items"] if system["name"] == bpjs)
    cases = [new_case(village, target) for village in VILLAGES]
    return [
        Load(BY_ID, bpjs, "system", "/v1/referrals/", "referrals", kind=0, goal=0.9),
        Load(BY_ID_SHOWN, bpjs, "system", "/v1/referrals/", "audit_events", kind=2),
        Load("list of 20, waiting for a branch", branch, "officer", waiting, "referrals", goal=0.7),
        Load("the same for BPJS and two branches", bpjs, "system", waiting, "referrals", goal=0.7),
        Load("list of 20, overdue at a branch", branch, "officer", "/v1/referrals?receiver=me&overdue=true&limit=20", "referrals", goal=0.7),
        Load("list of 20, escalated, of a province", office, "officer", "/v1/referrals?escalated=1&limit=20", "referrals"),
        Load("list of 20, changed lately, of BPJS", bpjs, "system", "/v1/referrals?receiver=me&updated_from=2026-11-01T00:00:00Z&limit=20", "referrals"),
        Load("list of 20, in a rare state, of the country", ministry, "officer", "/v1/referrals?status=cancelled&limit=20", "referrals", by_values=True),
        Load("list of 20 of a regency", regency, "officer", "/v1/referrals?status=submitted&limit=20", "referrals"),
        Load("list of 20, due first, of the country", ministry, "officer", "/v1/referrals?order=due&limit=20", "referrals"),
        Load("cases of a province that are not referred", office, "officer", "/v1/cases?status=open&referred=false&limit=20", "cases"),
        Load("worklists with counts, of a branch", branch, "officer", "/v1/referrals/worklists", "referrals", connections=SEARCHERS, p95=300),
        Load("worklists with counts, of a province", office, "officer", "/v1/referrals/worklists", "referrals", connections=SEARCHERS, p95=300),
        Load("figures of a province, a month", office, "officer", f"{figures}?period=2026-10", counts, goal=0.8),
        Load("figures of a province, a year", office, "dashboard", f"{figures}?period=2026", counts, goal=0.8),
        Load("case with a first referral", office, "officer", "/v1/cases", "idempotency_keys", bodies=cases, goal=0.8),
        *volunteer_loads(),
    ]


def volunteer_loads() -> list[Load]:
    ministry, regency = ("Kementerian Sosial", "officer"), ("Dinas Sosial Kabupaten Mukomuko", "officer")
    people, several = "volunteer_people", "status=active&level=basic&sex=female&age_band=25-44&has_phone=true&posted_from=2024-06-01"
    return [
        Load("volunteer by id, recorded", *ministry, "/v1/volunteers/", people, kind=0, which=VOLUNTEERS),
        Load("list of 50 volunteers of a regency", *regency, "/v1/volunteers?limit=50", people),
        Load("the same by six filters", *regency, f"/v1/volunteers?limit=50&{several}", people),
        *[
            Load(f"search: {what}", *who, "/v1/volunteers/search-names", people, bodies=[{"name": name} for name in names],
                 connections=SEARCHERS, p95=SEARCH_P95)
            for what, who, names in [
                ("a common word, in a regency", regency, ["Siti", "Muhammad", "Achmad", "Nur"]),
                ("a common word, in the country", ministry, ["Siti", "Muhammad", "Achmad", "Nur"]),
                ("two words, in the country", ministry, ["Siti Rahayu", "Soekarno Putra", "Muhammad Hasibuan", "Euis Wati"]),
                ("a rare word, in the country", ministry, ["Babigi", "Babofa", "Bacucu", "Tjipto Napitupulu"]),
                ("letters amiss, in the country", ministry, ["Napitpulu", "Simanjutnak", "Raymawati", "Hasibaun"]),
                ("three letters, in the country", ministry, ["sit", "ban", "soe", "nap"]),
                ("one letter, in the country", ministry, ["s", "b", "m", "d"]),
                ("all of these", ministry, ["Siti", "Achmad", "Siti Rahayu", "Babigi", "Napitpulu", "sit", "Soekarno Putra", "s"]),
            ]
        ],
    ]


def new_case(village: str, target: str) -> dict:
    """Who the person is, load.lua fills in: of somebody who has a case already that one would be offered."""
    return {
        "village_code": village,
        "person": {"name": "@name@", "sex": "female", "birth_date": "@born@", "nik": village.replace(".", "")[:6] + "@nik@", "address": "RT 03"},
        "ppks": ["PPKS-24"],
        "need": "Sakit dan tidak lagi mampu bekerja; kepesertaan jaminan kesehatan tidak aktif, perlu didampingi.",
        "lawful_basis": "public_task",
        "referral": {"target_agency_id": target, "service": "pbi_jk_reactivation"},
    }


def somebody(body: dict, number: int) -> dict:
    """A body with a person as load.lua makes them."""
    # The serial of no real NIK is so high.
    words = {"name": f"Siti Ba{'ba' * number}", "born": "1950-01-01", "nik": f"410150{9000 + number}"}
    return json.loads(re.sub("@([a-z]+)@", lambda found: words[found[1]], json.dumps(body)))


class Bench:
    def __init__(self, options: argparse.Namespace, database: Database, scratch: pathlib.Path):
        self.options, self.database, self.scratch = options, database, scratch
        self.turns = 0
        self.scripts: dict[str, statements.Script] = {}
        self.figures: dict[str, Figure] = {}

    def capture(self) -> list[Load]:
        """Takes the statements of every load from the log, and looks at their plans."""
        with statements.Log(self.database) as log:
            service = Service(self.database, log_level="warn")
            try:
                wanted = [load for load in loads(service) if self.options.only in load.name]
                for load in wanted:
                    self.figures[load.name] = Figure()
                    self.capture_one(service, log, load)
            finally:
                service.stop()
        return wanted

    def capture_one(self, service: Service, log: statements.Log, load: Load) -> None:
        token = service.token(load.agency, load.client)
        body, stamp = load.bodies[0] if load.bodies else None, int(time.time())
        path = load.path + (seeded_id(load.kind, load.which) if load.kind is not None else "")
        keys: list[str] = []

        def request() -> dict:
            keys.append(f"capture-{stamp}-{len(keys)}")
            return service.request(token, path, body and somebody(body, len(keys)), keys[-1])

        since = time.time()
        found, answer = log.of(request)
        if not any(f'"{load.table}"' in statement.sql for statement in found):
            raise SystemExit(f"{load.name}: no statement on {load.table}: {answer}")
        script = statements.Script()
        if load.kind is not None:
            script.differs(seeded_id(load.kind, load.which), statements.SEEDED_ID.format(load.which))
            script.lines.append(f"\\set n 20 * random(0, {self.rows(load) // 20 - 1}) + {load.kind}")
        if load.creates:
            self.make_unlike(script, found, answer, keys[-1], since)
        script.add(found)
        self.scripts[load.name] = script
        self.figures[load.name].statements = len(found)
        self.look_at_plans(load, found)

    def rows(self, load: Load) -> int:
        return self.options.volunteers if load.which == VOLUNTEERS else self.options.rows

    @staticmethod
    def make_unlike(script: statements.Script, found: list, answer: dict, key: str, since: float) -> None:
        """What makes every create another one: its place, number, key, and the ids of all its rows."""
        stamp, lock = int(since), next(s.values[0] for s in found if "pg_try_advisory_xact_lock" in s.sql)
        script.lines.append(f"\\set v random(1, {len(VILLAGES)})")
        for length in (5, 8, 13):
            codes = ", ".join(f"'{village[:length]}'" for village in VILLAGES)
            script.differs(VILLAGES[0][:length], f"(ARRAY[{codes}])[:v]")
        script.differs(answer["number"], f"('{answer['number'].rsplit('-', 1)[0]}-{stamp}' || :n)")
        script.differs(key, f"('{stamp}-' || :n)")
        script.differs(lock, ":n")
        # Who is looked for among those who have a case.
        person = next(s for s in found if s.sql.startswith("INSERT") and '"name_key"' in s.sql)
        at = [name.strip(' "') for name in re.search(r"\((.*?)\) VALUES", person.sql)[1].split(",")]
        unlike = {"nik_index": "decode(md5('a' || :n) || md5('b' || :n), 'hex')", "name_key": "('ba ' || :n)",
                  "birth_date": "(date '1950-01-01' + (:n::bigint % 20000)::integer)"}
        for column, expression in unlike.items():
            script.differs(person.values[at.index(column)], expression)
        script.new_ids(found, since, CONNECTIONS)

    def look_at_plans(self, load: Load, found: list[statements.Statement]) -> None:
        for statement in found:
            if self.options.explain:
                say(f"\n-- {load.name}\n{statement.sql}\n-- {statement.values}")
            if not statement.sql.startswith("SELECT") or load.creates:
                continue
            values = ", ".join("NULL" if v is None else "'" + v.replace("'", "''") + "'" for v in statement.values)
            reading = READING | ({"plan_cache_mode": "force_custom_plan"} if load.by_values else {})
            plan = self.database.sql(
                *[f"SET {name} = {value}" for name, value in reading.items()],
                f"PREPARE it AS {statement.sql}",
                f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) EXECUTE it{f'({values})' if values else ''}",
            )
            if self.options.explain:
                say(plan)
            if scan := re.search(rf"Seq Scan on ({'|'.join(LARGE)})\b", plan):
                raise SystemExit(f"{load.name}: {scan[0]}\n{statement.sql}\n{plan}")
            # A page is read in the order of an index: what sorts all there are for the first few is slow where there are many.
            read = re.findall(rf"Scan .*on (?:{'|'.join(LARGE)})\b.*? rows=(\d+) loops=1\)", plan)
            read += re.findall(r"Bitmap Index Scan on \w+ .*? rows=(\d+) loops=1\)", plan)
            # What an index found and a filter left out was read too.
            read += re.findall(r"Rows Removed by Filter: (\d+)", plan)
            if "ORDER BY" in statement.sql and "/v1/referrals?" in load.path and max(map(int, read), default=0) > MOST_READ:
                raise SystemExit(f"{load.name}: it reads {max(map(int, read)):,} rows for a page\n{statement.sql}\n{plan}")

    def wrk(self, service: Service, load: Load, seconds: int, connections: int = 0) -> subprocess.Popen:
        self.turns += 1
        environment = {
            **ENVIRONMENT,
            "BENCH_TOKEN": service.token(load.agency, load.client),
            "BENCH_PATH": load.path,
            "BENCH_ROWS": str(self.rows(load)),
            "BENCH_WHICH": str(load.which),
            "BENCH_ROUND": f"{int(time.time())}{self.turns:02}",
        }
        if load.kind is not None:
            environment["BENCH_KIND"] = str(load.kind)
        if load.bodies:
            bodies = self.scratch / "bodies"
            bodies.write_text("".join(json.dumps(body) + "\n" for body in load.bodies))
            environment["BENCH_BODIES"] = str(bodies)
        command = ["wrk", "-t2", f"-c{connections or load.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", HERE / "load.lua"]
        return subprocess.Popen([*command, service.base], stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, service: Service, load: Load, seconds: int) -> dict:
        """Requests a second, and percentiles in milliseconds."""
        told = wrk_answer(load, self.wrk(service, load, seconds))
        self.figures[load.name].asked += told["requests"]
        self.figures[load.name].refused += told["refused"]
        return told | {"rate": told["requests"] / told["seconds"]}

    def pgbench(self, load: Load, seconds: int) -> tuple[float, float]:
        """Transactions a second and p99 in milliseconds of the same statements without the service."""
        self.turns += 1
        script = self.scripts[load.name]
        for old in self.scratch.glob("pgbench*"):
            old.unlink()
        file = self.scratch / "script.sql"
        file.write_text("\n".join(script.lines) + "\n")
        command = [self.database.programs / "pgbench", "-h", self.database.socket, "-U", "simpul_service", "-f", file]
        # The first seconds are for connecting and preparing, which the service did long ago.
        command += ["-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2", "-T", str(seconds + SETTLING), "-P", "1"]
        command += ["-l", "--sampling-rate=0.1", f"--log-prefix={self.scratch / 'pgbench'}"]
        # Ids of one turn lie beyond those of the turn before.
        command += ["-D", "turn=0", "-D", f"base={int(time.time() * 1000) + 10_000_000 * self.turns}"]
        command += [word for value, name in script.variables.items() for word in ("-D", f"{name}={value}")]
        environment = {**ENVIRONMENT, "PGOPTIONS": WRITER if load.bodies else READER}
        began = time.time()
        run = subprocess.run([*command, "simpul"], capture_output=True, text=True, env=environment)
        rates = [float(rate) for rate in re.findall(r"progress: .*?, ([\d.]+) tps", run.stderr)][SETTLING:]
        if run.returncode or "aborted" in run.stderr or not rates:
            raise SystemExit(f"pgbench, {load.name}: {run.stderr[:2000]}\n{run.stdout}")
        lines = [line.split() for log in self.scratch.glob("pgbench*") for line in log.read_text().splitlines()]
        times = [int(line[2]) for line in lines if int(line[4]) >= began + SETTLING]
        rate = statistics.mean(rates)
        times = sorted(corrected(times, CONNECTIONS / rate * 1e6))
        return rate, times[math.ceil(len(times) * 0.99) - 1] / 1000

    def measure(self, service: Service, load: Load) -> None:
        figure, warm = self.figures[load.name], max(2, self.options.seconds // 3)
        for turn in range(self.options.rounds + 1):
            seconds = self.options.seconds if turn else warm
            told = self.ask(service, load, seconds)
            if turn:
                figure.service.append(told["rate"])
                figure.service_p50.append(told["p50"])
                figure.service_p95.append(told["p95"])
                figure.service_p99.append(told["p99"])
            line = f"{load.name}: {told['rate']:,.0f}/s, p95 {told['p95']:.1f} ms, p99 {told['p99']:.1f} ms"
            if load.goal is not None:
                rate, p99 = self.pgbench(load, seconds)
                if turn:
                    figure.pgbench.append(rate)
                    figure.pgbench_p99.append(p99)
                line += f"; pgbench {rate:,.0f}/s, p99 {p99:.1f} ms"
            say(line if turn else f"{line} (warming up)")

    def memory(self, service: Service, load: Load) -> float:
        run = self.wrk(service, load, 6, MORE_CONNECTIONS)
        time.sleep(5)
        resident = service.memory()
        wrk_answer(load, run)
        return resident


    def export(self, service: Service, form: str) -> Export:
        """The whole country as a file, taken as fast as it comes."""
        body = json.dumps({"format": form}).encode()
        token = service.token("Kementerian Sosial", "officer", acting_user="bench")
        started, taken, most = time.monotonic(), 0, service.memory()
        with service.open(token, "/v1/exports/volunteers", body) as answer:
            first = time.monotonic() - started
            while part := answer.read(1 << 20):
                taken += len(part)
                most = max(most, service.memory())
        # An answer that was broken off has raised by now.
        return Export(form, time.monotonic() - started, first, taken / 1e6, most)


def corrected(times: list[int], usual: float) -> list[float]:
    """With what a request would have waited that was not sent because the one before it was slow: wrk counts these too."""
    late = [time - usual * n for time in times if time >= 2 * usual for n in range(1, int(time / usual))]
    return times + [time for time in late if time > usual]


def wrk_answer(load: Load, run: subprocess.Popen) -> dict:
    output, _ = run.communicate()
    told = json.loads(output.splitlines()[-1]) if run.returncode == 0 else {}
    # With all cores busy a statement may take longer than the service waits: a 503 now and then. More of them, or anything
    # else, makes the figures worthless.
    if not told or told["failed"] or told["refused"] > told["requests"] * REFUSED:
        raise SystemExit(f"{load.name}: {output}")
    return told


def seeded_id(n: int, which: int) -> str:
    digits = f"0{1_700_000_000_000 + n:x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-{which:012x}"


def table(bench: Bench, wanted: list[Load], exports: list[Export], memory: float, start: float, busy: float) -> str:
    """The measured block of docs/performance.md."""
    middle = statistics.median
    all_figures = [bench.figures[load.name] for load in wanted]
    options, postgres = bench.options, bench.database.sql("SHOW server_version").split()[0]
    lines = [
        f"Measured on {datetime.date.today()} at {commit()}, PostgreSQL {postgres},",
        f"{os.cpu_count()} cores ({processor()}; load average before: {busy:.1f}), {options.rows:,} referrals, {options.volunteers:,} volunteers,",
        f"{CONNECTIONS} connections, medians of {options.rounds} rounds of {options.seconds} s.",
        f"{sum(f.refused for f in all_figures):,} of {sum(f.asked for f in all_figures):,} answers were not 200 or 201.",
        "",
        "| request | statements | req/s | pgbench/s | ratio | goal | p99 ms | pgbench's p99 | ratio | goal |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for load in [load for load in wanted if load.p95 is None]:
        f = bench.figures[load.name]
        rate, p99 = middle(f.service), middle(f.service_p99)
        row = [load.name, str(f.statements), f"{rate:,.0f}"]
        if load.goal is None:
            row += ["–", "–", "–", f"{p99:.1f}", "–", "–", "–"]
        else:
            best, best_p99 = middle(f.pgbench), middle(f.pgbench_p99)
            row += [f"{best:,.0f}", f"**{rate / best:.2f}**", f"≥ {load.goal:.2f}"]
            row += [f"{p99:.1f}", f"{best_p99:.1f}", f"**{p99 / best_p99:.2f}**", "≤ 1.5"]
        lines.append("| " + " | ".join(row) + " |")
    if searches := [load for load in wanted if load.p95 is not None]:
        lines += ["", f"| request, {SEARCHERS} connections | statements | req/s | p50 ms | p95 ms | p99 ms | goal of p95 |"]
        lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for load in searches:
        f = bench.figures[load.name]
        times = [f"{middle(f.service_p50):.1f}", f"**{middle(f.service_p95):.1f}**", f"{middle(f.service_p99):.1f}"]
        row = [load.name, str(f.statements), f"{middle(f.service):,.0f}", *times, f"≤ {load.p95}"]
        lines.append("| " + " | ".join(row) + " |")
    if exports:
        lines += ["", f"| all {options.volunteers:,} volunteers as a file | s | first byte, s | rows/s | MB | memory at most, MB |"]
        lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for e in exports:
        rate = options.volunteers / e.seconds
        lines.append(f"| {e.form} | {e.seconds:.1f} | {e.first:.1f} | {rate:,.0f} | {e.size:.0f} | **{e.memory:.0f}** |")
    lines += ["", "| figure | measured | goal |", "| --- | ---: | ---: |"]
    if (plain := bench.figures.get(BY_ID)) and (shown := bench.figures.get(BY_ID_SHOWN)):
        lines += [f"| {BY_ID_SHOWN} / masked | **{middle(shown.service) / middle(plain.service):.2f}** | ≥ 0.5 |"]
    lines += [
        f"| resident memory at {MORE_CONNECTIONS} connections, after all the above | **{memory:.0f} MB** | ≤ 30 MB |",
        f"| start to first answer, migrated database | **{start:.0f} ms** | ≤ 150 ms |",
    ]
    return "\n".join(lines)


def commit() -> str:
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    changed = " with changes" if git("status", "--porcelain", "--", "src", "migrations", "Cargo.lock") else ""
    return (git("rev-parse", "--short", "HEAD") or "no commit") + changed


def processor() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return " ".join(found[1].split()) if found else "unknown"


def write(text: str) -> None:
    begin, end = "<!-- measured: begin (make bench ARGS=--write) -->\n", "<!-- measured: end -->"
    before, rest = DOCUMENT.read_text().split(begin)
    _, after = rest.split(end)
    DOCUMENT.write_text(f"{before}{begin}{text}\n{end}{after}")
    say(f"written into {DOCUMENT.relative_to(ROOT)}")


def build() -> str:
    """The program as production has it, see Dockerfile."""
    command = ["cargo", "build", "--release", "--locked", "--bin", "simpul", "--message-format=json-render-diagnostics"]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        raise SystemExit(run.returncode)
    built = (json.loads(line) for line in run.stdout.splitlines())
    return next(b["executable"] for b in built if b.get("executable") and b["target"]["name"] == "simpul")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="referrals; seeded only if not there")
    parser.add_argument("--volunteers", type=int, help="half as many as referrals, unless told; seeded only if not there")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="of a round")
    parser.add_argument("--data-dir", type=pathlib.Path, default=ROOT / ".bench")
    parser.add_argument("--only", default="", help="loads whose name holds this word")
    parser.add_argument("--explain", action="store_true", help="show the plans of all reads")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    options = parser.parse_args()
    if options.rows < 1000 or options.rows % 20:
        parser.error("--rows is a multiple of 20, from 1000")
    options.volunteers = options.volunteers or options.rows // 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    busy = os.getloadavg()[0]
    if busy > 0.5:
        say(f"load average {busy:.1f}: something else is running, which pgbench's many processes push aside better")
    database = Database(build(), options.data_dir.resolve(), options.rows, options.volunteers)
    try:
        with tempfile.TemporaryDirectory(prefix="simpul-bench-") as scratch:
            bench = Bench(options, database, pathlib.Path(scratch))
            wanted = bench.capture()
            start = statistics.median(first_answer(database) for _ in range(5))
            service = Service(database)
            try:
                for load in wanted:
                    bench.measure(service, load)
                exports = [bench.export(service, form) for form in EXPORTS if options.only in "export"]
                memory = bench.memory(service, wanted[0]) if wanted else service.memory()
            finally:
                service.stop()
            text = table(bench, wanted, exports, memory, start, busy)
    finally:
        database.stop()
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
