# make run    the bundle on EXPR, in its own environment     make lint   ruff        make bench   benchmarks
# make test   the default suite, in the same environment     make types  mypy        make boards  leaderboards from records
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made
RUN_ENV := $(VENV)/.run-ready
DEV_ENV := $(VENV)/.dev-ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
ARGS ?=

.DELETE_ON_ERROR:
.PHONY: run test slow lint format types bench boards check-boards env dev clean help

run: $(RUN_ENV)
	$(BIN)/harness run --plugin netease_abaw6 --task expr $(ARGS)

test: $(DEV_ENV)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 $(ARGS)

slow: $(DEV_ENV)
	$(BIN)/python -m pytest -m slow --numprocesses auto --maxprocesses 2 $(ARGS)

lint: $(DEV_ENV)
	$(BIN)/ruff check .

format: $(DEV_ENV)
	$(BIN)/ruff check --fix .

types: $(DEV_ENV)
	$(BIN)/mypy

bench: $(DEV_ENV)
	$(BIN)/python -m pytest tests/bench --benchmark-enable --benchmark-only $(ARGS)

boards: $(RUN_ENV)
	$(BIN)/harness leaderboard $(ARGS)

check-boards: $(RUN_ENV)
	$(BIN)/harness leaderboard --check

env: $(RUN_ENV)

dev: $(DEV_ENV)

# The environment is made once and used again until its two sources change.
$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUN_ENV): $(MADE) pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

$(DEV_ENV): $(RUN_ENV)
	$(PIP) -e ".[test,dev,onnx,opencv]"
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks *.egg-info
	find harness plugins tasks tests -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@head -2 Makefile
