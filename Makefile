# The two commands of the README are `make lab` and `make test`. `make` alone lists them all.
.DEFAULT_GOAL := help
.PHONY: help lab test test-browser site buttons zh lint bench clean FORCE

VENV := .venv
# A Python named by the user, make lab PYTHON=python3.12, must be the one in .venv.
NAMED := $(PYTHON)
PYTHON ?= python3
# What to install as torch: make test TORCH=torch==2.13.0. Who names none keeps what was installed.
NAMED_TORCH := $(TORCH)
ifndef TORCH
TORCH := $(or $(shell cat $(VENV)/installed 2>/dev/null),torch)
endif
# PyTorch's own index of its builds for the CPU. Empty, it is never asked.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# An NVIDIA driver: the kernel's, a container's, WSL's. Tests put a folder before these.
MACHINE :=
DRIVER := $(wildcard $(addprefix $(MACHINE),/proc/driver/nvidia /dev/nvidia* /usr/lib/wsl/lib/libcuda.so*))
# Without one PyPI's build for Linux, with CUDA, is of no use; nor is it on an AMD card. Then torch comes from here,
# unless the user decides otherwise: by a TORCH, now or before, or by make lab CUDA=1.
CPU_INDEX := $(if $(NAMED_TORCH)$(filter-out torch,$(TORCH))$(filter 1,$(CUDA))$(DRIVER),,$(TORCH_INDEX))
# CUDA=1 exchanges a CPU build, which would do for all that is asked of torch: torch!=2.13.0+cpu
CPU_BUILD := $(notdir $(wildcard $(VENV)/lib/*/site-packages/torch-*+cpu.dist-info))
NOT_CPU := $(if $(filter 1,$(CUDA)),$(patsubst torch-%.dist-info,torch!=%,$(CPU_BUILD)))
# uv 0.7 takes 2.13.0+cpu for 2.13.0 all the same.
UV_NOT_CPU := $(if $(NOT_CPU),--reinstall-package torch)
# More words for JupyterLab: make lab LAB_ARGS=--no-browser
LAB_ARGS ?=
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
# The lessons in Chinese: make lab DAY37_LANGUAGE=zh
CHINESE := $(if $(filter zh,$(DAY37_LANGUAGE)),zh/)
# It takes an address once only: the user's, if there is one.
IP := $(if $(filter --ip% --ServerApp.ip%,$(LAB_ARGS)),,--ip=127.0.0.1)

# What would send packages elsewhere, or bring others in. The rest of pip's settings hold.
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONHOME PYTHONPATH
export PIP_USER := 0

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

lab: $(VENV)/installed ## install what is missing, then open JupyterLab on lesson 1
	$(BIN)/jupyter lab $(IP) --LabApp.default_url=/lab/tree/notebooks/$(CHINESE)01_cpu_baseline.ipynb $(ROOT) $(LAB_ARGS)

test: lint ## install what is missing, then lint, run the unit tests and all notebooks, the Chinese ones in short
	$(BIN)/python -m pytest -n 2 --dist loadfile
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=300 $(ALONE)
	$(BIN)/python -m pytest -n 2 --nbmake --nbmake-timeout=300 $(filter-out $(ALONE),$(LESSONS))
	$(BIN)/python -m tests.notebooks build/short/zh
	$(BIN)/python -m pytest -n 2 --nbmake --nbmake-timeout=300 build/short/zh

test-browser: $(VENV)/browser site ## install what is missing, then move the lessons' controls in Chromium, and read the site
	$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest -m browser tests/browser

site: $(VENV)/site ## install what is missing, then build the lessons' pages and slides into site/
	$(BIN)/python -m docs.site

buttons: $(VENV)/site ## write the row of launch buttons into README, once the project is on GitHub
	$(BIN)/python -m docs.site buttons

zh: $(VENV)/installed ## bring the code over to the Chinese notebooks, and list the texts that are behind
	$(BIN)/python -m docs.site.translate $(DONE)

lint: $(VENV)/installed ## check the style of the code and the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/bench ## print the speed of the library beside hand-written code and other libraries
	$(BIN)/python -m tests.benchmarks

clean: ## remove what make has installed and built
	rm -rf $(VENV) site docs/_build build

# uv is used where it is found: it is faster. It does not read pip's settings: where pip has a mirror, pip is used.
define with_uv
command -v uv >/dev/null && ! { env | grep ^PIP_; "$(PYTHON)" -m pip config list; } 2>/dev/null | \
	grep -qiE 'index|links|proxy|cert|host|constraint'
endef

# $(call install,what,words for uv alone): it would take a comma for the end of what. uv compiles no bytecode unless
# told, and then every start is slow. An environment that uv has made has no pip.
COMMA := ,
UV_INSTALL := UV_COMPILE_BYTECODE=1 uv pip install --quiet --python $(BIN)/python
PIP := $(BIN)/python -m pip
PUT_PIP := { $(PIP) --version || $(BIN)/python -m ensurepip; } >/dev/null 2>&1
define install
if $(with_uv); then \
	$(UV_INSTALL) $(2) $(1); \
else \
	$(PUT_PIP); \
	$(PIP) install --quiet $(1); \
fi
endef

# A torch that is there is not exchanged. Who has named an index, or a choice for uv, keeps to that.
UV_SETTINGS := uv.toml $(MACHINE)/etc/uv/uv.toml "$${XDG_CONFIG_HOME:-$$HOME/.config}/uv/uv.toml" "$$UV_CONFIG_FILE"
define wants_cpu_build
[ -n "$(CPU_INDEX)" ] && [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi && \
! $(BIN)/python -I -c 'import importlib.metadata as m; m.version("torch")' && \
! { env | grep -E '^(PIP|UV)_'; "$(PYTHON)" -m pip config list; $(PIP) config list; cat $(UV_SETTINGS); } | \
	grep -qiE 'index|links|torch.backend'
endef

# torch comes before all else, and alone: what it needs comes from PyPI as ever, for PyTorch's index has old versions.
# First it is asked whether there is a build, with a short time-out, since that index may be out of reach. The build
# itself has the usual time-out, for slow lines. uv knows the index by itself; one older than 0.6.9 does not, and goes
# on with PyPI. Its "auto" is not for us: where it sees an Intel or AMD card, it takes a build for that one.
UV_TORCH := --no-deps $(if $(filter file,$(origin TORCH_INDEX)),--torch-backend=cpu,--index-url $(CPU_INDEX)) torch
PIP_TORCH := --index-url $(CPU_INDEX) torch
define cpu_build
if { $(wants_cpu_build); } >/dev/null 2>&1; then \
	echo "make: no NVIDIA driver was found: PyTorch's CPU build is taken (0.2 GB); with CUDA: make lab CUDA=1"; \
	if $(with_uv); then \
		UV_HTTP_TIMEOUT=5 UV_HTTP_RETRIES=0 $(UV_INSTALL) --dry-run $(UV_TORCH) 2>/dev/null && $(UV_INSTALL) $(UV_TORCH); \
	else \
		$(PUT_PIP); \
		$(PIP) index versions --timeout 5 --retries 0 $(PIP_TORCH) >/dev/null 2>&1 && $(PIP) install --quiet --no-deps $(PIP_TORCH); \
	fi || echo "make: it could not be had from PyTorch's index: PyPI's build is taken, with CUDA (several GB)"; \
fi
endef

# Succeeds in an environment which finds the day37 of this folder; and in one that a user has made and that has none.
define GOOD
import importlib.util, os, sys, sysconfig
day37 = importlib.util.find_spec("day37")
if sys.prefix == sys.base_prefix or sys.version_info < (3, 11):
    sys.exit("no environment, or too old")
if day37 and day37.has_location:
    if os.path.samefile(day37.origin, os.path.join("day37", "__init__.py")):
        sys.exit()
packages = os.listdir(sysconfig.get_path("purelib"))
if "installed" in os.listdir(sys.prefix) or any(name.endswith("day37.pth") for name in packages):
    sys.exit("made for another folder or Python")
endef
$(VENV)/installed: export CODE = $(GOOD)
VERSION := import sys; print(sys.version_info[:2])

# First, .venv is made if there is none, and made anew if it is of no use: its install was cut off (the file
# "installing" is still there), its Python is gone or not the one named, or its folder was moved.
# Then packages are installed if need be. Where that fails, an environment that was good before is kept.
$(VENV)/installed: pyproject.toml FORCE
	@{ [ ! -e $(VENV)/installing ] && $(BIN)/python -I -c "$$CODE" && { [ -z "$(NAMED)" ] || \
		[ "$$("$(PYTHON)" -c '$(VERSION)')" = "$$($(BIN)/python -c '$(VERSION)')" ]; }; } 2>/dev/null || { \
		command -v "$(PYTHON)" >/dev/null || { echo "make: '$(PYTHON)' was not found: install Python 3.11 or newer, or name one: make PYTHON=python3.12"; exit 1; }; \
		"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$("$(PYTHON)" --version) is too old: install Python 3.11 or newer, or name one: make PYTHON=python3.12"; exit 1; }; \
		$(with_uv) || "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "make: this Python cannot make environments: install its venv package (Debian, Ubuntu: apt install python3-venv)"; exit 1; }; \
		[ ! -e $(VENV) ] || echo "make: $(VENV) is made anew: its install was cut off, or its folder or its Python is another one now"; \
		rm -rf $(VENV)/* $(VENV); \
		mkdir -p $(VENV) && touch $(VENV)/installing || exit 1; \
		if $(with_uv); then \
			uv venv --quiet --allow-existing --python "$$(command -v "$(PYTHON)")" $(VENV); \
		else \
			"$(PYTHON)" -m venv $(VENV); \
		fi; \
	}
	@[ "$$(cat $@ 2>/dev/null)" = "$(TORCH)" ] && [ -z "$(NOT_CPU)$(filter pyproject.toml,$?)" ] || { \
		trap 'exit 1' HUP INT TERM; \
		[ -e $(VENV)/installing ] || { touch $(VENV)/installing; before=good; }; \
		{ $(cpu_build); $(call install,"$(TORCH)" $(NOT_CPU) -e ".[lab$(COMMA)test]",$(UV_NOT_CPU)); } || { [ "$$before" != good ] || rm $(VENV)/installing; exit 1; }; \
		echo "$(TORCH)" >$@; rm $(VENV)/installing; \
		$(BIN)/python -I -c "$$CODE" || { rm $@; echo "make: packages were not installed into $(VENV): $(BIN)/python -m pip config list may say where they are sent"; exit 1; }; \
	}

$(VENV)/browser: $(VENV)/installed pyproject.toml
	@$(call install,-e ".[browser]")
	@touch $@

$(VENV)/site: $(VENV)/installed pyproject.toml
	@$(call install,-e ".[site]")
	@touch $@

# What bench holds the library against. It does without what cannot be installed, and tries again the next time.
$(VENV)/bench: $(VENV)/installed pyproject.toml
	@{ $(call install,-e ".[bench]"); } 2>/dev/null && touch $@ || echo "make: jax and skorch could not be installed (no network, or none for this Python): bench goes on without them"
