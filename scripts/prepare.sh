#!/bin/sh
# Makes a machine ready: `scripts/prepare.sh server` for `make run`, `test` for `make test`, `bench` for `make bench`.
#
# Rust comes from https://rustup.rs and is only checked. The rest is installed where that needs no questions: Debian and
# Ubuntu as root or with password-less sudo, macOS with Homebrew. Elsewhere it names what is missing and exits 1.
# Nothing is started and no database cluster is made: the service and the tests keep a private one of their own.
#
# No cmake: aws-lc-sys, the one large C library, is built by the C compiler alone on Linux and macOS.
set -eu
cd "$(dirname "$0")/.."

oldest_postgres=15
oldest_python=11 # 3.11

say() { printf '%s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- what is missing ------------------------------------------------------------------------------------------------

problems='' # what no package manager mends for us, one line each
missing=''  # things of the case list in `package`

problem() {
    problems="$problems  - $*
"
}
lack() { missing="$missing $1"; }

check_rust() {
    oldest=$(sed -n 's/^rust-version *= *"1\.\([0-9]*\).*/\1/p' Cargo.toml)
    if ! has cargo; then
        problem "Rust 1.$oldest or newer: https://rustup.rs (if it is installed, put its bin folder on the PATH)"
        return
    fi
    if ! found=$(cargo --version 2>&1); then
        problem "a working Rust: 'cargo --version' says: $(printf '%s' "$found" | head -n 1)"
        return
    fi
    minor=$(printf '%s' "$found" | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p')
    [ "${minor:-0}" -ge "$oldest" ] || problem "Rust 1.$oldest or newer, this is $found: rustup update"
}

check_rust_linters() {
    has cargo || return 0
    for tool in fmt clippy; do
        cargo "$tool" --version >/dev/null 2>&1 || problem "cargo $tool: rustup component add rustfmt clippy"
    done
}

check_compiler() {
    has make || lack make
    printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | cc -x c -o /dev/null - 2>/dev/null || lack compiler
}

# Looks where the service looks (`SIMPUL_PG_BIN` alone if set) and prints the newest major version found.
newest_postgres() {
    if [ -n "${SIMPUL_PG_BIN:-}" ]; then
        set -- "$SIMPUL_PG_BIN"
    else
        set -- /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin \
            /Library/PostgreSQL/*/bin /Applications/Postgres.app/Contents/Versions/*/bin
        old_ifs=$IFS
        IFS=:
        set -f
        # shellcheck disable=SC2086 # to be split at the colons
        set -- "$@" $PATH
        set +f
        IFS=$old_ifs
    fi
    newest=0
    for dir in "$@"; do
        if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
            major=$("$dir/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
            [ "${major:-0}" -le "$newest" ] || newest=$major
        fi
    done
    echo "$newest"
}

check_postgres() {
    [ "$(newest_postgres)" -lt "$oldest_postgres" ] || return 0
    if [ -n "${SIMPUL_PG_BIN:-}" ]; then
        problem "SIMPUL_PG_BIN=$SIMPUL_PG_BIN holds no initdb and postgres of version $oldest_postgres or newer"
    else
        lack postgres
    fi
}

check_python() {
    python3 -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, $oldest_python))" 2>/dev/null || lack python
}

# The README's tour and the examples of docs/API.md are run as written. The openssl of macOS is another one and cannot
# sign with Ed25519; the tests look for Homebrew's, too.
signs() { "$1" pkeyutl -help 2>&1 | grep -q rawin; }
check_pasting() {
    has curl || lack curl
    has jq || lack jq
    signs openssl || signs /opt/homebrew/opt/openssl@3/bin/openssl || signs /usr/local/opt/openssl@3/bin/openssl || lack openssl
}

check() {
    problems=''
    missing=''
    check_rust
    check_compiler
    check_postgres
    if [ "$1" = bench ]; then
        check_python
        has wrk || lack wrk
    fi
    if [ "$1" = test ]; then
        check_rust_linters
        check_python
        check_pasting
    fi
}

# --- installing -----------------------------------------------------------------------------------------------------

# The packages for one missing thing, by package manager.
package() {
    case $1-$2 in
    apt-make | brew-make | dnf-make) echo make ;;
    apt-compiler) echo gcc libc6-dev ;;
    dnf-compiler) echo gcc ;;
    brew-compiler) echo gcc ;;
    apt-postgres) newest_postgres_package ;;
    dnf-postgres) echo postgresql-server postgresql-contrib ;;
    brew-postgres) echo postgresql@17 ;;
    apt-python) echo python3 python3-venv ;;
    dnf-python) echo python3 ;;
    brew-python) echo python ;;
    brew-openssl) echo openssl@3 ;;
    *-curl | *-jq | *-openssl | *-wrk) echo "$2" ;;
    esac
}

packages() {
    for thing in $missing; do package "$1" "$thing"; done | tr '\n' ' '
}

