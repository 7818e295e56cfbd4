#!/usr/bin/env bash
# Resolve pyproject.toml into requirements files with hashes and without any index address.
set -euo pipefail
uv=$1
common=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header)
"$uv" pip compile "${common[@]}" --all-extras pyproject.toml -o requirements/runtime.txt
"$uv" pip compile "${common[@]}" --all-extras --group dev --constraint requirements/runtime.txt pyproject.toml -o requirements/dev.txt
"$uv" pip compile "${common[@]}" requirements/tools.in -o requirements/tools.txt
if grep -nE '(https?://|--index-url|--find-links)' requirements/*.txt; then
  echo "an index address slipped into the lock files" >&2
  exit 1
fi
