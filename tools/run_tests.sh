#!/usr/bin/env bash
# The checks, then every test on SQLite, then the tests of storage and the journeys once more on Postgres.
# Everything runs even when something before it failed; the summary at the end says what passed, failed and was not run.
set -u
bin=.venv/bin
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=()

step() {
  local name=$1; shift
  printf '\n== %s\n' "$name"
  local started=$SECONDS
  "$@" 2>&1 | tee "$logs/$name"
  if [ "${PIPESTATUS[0]}" -ne 0 ]; then failed+=("$name"); fi
  printf '%s: %ds\n' "$name" $((SECONDS - started)) >>"$logs/.times"
}

checks() {
  local status=0
  "$bin"/ruff format --check --quiet . || { echo "ruff format: run '$bin/ruff format .'"; status=1; }
  "$bin"/ruff check --quiet . || status=1
  "$bin"/basedpyright --level error || status=1
  "$bin"/lint-imports --no-cache >"$logs/.rooms" 2>&1 || { cat "$logs/.rooms"; status=1; }
  return $status
}

on_postgres() {
  COUNTERSIGN_TEST_DATABASE=postgres "$bin"/python -m pytest -n 2 --dist loadfile -m "not postgres" tests/journeys tests/storage "$@"
}

step checks checks
step tests "$bin"/python -m pytest -n 2 --dist loadfile -m "not serial" "$@"
step postgres on_postgres "$@"
step serial "$bin"/python -m pytest -m serial "$@"

printf '\n== summary\n'
for name in tests postgres serial; do
  printf '%-9s %s\n' "$name" "$(tail -n 1 "$logs/$name")"
done
tr '\n' ' ' <"$logs/.times"; echo
gaps=$(grep -hE '^SKIPPED' "$logs"/tests "$logs"/postgres "$logs"/serial | sed -E 's/^SKIPPED \[[0-9]+\] //' | sort -u)
if [ -n "$gaps" ]; then
  printf 'not run:\n%s\n' "$gaps"
fi
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
echo "everything passed"