# The server package of the newest version that apt knows; the plain name while it knows none, or only older ones.
newest_postgres_package() {
    version=$(apt-cache --names-only search '^postgresql-[0-9]+$' 2>/dev/null | sed 's/^postgresql-\([0-9]*\).*/\1/' | sort -n | tail -n 1)
    if [ "${version:-0}" -ge "$oldest_postgres" ]; then echo "postgresql-$version"; else echo postgresql; fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
may_be_root() { [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }

# Quiet, unless it fails.
apt() {
    log=$(mktemp)
    code=0
    as_root env DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" \
        apt-get -o DPkg::Lock::Timeout=300 -q "$@" >"$log" 2>&1 </dev/null || code=$?
    if [ "$code" != 0 ]; then tail -n 40 "$log" >&2; fi
    rm -f "$log"
    return "$code"
}

install_with_apt() {
    say 'Refreshing the package lists ...'
    apt update || return
    wanted=$(packages apt)
    say "Installing $wanted..."
    # Debian's package makes a cluster and starts it, unless told not to. Told for this one installation only.
    settings=/etc/postgresql-common/createcluster.d
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'as_root rm -f /etc/postgresql-common/createcluster.d/simpul.conf' EXIT
    as_root mkdir -p "$settings"
    as_root sh -c "echo 'create_main_cluster = false' > $settings/simpul.conf"
    result=0
    # shellcheck disable=SC2086 # a list of names
    apt install -y --no-install-recommends $wanted || result=$?
    as_root rm -f "$settings/simpul.conf"
    as_root rmdir "$settings" "${settings%/*}" 2>/dev/null || true # where nothing else is in them
    return "$result"
}

install_with_brew() {
    wanted=$(packages brew)
    say "Installing $wanted..."
    # shellcheck disable=SC2086 # a list of names
    brew install --quiet $wanted >&2
}

give_up() {
    say 'This machine lacks:'
    if [ -n "$problems" ]; then printf '%s' "$problems" >&2; fi
    for thing in $missing; do
        case $thing in
        make) say '  - GNU make' ;;
        compiler) say '  - a C compiler with the headers of the C library' ;;
        postgres) say "  - the PostgreSQL server, version $oldest_postgres or newer, with its contrib modules (or name its bin folder in SIMPUL_PG_BIN)" ;;
        python) say "  - Python 3.$oldest_python or newer with venv" ;;
        curl | jq | wrk) say "  - $thing" ;;
        openssl) say '  - openssl, version 3' ;;
        esac
    done
    if [ -n "$missing" ]; then
        if has apt-get; then
            say "Install with: apt-get update && apt-get install -y --no-install-recommends $(packages apt)"
        elif has dnf; then
            say "Install with: dnf install $(packages dnf)"
        elif has brew || [ "$(uname)" = Darwin ]; then
            say "Install with: brew install $(packages brew)"
        fi
    fi
    exit 1
}

prepare_system() {
    check "$1"
    if [ -z "$problems$missing" ]; then return 0; fi
    if [ -n "$problems" ]; then give_up; fi
    if has apt-get && may_be_root; then
        install_with_apt || give_up
    elif has brew && [ "$(id -u)" != 0 ]; then
        install_with_brew || give_up
    else
        give_up
    fi
    check "$1"
    if [ -n "$problems$missing" ]; then
        say 'Installed what the package manager has, but something is still missing or too old.'
        give_up
    fi
}

# --- the tests' own tools, in .tools/ -------------------------------------------------------------------------------

# A folder under .tools/ is current when its stamp names the same pins and the same place (it cannot be moved).
is_current() { [ "$(cat "$1/stamp" 2>/dev/null)" = "$2" ]; }

prepare_python() {
    stamp="$(pwd) $(python3 --version) $(cksum <tests/tools/requirements.txt)"
    if [ -x .tools/python/bin/python ] && is_current .tools/python "$stamp"; then return 0; fi
    say 'Installing the Python tools of the tests into .tools/python ...'
    rm -rf .tools/python
    python3 -m venv .tools/python
    .tools/python/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-cache-dir \
        --only-binary :all: -r tests/tools/requirements.txt >&2
    printf '%s\n' "$stamp" >.tools/python/stamp
}

# Node itself is one of the Python packages, so the machine's own does not matter.
prepare_node() {
    stamp="$(pwd) $(cat tests/tools/requirements.txt tests/tools/package.json tests/tools/package-lock.json | cksum)"
    if is_current .tools/node "$stamp"; then return 0; fi
    say 'Installing the Node tools of the tests into .tools/node ...'
    rm -rf .tools/node
    mkdir -p .tools/node
    cp tests/tools/package.json tests/tools/package-lock.json .tools/node/
    (
        PATH="$(pwd)/.tools/python/bin:$PATH"
        cd .tools/node
        npm ci --cache ./cache --no-audit --no-fund --no-update-notifier --ignore-scripts --loglevel=error >/dev/null
    )
    rm -rf .tools/node/cache
    printf '%s\n' "$stamp" >.tools/node/stamp
}

case ${1:-} in
server | bench)
    prepare_system "$1"
    ;;
test)
    prepare_system test
    prepare_python
    prepare_node
    ;;
*)
    say "usage: scripts/prepare.sh server|test|bench"
    exit 2
    ;;
esac
