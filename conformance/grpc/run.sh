#!/usr/bin/env bash
# Judges our gRPC server with connectconformance, which it installs into .tools. Build first: npm run build.
set -euo pipefail
cd "$(dirname "$0")/../.."
export GOBIN="$PWD/.tools/bin"
judge="$GOBIN/connectconformance"
[ -x "$judge" ] || go install connectrpc.com/conformance/cmd/connectconformance@v1.0.5
exec "$judge" --mode server --conf conformance/grpc/config.yaml --known-failing @conformance/grpc/known-failing.txt "$@" -- \
  node_modules/.bin/node conformance/grpc/server.ts
