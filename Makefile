# Two commands for a fresh machine with Python 3.11 or newer, pip and make: `make demo` and
# `make test`. Each sets up .venv first. `make` alone prints the lines that begin with three
# spaces below.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO := ld-portrait-20k
ARGS ?=
REPOSITORY ?=

.PHONY: help demo test lint check format dist clean

help:
	@sed -n 's/^#   //p' Makefile

# A stamp an extra: what is installed is installed again only when its declaration changes.
$(VENV)/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.base

#   make demo    48 procedural portraits in ./ld-portrait-20k, verified, with a preview picture
demo: $(VENV)/.base
	$(BIN)/python -m builder regenerate --preset demo --output $(DEMO)
	$(BIN)/python -m builder verify $(DEMO) --deep
	$(BIN)/python -m builder preview $(DEMO) --picture $(DEMO)-preview.png

#   make test    the test suite; a part of it: make test ARGS='-k name'
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 $(ARGS)

#   make lint    lint and format, some seconds
lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

#   make check   lint, format and types, as CI does
check: lint
	$(BIN)/mypy

#   make format  rewrite the files as make lint wants them
format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

#   make dist    wheel and source archive in dist/; REPOSITORY=URL makes the README's links absolute
dist: $(VENV)/.dev
	LD_PORTRAIT_REPOSITORY='$(REPOSITORY)' $(BIN)/python -m build --outdir dist .

#   make clean   remove the environment, the demo and what was built
clean:
	rm -rf $(VENV) $(DEMO) $(DEMO)-preview.png dist build .pytest_cache .mypy_cache .ruff_cache
