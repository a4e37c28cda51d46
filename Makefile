# `make run` and `make test` are all a newcomer needs; both make their own environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

unexport PYTHONDONTWRITEBYTECODE # each of the many processes would compile the sources again
.DEFAULT_GOAL := help
.PHONY: help run test test-tools setup lint bench clean

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/.run: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v else f"k210sim: {sys.executable} is Python {v[0]}.{v[1]}; 3.10 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

run: $(VENV)/.run ## boot the board with its demo and open the REPL in this window
	@$(BIN)/k210sim repl --factory-demo

test: $(VENV)/.test ## run the test suite, on two processes
	$(BIN)/python -m pytest -m "not tools" -n 2 --dist loadfile $(PYTEST_ARGS)

# Third-party programs, only to be run against the board: nothing of ours imports them.
TOOLS := kflash mpremote adafruit-ampy rshell mpfshell thonny fatfs-ng

$(VENV)/.tools: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TOOLS)
	@touch $@

test-tools: $(VENV)/.tools ## run other people's serial tools against the board
	$(BIN)/python -m pytest -m tools $(PYTEST_ARGS)

setup: $(VENV)/.test ## make the environment with everything for development
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dev]'

lint: ## check style (after make setup)
	$(BIN)/ruff check .

bench: $(VENV)/.run ## time the KPU and the start-up
	$(BIN)/python -m bench

clean: ## remove the environment and caches
	rm -rf $(VENV) build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
