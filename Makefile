# `make` alone explains the targets. Only python3 with venv, and make, are needed.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-long fix lock clean
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

help:  ## explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/bin/pip:
	@$(PYTHON) -m venv .venv || { echo "python3-venv is missing: sudo apt install python3-venv"; rm -rf .venv; exit 1; }

.venv/.run: requirements/run.lock pyproject.toml | .venv/bin/pip
	@$(INSTALL) --require-hashes --no-deps -r requirements/run.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable . 2>/dev/null || $(INSTALL) --no-deps --editable .
	@touch $@

.venv/.dev: requirements/dev.lock .venv/.run
	@$(INSTALL) --require-hashes --no-deps -r requirements/dev.lock
	@touch $@

setup: .venv/.run  ## install into .venv; the command is then .venv/bin/mailer

run: .venv/.run  ## the demo: example people, a mail server of its own, pages at a loopback address
	@$(BIN)/mailer demo

test: .venv/.dev  ## all checks: format, lint, types, walls, tests on SQLite and PostgreSQL
	@sh tests/run.sh

test-long: .venv/.dev  ## the longer runs: fuzz, many people
	@sh tests/run.sh long

fix: .venv/.dev  ## format and mend what can be mended
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock:  ## remake requirements/*.lock (needs uv)
	@uv pip compile -q --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --extra postgres pyproject.toml -o requirements/run.lock
	@uv pip compile -q --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --extra postgres --group dev pyproject.toml -o requirements/dev.lock

clean:  ## remove the virtual environment and the demo's data
	@rm -rf .venv var/demo
