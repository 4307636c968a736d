# make quickstart   sets everything up and runs the main job on the embedded collection
# make test         sets up what the tests need on top and runs all of them
# make test-slurm   starts a SLURM here and runs the workflow on it (as root; Debian: slurm-wlm, munge)
# make nfcorpus     NFCorpus with all-MiniLM-L6-v2
# make pins         pins the conda environments to their builds (envs/*.linux-64.pin.txt), where a channel can be reached
# GPU=1 takes torch and FAISS for NVIDIA GPUs (requirements-gpu.txt), of the same versions.
# PIP_OPTIONS="--extra-index-url https://download.pytorch.org/whl/cpu" takes torch without CUDA, where pip would not.
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
PIP_OPTIONS ?=
GPU ?= 0

BIN := $(abspath $(VENV))/bin
RUN := $(VENV)/.installed-run$(if $(filter 1,$(GPU)),-gpu)
DEV := $(VENV)/.installed-dev
COMMAND := $(VENV)/.installed-denseflow

.PHONY: setup quickstart nfcorpus test test-slurm check format docs pins clean

setup: $(RUN) $(COMMAND)

quickstart: $(RUN) $(COMMAND)
	$(BIN)/snakemake --cores $(CORES) --config experiments=[quickstart]

nfcorpus: $(RUN) $(COMMAND)
	$(BIN)/snakemake --cores $(CORES) --config experiments=[nfcorpus-minilm]

test: $(DEV) check
	$(BIN)/python -m pytest --durations=15

test-slurm: $(DEV)
	$(BIN)/python -m pytest tests/slurm -s --durations=0

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

docs: $(DEV)
	cd workflow_scripts && $(BIN)/python -m denseflow.config.reference

pins: $(DEV)
	cd workflow_scripts && $(BIN)/python -m denseflow.workflow.conda_pins

clean:
	rm -rf .snakemake .pytest_cache .ruff_cache .mypy_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Denseflow needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# In a GPU's environment stands faiss-gpu for faiss-cpu: both hold the module `faiss`.
$(VENV)/.installed-run-gpu: requirements.lock requirements-gpu.txt requirements-pyserini.txt | $(VENV)/bin/python
	@echo "Installing what requirements.lock pins into $(VENV), with CUDA; this takes several minutes."
	grep -v '^faiss-cpu==' requirements.lock > $(VENV)/requirements.lock
	$(BIN)/python -m pip uninstall -qq --yes faiss-cpu torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -r $(VENV)/requirements.lock -r requirements-gpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) --no-deps -r requirements-pyserini.txt
	rm -f $(VENV)/.installed-run
	touch $@

$(VENV)/.installed-run: requirements.lock requirements-pyserini.txt | $(VENV)/bin/python
	@echo "Installing what requirements.lock pins into $(VENV); this takes a few minutes."
	$(BIN)/python -m pip uninstall -qq --yes faiss-gpu
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) --no-deps -r requirements-pyserini.txt
	rm -f $@-gpu
	touch $@

# The command denseflow runs the package in place: what is pulled or edited needs no new installation.
$(COMMAND): pyproject.toml $(RUN)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(DEV): requirements-dev.lock $(RUN) $(COMMAND)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -r requirements-dev.lock
	touch $@
