# `make demo` trains a variational auto-encoder on MNIST; `make test` runs the tests. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= runs/demo

.PHONY: demo test test-long fuzz lint format bench speedrun clean

demo: $(VENV)/.installed
	$(BIN)/aevb train mnist --out $(DEMO) --overwrite

# A file's tests run in one process, which compiles their programs and builds their fixtures once.
test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not long"

test-long: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile -m long

# 2,000 damaged files, the same every time: about a minute.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python tests/fuzz_files.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The machine must be idle. Makes an environment per peer under benchmarks/.venvs (3.7 GB) the first time.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.harness
	$(BIN)/python -m benchmarks.earlier
	$(BIN)/python -m benchmarks.posteriors
	$(BIN)/python -m benchmarks.tutorial
	$(BIN)/python -m benchmarks.importance_weighted
	$(BIN)/python -m benchmarks.marginal --all
	$(BIN)/python -m benchmarks.monte_carlo_em
	$(BIN)/python -m benchmarks.sandwich
	$(BIN)/python -m benchmarks.imputation
	$(BIN)/python -m benchmarks.memory_and_demo
	$(BIN)/python -m benchmarks.speedrun

speedrun: $(VENV)/.installed
	$(BIN)/python -m benchmarks.speedrun

clean:
	rm -rf $(VENV) benchmarks/.venvs .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "aevb needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.installed
