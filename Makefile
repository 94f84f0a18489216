# make reproduce [PROFILE=embedded]   run the notebooks, write reports/<profile>/
# make test                           lint, unit tests, notebooks in the smoke profile
# make env                            install everything into .venv
# make lab                            JupyterLab on the notebooks
# make browser-test                   JupyterLab used by headless Chromium, pictures in build/browser/
# make lint                           style, order of the packages, declared dependencies, types
# make docs                           build/site: pages, notebooks and docstrings as a site
# make exercises                      cut notebooks/exercises/ from its sources
# make notebooks | clean              record the checked outputs in notebooks/; remove .venv and caches
SHELL := /bin/bash
PROFILE ?= embedded
LOCK ?= env/requirements.lock
# PyTorch's index of CPU builds, asked only where pip's own index has none (env/README.md).
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
BIN = .venv/bin
CHECKED = build/notebooks
NOTEBOOKS = notebooks
# Further words for the command, as in: make reproduce ARGS="--set seeds=[1] --force"
ARGS ?=
# Threads that wait give their core away; otherwise another program beside the tests slows them many times.
export OMP_WAIT_POLICY = PASSIVE

.PHONY: help env reproduce test lab browser-test lint docs exercises notebooks clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

env: .venv/.installed

.venv/.installed: $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found; install one or give its name: make PYTHON=/path/to/python"; exit 2; }
	@# Debian keeps ensurepip in python3-venv; without it the system's own pip fills the environment.
	@test -x $(BIN)/pip || { echo "Making .venv with $(PYTHON)"; $(PYTHON) -m venv .venv 2>/dev/null || \
	  { $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python .venv/bin/python install --quiet pip; }; }
	@echo "Installing the locked packages (3 GB; some minutes the first time)"
	@torch=$$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' $(LOCK) | head -n 1); \
	  $(BIN)/python -c "import importlib.metadata as m, sys; sys.exit('torch==' + m.version('torch') != '$$torch')" 2>/dev/null || \
	  $(BIN)/pip install --no-deps $$torch 2>/dev/null || \
	  $(BIN)/pip install --no-deps --index-url $(TORCH_INDEX) $$torch || \
	  { echo "torch has no build for this machine in pip's index or $(TORCH_INDEX): see env/README.md"; exit 2; }
	@set -o pipefail; $(BIN)/pip install --no-deps -r $(LOCK) | grep -v '^Requirement already satisfied\|^Looking in\|^Successfully installed'; test $${PIPESTATUS[0]} -eq 0
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m ipykernel install --sys-prefix --name autorefine --display-name AutoRefine >/dev/null
	@touch $@

reproduce: env
	@$(BIN)/autorefine reproduce --profile $(PROFILE) $(ARGS)

# Style, the order of the packages, declared dependencies, types.
lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry .
	$(BIN)/mypy

# Two programs side by side, one thread each: the unit tests, and the notebooks, which are printed last: copies with the smoke parameters,
# whose checked cells nbval compares with the outputs stored in notebooks/, and then a look at the results that they wrote.
test: lint
	@echo "the notebooks run beside the unit tests; their lines come last (now in $(CHECKED).log)"
	@mkdir -p $(CHECKED); export OMP_NUM_THREADS=1; \
	  ($(BIN)/python tests/smoke_notebooks.py prepare $(CHECKED) && $(BIN)/python -m pytest --nbval-lax --nbval-current-env \
	    --nbval-sanitize-with tests/nbval_sanitize.cfg $(CHECKED) tests/smoke_results.py) >$(CHECKED).log 2>&1 & notebooks=$$!; \
	  trap 'kill 0' INT; $(BIN)/python -m pytest tests; tests=$$?; \
	  wait $$notebooks; compared=$$?; cat $(CHECKED).log; exit $$((tests ? tests : compared))

# The server's root is the repository, so that a notebook shows figures of reports/.
lab: env
	$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/$(NOTEBOOKS) $(ARGS)

# Apart from `make test`: it needs playwright and Chromium, says so where they are missing, and takes minutes.
browser-test: env
	@$(BIN)/python -c "import playwright" 2>/dev/null || { echo "playwright is missing: $(BIN)/pip install playwright"; exit 2; }
	$(BIN)/python -m pytest tests/browser/test_browser.py $(ARGS)

# Every warning is an error. It runs no notebook and needs no network.
docs: env
	$(BIN)/python -m sphinx -W --keep-going -q -c docs/site . build/site
	@echo "build/site/index.html"

# A developer's step after a change of notebooks/exercises/source/; the tests refuse notebooks that are not those of their source.
exercises: env
	$(BIN)/python notebooks/exercises/cut.py

# A developer's step after a change of the notebooks or of the numbers; a run never writes notebooks/.
notebooks: env
	$(BIN)/python tests/smoke_notebooks.py record

clean:
	rm -rf .venv build docs/api cache .pytest_cache .ruff_cache .hypothesis *.egg-info
