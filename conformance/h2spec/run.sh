#!/bin/sh
# Installs h2spec and runs it, its strict (SHOULD) cases included, against the spec server of packages/http2, in clear and
# over TLS. Arguments go to h2spec.
# Fails when a case fails that known-failures.txt does not name, or one passes that it does.
set -eu
cd "$(dirname "$0")/../.."
tools="$PWD/.tools/bin"
export PATH="$PWD/node_modules/.bin:$PATH"

node scripts/install-judges.mjs h2spec

work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
status=0
for mode in clear tls; do
  mkfifo "$work/input-$mode"
  node packages/http2/test/spec-server.ts "$mode" <"$work/input-$mode" >"$work/port" &
  server=$!
  exec 3>"$work/input-$mode"
  tries=0
  until [ -s "$work/port" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "the server did not start" >&2; exit 1; }
    sleep 0.1
  done
  flags=""
  [ "$mode" = tls ] && flags="-t -k"
  # shellcheck disable=SC2086
  "$tools/h2spec" -h 127.0.0.1 -p "$(cat "$work/port")" --strict -o 10 -j "$work/report-$mode.xml" $flags "$@" >"$work/$mode.log" || true
  tail -n 1 "$work/$mode.log"
  sed -n '/^Failures:/,$p' "$work/$mode.log"
  grep -q '^[0-9]* tests, ' "$work/$mode.log" || status=1
  grep -o '^ *× .*' "$work/$mode.log" | sed 's/^ *× *//' | sort -u >"$work/failed"
  grep -v '^#' conformance/h2spec/known-failures.txt | grep . | sort -u >"$work/known" || true
  diff "$work/known" "$work/failed" || status=1
  exec 3>&-
  wait "$server" || true
  rm -f "$work/port"
done
exit $status
