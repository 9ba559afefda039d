"""What a document cannot say and a fuzzer cannot invent: ids of rows that exist, their current version, unused keys.

Without these nearly every generated request ends at 404, and what lies behind is never reached. Values that schemathesis made
wrong on purpose are left as they are. No operation is named here: `/v1/things/{id}…` takes its ids from `GET /v1/things`, whatever
the things are.
"""

import itertools
import os
import uuid

import requests
import schemathesis
from hypothesis import strategies
from schemathesis.core.parameters import ParameterLocation

SESSION = requests.Session()
SESSION.trust_env = False  # no proxy between this and a service on the same machine
SESSION.headers["Authorization"] = f"Bearer {os.environ['SIMPUL_TOKEN']}"
REACH = 50  # rows of a list, oldest first
TURNS, READS = itertools.count(), itertools.count()
KNOWN: dict[str, list[str]] = {}


# Province, regency, district; day (of women: + 40), month, year; serial. Nobody's: no regency has the number 99.
NIK = strategies.builds(
    "{}99{:02}{:02}{:02}{:02}{:04}".format,
    strategies.sampled_from([11, 17, 32, 71, 94]),
    strategies.integers(1, 99),
    strategies.integers(1, 28) | strategies.integers(41, 68),
    strategies.integers(1, 12),
    strategies.integers(0, 99),
    strategies.integers(1, 9999),
)
schemathesis.openapi.format("nik", NIK)

NETWORK = strategies.sampled_from(["203.0.113.0/24", "10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"])
schemathesis.openapi.format("ip-network", NETWORK)


# Files: schemathesis knows how to send none of these.
@schemathesis.serializer(
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/x-ndjson",
    "image/jpeg",
    "image/png",
)
def as_it_is(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()


def ids(base: str, collection: str) -> list[str]:
    """The ids of a list, read again now and then: the run itself makes rows."""
    if collection not in KNOWN or next(READS) % 50 == 0:
        answer = SESSION.get(f"{base}{collection}", params={"limit": REACH}, timeout=10)
        items = answer.json().get("items", []) if answer.ok else []
        found = [item.get("id") or item.get("agency_id") or item.get("code") or item.get("name") for item in items]
        # Changing oneself could take away the right to go on.
        KNOWN[collection] = [one for one in found if one and one not in own(base)]
    return KNOWN[collection]


def own(base: str) -> list[str]:
    if "" not in KNOWN:
        me = SESSION.get(f"{base}/v1/me", timeout=10).json()
        KNOWN[""] = [me["agency_id"], me["client_id"]]
    return KNOWN[""]


def made_wrong(case, location: ParameterLocation) -> bool:
    return case.meta is not None and case.meta.is_negative_at(location)


@schemathesis.hook
def before_call(context, case, kwargs):
    # A cursor is sealed by the service: one that is made up is wrong, whatever the schema of a string says.
    if "cursor" in (case.query or {}) and not made_wrong(case, ParameterLocation.QUERY):
        del case.query["cursor"]
    if case.meta is None or case.meta.phase.name.value == "stateful":
        return  # the steps of a story follow from each other
    base = case.operation.base_url.rstrip("/")
    turn = next(TURNS)
    parameters = case.path_parameters or {}
    if len(parameters) == 1 and not made_wrong(case, ParameterLocation.PATH) and turn % 4:
        (name,) = parameters
        collection = case.operation.path.split("/{")[0]
        if rows := ids(base, collection):
            case.path_parameters[name] = rows[turn % len(rows)]
            row = f"{collection}/{case.path_parameters[name]}"
            if "If-Match" in (case.headers or {}) and not made_wrong(case, ParameterLocation.HEADER) and turn % 8:
                current = SESSION.get(f"{base}{row}", timeout=10).headers.get("ETag")
                if current:
                    case.headers["If-Match"] = current
    if "Idempotency-Key" in (case.headers or {}) and not made_wrong(case, ParameterLocation.HEADER) and turn % 8:
        case.headers["Idempotency-Key"] = str(uuid.uuid5(uuid.NAMESPACE_OID, str(turn)))
