# make demo | test | test-all | lint | types | docs | site | bench | bench-defaults | bench-sweep | clean
#
# Everything happens in .venv, with the versions of constraints.txt. On a Linux machine without a GPU,
# `make demo PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu` takes the much smaller CPU build of torch.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --constraint constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)

ifdef PIP_EXTRA_INDEX_URL
export PIP_EXTRA_INDEX_URL
endif

.PHONY: demo test test-all lint types docs site bench bench-defaults bench-sweep clean

demo: $(VENV)/.package
	$(BIN)/whet demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist loadfile --durations 20

test-all: $(VENV)/.test
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.package
	$(BIN)/python -m whet.cli.reference

# The guides as pages for a browser, in site/; a link that leads nowhere is a failure
site: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Everything, several times, takes long: make bench ONLY=sft-lora REPEATS=1
REPEATS ?= 3
bench: $(VENV)/.bench
	$(BIN)/python -m bench.run $(if $(ONLY),--only $(ONLY)) --repeats $(REPEATS)

# whet tune with nothing set, over eight sets and two bases: hours, but it goes on where it was stopped
bench-defaults: $(VENV)/.test
	$(BIN)/python -m bench.defaults

SETS ?= triage banking20 banking77 support gsm8k moderation
BASE ?= nano
bench-sweep: $(VENV)/.test
	$(BIN)/python -m bench.sweep $(SETS) --base $(BASE)

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build dist site

# One stamp a stage, so that a second `make` has nothing to install. torch comes first and by itself, so that a
# build which this machine provides is taken as it is.
$(VENV)/.torch: constraints.txt
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or later is needed; give one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing $(TORCH) ..."
	$(INSTALL) "$(TORCH)"
	touch $@

$(VENV)/.package: $(VENV)/.torch pyproject.toml
	@echo "installing whet ..."
	$(INSTALL) --editable .
	touch $@

$(VENV)/.test: $(VENV)/.package
	@echo "installing what the tests need ..."
	$(INSTALL) --editable ".[test]"
	touch $@

$(VENV)/.bench: $(VENV)/.package
	@echo "installing what the benchmark compares with ..."
	$(INSTALL) --editable ".[bench]"
	touch $@

$(VENV)/.dev: $(VENV)/.test
	@echo "installing ruff, pyright and what builds the site ..."
	$(INSTALL) --editable ".[dev]"
	touch $@
