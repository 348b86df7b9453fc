# Needs nothing but make and Python 3.11 or newer. Every target makes the virtual environment it needs, once.

PYTHON ?= python3
UV ?= uv
# Tests wait for servers more than they compute: four at once are the quickest on two cores.
JOBS ?= 4
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help init test faults check format bench docs lock clean distclean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done

init: $(RUNTIME) ## Start a MongoDB and create, migrate, index and seed the Wayra database
	@$(BIN)/wayra-db --project wayra init $(ARGS)

test: $(DEV) ## Run the tests (JOBS=2 for fewer at once, ARGS="-k name" for some)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore=tests/faults $(ARGS)

faults: $(DEV) ## Run the long tests: kills at every command, failovers, rehearsals, a browser, a million documents
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS) tests/faults

check: $(DEV) ## Check style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## Repair what a tool can repair in style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(DEV) ## Run the benchmarks
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file" $(ARGS); done

docs: $(DEV) ## Write again the pages that are generated
	@$(BIN)/python docs/generate.py

lock: ## Resolve the dependencies again (maintainers; needs uv)
	$(UV) pip compile $(LOCK_FLAGS) --group build --extra embedded pyproject.toml --output-file requirements.lock
	$(UV) pip compile $(LOCK_FLAGS) --group dev --all-extras --constraints requirements.lock pyproject.toml --output-file requirements-dev.lock

LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

clean: ## Stop the Wayra server; remove the virtual environment, caches and build output
	@if [ -d wayra/.wayra ] && [ -x $(BIN)/wayra-db ]; then $(BIN)/wayra-db --project wayra server stop; fi
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find src tests wayra docs benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	@if [ -d wayra/.wayra ]; then echo "Kept the development data in wayra/.wayra; 'make distclean' removes it too."; fi

distclean: ## Like clean, and remove the Wayra development data after asking
	@if [ -d wayra/.wayra ]; then \
		printf 'Remove wayra/.wayra and the database in it? [y/N] '; read -r answer || answer=; \
		case "$$answer" in y|Y|yes) ;; *) echo 'Nothing was removed.'; exit 1;; esac; \
	fi
	@$(MAKE) --no-print-directory clean
	@rm -rf wayra/.wayra

$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: wayra-db needs Python 3.11 or newer. Name yours: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wayra-db needs Python 3.11 or newer and $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) -V 2>&1)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/pip
	@echo "Installing wayra-db and a development MongoDB"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# The development tools include all of the runtime, in the same versions, so one environment serves both.
$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing the development tools"
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@touch $@
