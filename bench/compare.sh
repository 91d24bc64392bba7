#!/usr/bin/env bash
# What a change did to the cost of a call: this tree against another commit.
#
#     bench/compare.sh [ref]      default: main
#
# The base is built in a git worktree of its own. Each round starts fresh processes of both and measures them in turn.
set -euo pipefail
cd "$(dirname "$0")/.."
ref=${1:-main}
base=$(mktemp -d)/base
git worktree add --quiet --detach "$base" "$ref"
trap 'git worktree remove --force "$base"' EXIT
(cd "$base" && npm install --no-audit --no-fund --loglevel=error && npm run --silent build)
npm run --silent build
npm exec --offline -- node bench/src/compare.ts "$base"
