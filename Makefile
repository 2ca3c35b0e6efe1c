# Two commands for a fresh machine with Python 3.11 or newer, pip and make:
#   make demo   sets everything up and builds the embedded default dataset
#   make test   sets everything up and passes the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO := ld-portrait-20k

.PHONY: help demo test check clean

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

#   make demo   48 procedural portraits in ./ld-portrait-20k, verified, with a preview picture
demo: $(VENV)/.base
	$(BIN)/python -m builder regenerate --preset demo --output $(DEMO)
	$(BIN)/python -m builder verify $(DEMO) --deep
	$(BIN)/python -m builder preview $(DEMO) --picture $(DEMO)-preview.png

#   make test   the test suite
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

#   make check  lint, format and types, as CI does
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

#   make clean  remove the environment and the demo
clean:
	rm -rf $(VENV) $(DEMO) $(DEMO)-preview.png .pytest_cache .mypy_cache .ruff_cache
