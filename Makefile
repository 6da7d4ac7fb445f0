# Everything happens in .venv, made once. A stamp is touched only after its step has succeeded, so an interrupted
# installation is taken up again, and a finished one never asks a package registry anything.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
# No build isolation: it would fetch setuptools anew each time; .venv already has a recent one.
# PYTHONWARNINGS: setuptools answers every -e with a warning of ten lines.
PIP    := PYTHONWARNINGS=ignore $(PY) -m pip install -q --no-build-isolation

# "python3.12" → "python3.12-venv": how Debian and Ubuntu call the package that brings ensurepip.
VENV_PACKAGE := $(patsubst python,python3,$(notdir $(PYTHON)))-venv

# Which script makes which weights.
NET ?= tiny
TRAIN_tiny      := distill_backbone.py
TRAIN_fast      := train_fast.py
TRAIN_adain     := train_attention.py adain
TRAIN_attention := train_attention.py attention
TRAIN_selfsup   := train_selfsup.py
TRAIN_steady    := train_steady.py
TRAIN_mobile    := train_mobile.py
TRAIN_words     := train_words.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:            # under `make -j` two pips would write into one folder
.PHONY: help course studio classroom test screenshots notebooks bench weights phone clean

help:  ## show this list
	@echo "make [PYTHON=python3.12] TARGET, with TARGET one of"
	@sed -n 's/^\([a-z]*\):.*## /  \1|/p' Makefile | awk -F'|' '{ printf "%-14s%s\n", $$1, $$2 }'

course: $(VENV)/.checked  ## install what is missing, check the machine, open the notebooks in JupyterLab
	@$(PY) tools/course.py

studio: $(VENV)/.studio  ## open the playground's studio as a page without code
	@$(PY) tools/studio.py $(ARGS)

classroom: $(VENV)/.classroom  ## build a course for nbgrader in classroom/: to hand out, collect and grade (ARGS="03 04": these lessons only)
	@$(PY) tools/classroom.py $(ARGS)

# Two processes side by side, each a file at a time; then, one by one, the tests that want the machine to themselves.
test: $(VENV)/.test  ## install what is missing, run all tests and all notebooks
	@failed=0; \
	OMP_NUM_THREADS=1 $(PY) -m pytest -rs -n 2 --dist loadfile --no-loadscope-reorder -m "not alone" \
		--nbval --nbval-current-env --nbval-cell-timeout=120 notebooks tests || failed=1; \
	$(PY) -m pytest -rs -m alone tests || failed=1; \
	exit $$failed

screenshots: $(VENV)/.test  ## pictures of every notebook and of the studio, in screenshots/, as Chromium shows them
	@$(PY) tools/screenshots.py $(ARGS)

notebooks: $(VENV)/.test  ## build and execute the notebooks from notebooks/source
	@$(PY) tools/notebooks.py

bench: $(VENV)/.lab  ## measure, side by side (ARGS="…" goes to the benchmarks)
	@$(PY) -m benchmarks $(ARGS)

weights: $(VENV)/.lab  ## train a shipped network again: NET=tiny, fast, adain, attention, selfsup, steady, mobile or words (ARGS="…" goes to its script)
	@$(PY) training/$(or $(TRAIN_$(NET)),$(error NET=$(NET): choose tiny, fast, adain, attention, selfsup, steady, mobile or words)) $(ARGS)

phone: $(VENV)/.lab  ## install ExecuTorch (large), for nst-lessons export --format executorch
	@$(PIP) -e ".[executorch]"

clean:  ## remove .venv and whatever else can be made again
	rm -rf $(VENV) build dist *.egg-info .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +

$(VENV)/.made:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is missing: sudo apt install python3 python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is Python %d.%d, and 3.11 or later is needed: make PYTHON=python3.12 course" % sys.version_info[:2])'
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "$(VENV_PACKAGE) is missing: sudo apt install $(VENV_PACKAGE)" >&2; exit 1; }
	@echo "making $(VENV) …"
	@"$(PYTHON)" -m venv $(VENV)
	@$(PIP) --upgrade pip "setuptools>=77"
	@touch $@

$(VENV)/.lab: pyproject.toml $(VENV)/.made
	@echo "installing torch, torchvision and JupyterLab (once: some minutes, several GB) …"
	@$(PIP) -e ".[lab]"
	@touch $@

$(VENV)/.studio $(VENV)/.classroom $(VENV)/.test: $(VENV)/.%: pyproject.toml $(VENV)/.lab
	@echo "installing what \`make $*\` needs …"
	@$(PIP) -e ".[$*]"
	@touch $@

$(VENV)/.checked: $(VENV)/.lab
	@$(VENV)/bin/nst-lessons check
	@touch $@
