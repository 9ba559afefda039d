#!/usr/bin/env bash
# The checks of `make lint` and `make test`, one function each, in the order given: scripts/check.sh lint document tests.
# `tests` comes last, so that the last line tells how many tests passed.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

lint() {
    step 'formatting'
    cargo fmt --check
    step 'clippy, warnings as errors'
    cargo clippy --all-targets --locked -- -D warnings
    if [ -x .tools/python/bin/shellcheck ]; then
        step 'shell scripts'
        .tools/python/bin/shellcheck .ci/run scripts/*.sh
    fi
}

document() {
    step 'OpenAPI document'
    PATH="$PWD/.tools/python/bin:$PWD/.tools/node/node_modules/.bin:$PATH" \
        REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
        redocly lint --config redocly.yaml openapi/openapi.json
}

deployment() {
    step 'Dockerfile and docker-compose.yml'
    .tools/python/bin/python tests/tools/deployment.py
}

# Builds what the tests are run with, and names the program among it: `cargo build` would build the library a second time, with
# the features of fewer dependencies.
program() {
    [ -z "${SIMPUL_PROGRAM:-}" ] || return 0
    step 'build'
    SIMPUL_PROGRAM=$(cargo test --locked --no-run --message-format=json-render-diagnostics | .tools/python/bin/python -c '
import json, sys
made = [json.loads(line) for line in sys.stdin if line.startswith("{")]
programs = [one["executable"] for one in made if one.get("executable") and one["target"]["kind"] == ["bin"] and not one["profile"]["test"]]
print(programs[0])')
    export SIMPUL_PROGRAM
}

fuzz() {
    program
    step 'schemathesis: every operation of a running demo against the document'
    .tools/python/bin/python tests/tools/fuzz.py
}

client() {
    program
    step 'an outside OAuth library: tokens from the metadata document alone'
    .tools/python/bin/python tests/tools/authlib_client.py
}

tests() {
    step 'tests'
    local log code=0
    log=$(mktemp)
    # shellcheck disable=SC2064 # the name is known now and gone later
    trap "rm -f '$log'" EXIT
    DRILL=${DRILL:-full} cargo test --locked --no-fail-fast 2>&1 | tee "$log" || code=$?
    # One sum over all test binaries: the last of them alone (the doc tests) would say little.
    awk '/^test result: / { passed += $4; failed += $6; skipped += $8 }
         END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit passed + failed == 0 }' "$log" || code=1
    return "$code"
}

[ "$#" -gt 0 ] || set -- lint document deployment fuzz client tests
for check in "$@"; do
    case $check in
    lint | document | deployment | fuzz | client | tests) "$check" ;;
    *) echo "unknown check: $check" >&2 && exit 2 ;;
    esac
done
