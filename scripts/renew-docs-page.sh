#!/usr/bin/env bash
# Fetches the API reference of /docs from npm into assets/docs/: scripts/renew-docs-page.sh [VERSION]. Without a version: the
# one that is committed, which must give the same bytes again. Review the change like any other dependency's, look at
# /docs in a browser (docs/decisions/0010-docs-page.md says at what), and commit it.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@scalar/api-reference
version=${1:-$(cat assets/docs/scalar.version)}
# npm of the tests' tools; npm checks the tarball against the registry's sha512.
PATH="$PWD/.tools/python/bin:$PATH"
command -v npm >/dev/null || { echo 'npm is missing: make prepare-test' >&2; exit 1; }

work=$(mktemp -d)
# shellcheck disable=SC2064 # the name is known now and gone later
trap "rm -rf '$work'" EXIT
(cd "$work" && npm pack --silent --cache "$work/cache" "$package@$version" >/dev/null && tar -xzf ./*.tgz)
# -n: no name and no time, so that the same file packs to the same bytes.
gzip -9n <"$work/package/dist/browser/standalone.js" >assets/docs/scalar.js.gz
printf '%s\n' "$version" >assets/docs/scalar.version
echo "$package $version: $(wc -c <assets/docs/scalar.js.gz) bytes"
