"""The statements that the service sends for one request, taken from PostgreSQL's log, as a script for pgbench.

pgbench prepares each of them once a connection (`-M prepared`) with the values of the captured request, save those that
make every request another one: they come from a number that the script draws or counts.
"""

import dataclasses
import re
import time
import uuid

from machine import Database

# Asked for every request, but then remembered for half a second. (`SET` begins a session.)
REMEMBERED = '"access_state"'
# The id that the seeds give to row n of a table (`{0}`), and one of a row that is made now (`{0}`: which of those of a transaction).
SEEDED_ID = "('0' || to_hex(1700000000000 + :n::bigint) || '70008000{0:012x}')::uuid"
NEW_ID = "('0' || to_hex(:n::bigint) || '7000{0:04x}{1:012x}')::uuid"
LOGGED = {
    "log_statement": "all",
    "log_error_verbosity": "default",
    "log_parameter_max_length": "-1",
}


@dataclasses.dataclass
class Statement:
    sql: str
    # As PostgreSQL prints them; None: null.
    values: list[str | None]


class Log:
    """Whatever is logged of sessions that begin inside `with`."""

    def __init__(self, database: Database):
        self.database = database

    def __enter__(self) -> "Log":
        self.database.sql(*[f"ALTER DATABASE simpul SET {name} = '{value}'" for name, value in LOGGED.items()])
        return self

    def __exit__(self, *_: object) -> None:
        self.database.sql(*[f"ALTER DATABASE simpul RESET {name}" for name in LOGGED])

    def of(self, request) -> tuple[list[Statement], object]:
        """The statements of a request and its answer. Asked until two in a row sent the same: the first ones also
        fill memories, and other sessions may come between."""
        before = None
        for _ in range(8):
            start = self.database.log().stat().st_size
            answer = request()
            time.sleep(0.05)
            with self.database.log().open() as log:
                log.seek(start)
                statements = [s for s in read(log.read()) if not s.sql.startswith("SET ") and REMEMBERED not in s.sql]
            # Sent side by side on several connections, they come in any order.
            now = sorted(statement.sql for statement in statements)
            if now and now == before:
                return statements, answer
            before = now
        raise SystemExit("the service sends other statements each time")


def read(log: str) -> list[Statement]:
    statements = []
    for line in log.splitlines():
        if found := re.search(r"LOG:  (?:execute [^:]*|statement): (.*)", line):
            statements.append(Statement(found[1].rstrip("; "), []))
        elif found := re.search(r"DETAIL:  [Pp]arameters: (.*)", line):
            values = re.findall(r"\$\d+ = (?:'((?:[^']|'')*)'|NULL)", found[1])
            nulls = re.findall(r"\$\d+ = (?:'(?:[^']|'')*'|(NULL))", found[1])
            statements[-1].values = [None if null else value.replace("''", "'") for value, null in zip(values, nulls)]
    return statements


class Script:
    """A script of pgbench, and the variables that it needs."""

    def __init__(self):
        self.lines, self.variables, self.expressions = [], {}, {}

    def differs(self, value: str, expression: str) -> None:
        """This value of the captured request becomes this expression."""
        self.expressions[value] = expression

    def new_ids(self, statements: list[Statement], since: float, connections: int) -> None:
        """Every id that the service made for the request is made anew, in the order of time as the service does."""
        values = [value for statement in statements for value in statement.values if value]
        made = dict.fromkeys(id for value in values for id in [value, *elements(value)] if is_new(id, since))
        for which, value in enumerate(made):
            self.differs(value, NEW_ID.format(0x8000 + which, int(time.time())))
        self.lines += ["\\set turn :turn + 1", f"\\set n :base + :turn * {connections} + :client_id"]

    def add(self, statements: list[Statement]) -> None:
        for statement in statements:
            sql = re.sub(r"\$(\d+)", lambda found: self.term(statement.values[int(found[1]) - 1]), statement.sql)
            self.lines.append(sql + ";")

    def term(self, value: str | None) -> str:
        if value is None:
            return "NULL"
        if value in self.expressions:
            return self.expressions[value]
        if any(element in self.expressions for element in elements(value)):
            terms = [self.expressions.get(element, f"'{element}'") for element in elements(value)]
            return f"ARRAY[{', '.join(terms)}]"
        # One name for one value: pgbench takes values of variables, not texts, as parameters.
        name = self.variables.setdefault(value, f"value{len(self.variables)}")
        return f":{name}"


def elements(value: str) -> list[str]:
    """Of an array that needs no quotes, such as one of ids or codes."""
    return value[1:-1].split(",") if re.fullmatch(r"\{[-\w.,]+\}", value) else []


def is_new(value: str, since: float) -> bool:
    if not re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        return False
    made = uuid.UUID(value)
    return made.version == 7 and (made.int >> 80) / 1000 >= since
