#!/usr/bin/env bash
# Resolve pyproject.toml into requirements files with hashes and without any index address.
set -euo pipefail
uv=$1
common=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header)
ours=(--constraint requirements/constraints.in)
"$uv" pip compile "${common[@]}" --extra documents --extra vectors --extra connectors "${ours[@]}" pyproject.toml -o requirements/runtime.txt
"$uv" pip compile "${common[@]}" --all-extras --group dev "${ours[@]}" --constraint requirements/runtime.txt pyproject.toml -o requirements/dev.txt
"$uv" pip compile "${common[@]}" requirements/tools.in -o requirements/tools.txt
if grep -nE '(https?://|--index-url|--find-links)' requirements/*.txt; then
  echo "an index address slipped into the lock files" >&2
  exit 1
fi
