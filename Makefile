# Everything a newcomer needs. `make demo` and `make test` set up whatever they use.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench lock clean

help:  ## Show what can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(STAMPS)/runtime  ## Ask the demo collection as three people, then serve the desk (ARGS=--once: do not serve)
	@tools/system_packages.sh ocr || true
	@$(BIN)/countersign demo $(ARGS)

test: $(STAMPS)/dev  ## Run the checks, every test, and the benchmarks in smoke mode
	@tools/system_packages.sh ocr browser
	@tools/run_tests.sh

check: $(STAMPS)/dev  ## Format, lint, types and the direction of the rooms
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

bench: $(STAMPS)/dev  ## Measure, print a table, and write JSON to bench/results
	@$(BIN)/python -m bench.run $(ARGS)

lock: $(STAMPS)/tools  ## Resolve the dependencies again and lock them with hashes
	@tools/lock.sh $(BIN)/uv

clean:  ## Remove the environment and everything generated
	rm -rf $(VENV) .demo bench/results .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(STAMPS)/tools: requirements/tools.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; found $$($(PYTHON) -V)"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { echo "python3-venv is needed:  sudo apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: $(STAMPS)/tools requirements/runtime.txt pyproject.toml
	@echo "Setting up the environment in $(VENV)…"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/runtime requirements/dev.txt
	@echo "Adding what the tests need…"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@
