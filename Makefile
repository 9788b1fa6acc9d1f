# Every target installs what it needs into .venv (uv when it is there, plain venv otherwise).
# `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements/dev.lock
DEMO := src/tidelock/cli/demo/templates
UV := $(shell command -v uv 2>/dev/null)

# Tests start hundreds of processes; without compiled modules each takes twice as long to begin.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check unit bench engines peers conformance lock format reference clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tidelock needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "  do: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "installing locked dependencies into $(VENV) ..." >&2
ifneq ($(UV),)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r $(LOCK)
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
else
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@touch $@

demo: $(STAMP) ## the whole story in one terminal: problem, fix, failures, proof
	@$(BIN)/tidelock demo $(ARGS)

test: $(STAMP) ## all tests; what is not installed is skipped, counted and named
	@$(BIN)/pytest -q -n 3 --dist worksteal $(ARGS)

check: $(STAMP) ## what CI runs first: format, lint, types, import contracts, house rules, unit tests
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@MYPYPATH=$(DEMO) $(BIN)/mypy $(DEMO)/order_service.py $(DEMO)/user_service.py
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest -q tests/house tests/unit

unit: $(STAMP) ## unit tests only
	@$(BIN)/pytest -q tests/unit $(ARGS)

bench: $(STAMP) ## benchmarks beside named peers, as ratios
	@$(BIN)/python -m bench $(ARGS)

engines: $(STAMP) ## fetch Apache Kafka, its tools; build Spring's Eureka server and a service (Java 17, Maven) into .engines
	@$(BIN)/python -m tests.engines.fetch && $(BIN)/python -m tests.engines.spring

peers: ## the Python clients that `make bench ARGS=calls` compares with, into .peers
ifneq ($(UV),)
	@test -x .peers/bin/python || $(UV) venv --quiet --python $(PYTHON) .peers
	@$(UV) pip install --quiet --python .peers/bin/python -r bench/peers.txt
else
	@test -x .peers/bin/pip || $(PYTHON) -m venv .peers
	@.peers/bin/pip install --quiet --disable-pip-version-check -r bench/peers.txt
endif

conformance: $(STAMP) ## other projects' suites for their Kafka clients, against our broker (needs git and the network)
	@$(BIN)/python -m tests.conformance.clients.run $(ARGS)

format: $(STAMP) ## rewrite the code in the house's format
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

reference: $(STAMP) ## write docs/reference from the code: command line, errors
	@$(BIN)/python tools/gen_reference.py

lock: $(STAMP) ## resolve requirements/dev.lock anew
	@$(BIN)/python tools/lock.py $(ARGS)

clean: ## remove .venv and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
