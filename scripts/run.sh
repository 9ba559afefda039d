#!/bin/sh
# Builds and becomes `simpul demo`. Every step is an exec, so make's child is the service itself: Ctrl-C and SIGTERM
# reach it, and make waits until it has stopped in order. `cargo run` finds the target directory, whoever moved it. The checks
# name a program that is built: SIMPUL_PROGRAM.
set -eu
cd "$(dirname "$0")/.."
if [ -n "${SIMPUL_PROGRAM:-}" ]; then
    set -- "$SIMPUL_PROGRAM" demo "$@"
else
    set -- cargo run --locked -- demo "$@"
fi

# kill -9 of make (or of whatever else started this) must not leave the service running unseen: on Linux the kernel then
# sends it SIGTERM.
if setpriv --pdeathsig TERM true 2>/dev/null; then
    exec setpriv --pdeathsig TERM "$@"
fi
exec "$@"
