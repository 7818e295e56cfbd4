#!/usr/bin/env bash
# The checks, then every test, then the storage tests once more on Postgres, then the benchmarks in smoke mode.
set -euo pipefail
bin=.venv/bin
step() { printf '\n== %s\n' "$1"; }

step "format, lint, types, direction of the rooms"
"$bin"/ruff format --check --quiet .
"$bin"/ruff check --quiet .
"$bin"/basedpyright --level error
"$bin"/lint-imports --no-logo 2>/dev/null | tail -n 3 || "$bin"/lint-imports

step "tests"
"$bin"/python -m pytest -n 2 --dist loadfile -m "not serial" "$@"
"$bin"/python -m pytest -m serial "$@"

step "the same on Postgres"
COUNTERSIGN_TEST_DATABASE=postgres "$bin"/python -m pytest -m postgres "$@"

step "benchmarks, smoke mode"
"$bin"/python -m bench.run --quick
