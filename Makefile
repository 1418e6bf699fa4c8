# Tollway: every task a person runs, from a machine with Python 3.11, make and nothing else of ours.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN_OK := $(VENV)/.run-installed
DEV_OK := $(VENV)/.dev-installed
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

TEST_PROCESSES ?= 2

.PHONY: help run setup dev check test proof bench fuzz docs sizes lock clean

help:                     ## list what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /\1\t/' | expand -t 10

run: $(RUN_OK)            ## install what is missing, then start Tollway on its embedded defaults
	$(BIN)/tollway up

setup: $(RUN_OK)         ## install what running needs
dev: $(DEV_OK)           ## install what changing it needs, too

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(RUN_OK): requirements/build.txt requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/build.txt
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-build-isolation --no-deps --editable .
	$(BIN)/python -m compileall -q src
	@touch $@

$(DEV_OK): requirements/dev.txt $(RUN_OK)
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

check: $(DEV_OK)          ## format, lints, types, floors, layout
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python tools/check_layout.py

test: check               ## everything that must hold before a change lands
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) -m "not proof" --quiet

proof: $(DEV_OK)          ## the long proofs: kills, soak, all clients
	$(BIN)/python -m pytest -m proof --quiet

bench: $(RUN_OK)          ## beside nginx, LiteLLM and Portkey, in one run
	@command -v nginx >/dev/null && command -v wrk >/dev/null || apt-get install --yes --quiet nginx-light wrk
	$(BIN)/python -m benchmarks.run

fuzz: $(DEV_OK)           ## feed every reader hostile bytes, a minute each, guided by the code they reach
	$(BIN)/python -m tests.fuzz

docs: $(DEV_OK)           ## the documentation, as HTML
	$(BIN)/sphinx-build -n -W -q -b html docs docs/_build/html

sizes: $(DEV_OK)          ## sizes of files and functions
	$(BIN)/python tools/sizes.py

clean:                    ## forget what was installed and built
	rm -rf $(VENV) docs/_build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

lock:                     ## pin again, with hashes (needs uv)
	printf 'hatchling\neditables\n' | uv pip compile --quiet - --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-strip-extras --no-header --no-annotate -o requirements/build.txt
	uv pip compile --quiet pyproject.toml --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-strip-extras --no-header --no-annotate -o requirements/run.txt
	uv pip compile --quiet pyproject.toml --group dev --group docs --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-strip-extras --no-header --no-annotate -c requirements/run.txt -c requirements/build.txt -o requirements/dev.txt
