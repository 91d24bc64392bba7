#!/usr/bin/env bash
# Judges our servers and clients of Connect, gRPC and gRPC-Web with connectconformance, which it installs into .tools. Build first:
# npm run build.
#
#     run.sh [server|client] [arguments of connectconformance]
set -euo pipefail
cd "$(dirname "$0")/../.."
node scripts/install-judges.mjs connectconformance
modes="server client"
case "${1-}" in server | client) modes=$1 && shift ;; esac
for mode in $modes; do
  echo "connectconformance, $mode:"
  .tools/bin/connectconformance --mode "$mode" --conf conformance/connect/config.yaml \
    --known-failing @conformance/connect/known-failing.txt "$@" -- node_modules/.bin/node "conformance/connect/$mode.ts"
done
