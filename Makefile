# `make` or `make help` lists what there is. A second call does only what has changed.

VENV := .venv
BIN := $(VENV)/bin
# The oldest that does comes first: requirements.lock was made with it. Override: make PYTHON=/path/to/python3
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
CATALOGUES := $(wildcard terracrm/translations/*/LC_MESSAGES/*.po)
INSTALLED := $(VENV)/.installed
ASSETS := web/static/vendor/.copied

.DEFAULT_GOAL := help
.PHONY: help demo test test-all kills soak scale-out bench check format install assets translations docs lock wheel clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: install ## See it work: an invented office, or MAIL=DIR for the mailboxes in a folder
	@$(BIN)/terracrm demo $(if $(MAIL),--mail "$(MAIL)")

test: install ## Run the tests, in parallel; ARGS=... goes to pytest
	@$(BIN)/pytest -n auto -q $(ARGS)

test-all: install ## The same, and on PostgreSQL all that has no SQL of its own
	@TERRACRM_TEST_ALL=1 $(BIN)/pytest -n auto -q $(ARGS)

kills: install ## Kill the sync process at every commit and remote call, meet faults, compare; ARGS="--stride 9"
	@$(BIN)/python -m tests.torture $(ARGS)
	@test -z "$$TERRACRM_TEST_DATABASE_URL" || \
		$(BIN)/python -m tests.torture --database "$$TERRACRM_TEST_DATABASE_URL" $(ARGS)

soak: install ## A daemon among faults, edits and kills, then compare; MINUTES=3 MAILBOXES=50 SEED=0
	@$(BIN)/python -m tests.torture.soak --minutes $(or $(MINUTES),3) --mailboxes $(or $(MAILBOXES),50) --seed $(or $(SEED),0)

scale-out: install ## Kill workers, daemons and the broker of an installation, then compare; SECONDS=60 BROKER=rabbitmq
	@$(BIN)/python -m tests.distributed --seconds $(or $(SECONDS),60) --broker $(or $(BROKER),redis)

bench: install ## Measure speed as ratios, side by side; NAMES="fetching searching", ARGS=--quick
	@$(BIN)/python -m benchmarks $(NAMES) $(ARGS)

check: install ## Check style, types, the direction of imports, and translations
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "Not formatted: run make format"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .import_linter.log || { cat .import_linter.log; exit 1; }
	@$(BIN)/python tools/translations.py check

format: install ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

install: $(INSTALLED) $(ASSETS) $(CATALOGUES:.po=.mo) ## Make the environment in .venv with everything in it

assets: $(ASSETS) ## Fetch the front-end files from npm into web/static/vendor

translations: $(INSTALLED) ## Collect the texts of code and pages into the catalogues
	@$(BIN)/python tools/translations.py update

docs: $(INSTALLED) ## Write config.example.toml and docs/configuration.md anew from the settings
	@$(BIN)/terracrm config example > config.example.toml
	@$(BIN)/terracrm config example --markdown > docs/configuration.md

lock: $(INSTALLED) ## Choose the versions of requirements.lock and package-lock.json anew
	@PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= CUSTOM_COMPILE_COMMAND="make lock" \
		$(BIN)/pip-compile --quiet --upgrade --extra celery --extra dev --extra postgres --strip-extras --generate-hashes --allow-unsafe \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file requirements.lock setup.cfg
	@npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund

wheel: install ## Build dist/*.whl
	@$(BIN)/python -m build --wheel --no-isolation

clean: ## Remove everything that was made, the environment too; not the data
	@rm -rf $(VENV) node_modules web/static/vendor build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache .import_linter.log $(CATALOGUES:.po=.mo)
	@find terracrm connectors sync web tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "$(PYTHON) cannot make an environment: apt-get install python$$version-venv"; exit 1; }
	@echo "Making the environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(BIN)/python requirements.lock setup.cfg pyproject.toml
	@echo "Installing what requirements.lock names"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $@

$(ASSETS): package-lock.json tools/assets.py | $(INSTALLED)
	@command -v npm >/dev/null || { echo "npm is needed for the front-end files: apt-get install npm"; exit 1; }
	@npm ci --ignore-scripts --no-audit --no-fund --silent
	@$(BIN)/python tools/assets.py
	@touch $@

%.mo: %.po | $(INSTALLED)
	@$(BIN)/python tools/build_backend.py
	@touch $@
