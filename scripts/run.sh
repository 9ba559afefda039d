#!/bin/sh
# Builds and becomes `simpul demo`. Every step is an exec, so make's child is the service itself: Ctrl-C and SIGTERM
# reach it, and make waits until it has stopped in order. `cargo run` finds the target directory, whoever moved it.
set -eu
cd "$(dirname "$0")/.."

# kill -9 of make (or of whatever else started this) must not leave the service running unseen: on Linux the kernel then
# sends it SIGTERM.
if setpriv --pdeathsig TERM true 2>/dev/null; then
    exec setpriv --pdeathsig TERM cargo run --locked -- demo "$@"
fi
exec cargo run --locked -- demo "$@"
