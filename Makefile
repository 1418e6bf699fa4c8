# Tollway: every task a person runs, from a machine with Python 3.11, make and nothing else of ours.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN_OK := $(VENV)/.run-installed
DEV_OK := $(VENV)/.dev-installed
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: run setup dev check test proof bench docs sizes lock clean

run: $(RUN_OK)            ## install what is missing, then start Tollway on its embedded defaults
	$(BIN)/tollway up

setup: $(RUN_OK)
dev: $(DEV_OK)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(RUN_OK): requirements/build.txt requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/build.txt
	$(PIP) install --require-hashes -r requirements/run.txt
	$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

$(DEV_OK): requirements/dev.txt $(RUN_OK)
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

lock:                     ## pin again, with hashes (needs uv)
	printf 'hatchling\neditables\n' | uv pip compile --quiet - --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/build.txt
	uv pip compile --quiet pyproject.toml --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --no-annotate -o requirements/run.txt
	uv pip compile --quiet pyproject.toml --group dev --group docs --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements/run.txt -c requirements/build.txt -o requirements/dev.txt
