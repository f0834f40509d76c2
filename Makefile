# One word does one thing: each target first makes `.venv` when it has to, and at once when nothing changed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test check soak format lint types contracts bench reference clean lock venv
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?=
SOAK_MINUTES ?= 10
SOAK_ARGS ?=
# Twice as many workers as processors: half of a test's time is waiting for processes it started.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo "$$((n * 2))")

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: .venv/.ready ## A throwaway world: real checks, the dashboard, the page on 127.0.0.1:8080
	@$(BIN)/statustui demo $(DEMO_ARGS)

test: .venv/.ready ## All tests, in parallel
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

check: .venv/.ready lint types contracts test ## What CI runs: format, lint, types, contracts, tests

soak: .venv/.ready ## Break watches and databases at random for SOAK_MINUTES, and compare after each round
	@$(BIN)/python -m tests.chaos.soak --minutes $(SOAK_MINUTES) $(SOAK_ARGS)

lint: .venv/.ready ## Formatting and lint
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: .venv/.ready ## Strict types
	@$(BIN)/mypy

contracts: .venv/.ready ## Who may import whom
	@$(BIN)/lint-imports --no-cache

format: .venv/.ready ## Rewrite the sources in the house's format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: .venv/.ready ## Every benchmark, one after the other
	@for file in bench/[a-z]*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

reference: .venv/.ready ## Write docs/reference anew from settings, commands, keys, metrics and tables
	@for page in settings commands keys metrics tables; do $(BIN)/python "docs/make_$$page.py"; done

venv: .venv/.ready ## Only the virtual environment

# The pinned libraries come first and only change with the lock file; the project itself is
# installed on top, editable. Debian's Python has no ensurepip unless python3-venv is there: then
# the pip of the system fills the environment from outside.
.venv/.libraries: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "statustui needs Python 3.11 or newer")'
	@if ! $(BIN)/python -c "" 2>/dev/null; then \
	    echo "making .venv"; \
	    $(PYTHON) -m venv --clear .venv >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip .venv; \
	fi
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-dev.txt; \
	else \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet --no-deps --require-hashes -r requirements-dev.txt; \
	fi
	@touch $@

.venv/.ready: .venv/.libraries pyproject.toml
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	else \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet --no-deps --no-build-isolation --editable .; \
	fi
	@$(BIN)/python -m compileall -q -j 0 src $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') >/dev/null || true
	@touch $@

# No host is written into the file: whichever index pip is set to serves it, the hashes decide.
lock: ## Pin versions and hashes anew (needs pip-tools)
	@env -u PIP_FIND_LINKS pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --extra dev \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --no-header \
	    --annotation-style line --output-file requirements-dev.txt pyproject.toml

clean: ## Remove what was built; never data
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis snapshot_report.html
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
