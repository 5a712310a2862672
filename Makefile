# The two commands of the README are `make lab` and `make test`. `make` alone lists them all.
.DEFAULT_GOAL := help
.PHONY: help lab test test-browser lint bench clean

PYTHON ?= python3
# What to install as torch: make test TORCH=torch==2.13.0
TORCH ?= torch
# More words for JupyterLab: make lab LAB_ARGS=--no-browser
LAB_ARGS ?=
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
LESSONS := $(wildcard notebooks/*.ipynb)
# Lessons that measure with two threads, or for long: these have the machine for themselves.
ALONE := $(wildcard notebooks/01*.ipynb notebooks/03*.ipynb notebooks/04*.ipynb)
# JupyterLab refuses to start as root unless told.
ROOT := $(shell [ "$$(id -u 2>/dev/null)" = 0 ] && echo --allow-root)

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

lab: $(VENV)/installed ## install what is missing, then open JupyterLab on lesson 1
	$(BIN)/jupyter lab --ip=127.0.0.1 --LabApp.default_url=/lab/tree/notebooks/01_cpu_baseline.ipynb $(ROOT) $(LAB_ARGS)

test: lint ## install what is missing, then lint, run the unit tests and all five notebooks
	$(BIN)/python -m pytest -n 2 --dist loadfile
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=300 $(ALONE)
	$(BIN)/python -m pytest -n 2 --nbmake --nbmake-timeout=300 $(filter-out $(ALONE),$(LESSONS))

test-browser: $(VENV)/browser ## install what is missing, then run the lessons and move their controls in Chromium
	$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest -m browser tests/browser

lint: $(VENV)/installed ## check the style of the code and the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/bench ## print the speed of the library beside hand-written code and other libraries
	$(BIN)/python -m tests.benchmarks

clean: ## remove what make has installed
	rm -rf $(VENV)

# $(call install,what): with uv where it is found, else with pip. It would take a comma for the end of what.
COMMA := ,
define install
if command -v uv >/dev/null; then \
	UV_COMPILE_BYTECODE=1 uv pip install --quiet --python $(BIN)/python $(1); \
else \
	$(BIN)/python -m pip install --quiet $(1); \
fi
endef

# uv is used where it is found: it is faster, but compiles no bytecode unless told, and then every start is slow.
$(VENV)/installed: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: '$(PYTHON)' was not found: install Python 3.11 or newer, or name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version) is too old: install Python 3.11 or newer, or name one: make PYTHON=python3.12"; exit 1; }
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV); \
	else \
		$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: this Python cannot make environments: install its venv package (Debian, Ubuntu: apt install python3-venv)"; exit 1; }; \
		$(PYTHON) -m venv $(VENV); \
	fi
	@$(call install,"$(TORCH)" -e ".[lab$(COMMA)test]")
	@touch $@

$(VENV)/browser: $(VENV)/installed pyproject.toml
	@$(call install,-e ".[browser]")
	@touch $@

# What bench holds the library against. It does without what cannot be installed, and tries again the next time.
$(VENV)/bench: $(VENV)/installed pyproject.toml
	@{ $(call install,-e ".[bench]"); } 2>/dev/null && touch $@ || echo "make: jax and skorch could not be installed (no network, or none for this Python): bench goes on without them"
