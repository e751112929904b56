# PYTHON is what the virtual environment is made from; it has to be 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo unit check test test-release fuzz lint format docs dashboards bench soak sbom lock clean

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/'

demo: $(VENV)/run.stamp ## the exporter beside a simulated V-Spark
	$(BIN)/vspark-exporter demo

unit: $(VENV)/dev.stamp ## the unit tests, with coverage: no sockets, no subprocesses, seconds
	$(BIN)/python -m pytest tests/unit --cov=exporter --cov-report=term:skip-covered

check: lint unit ## what has to be green before a commit: lint and unit

test: $(VENV)/dev.stamp ## all tests but those of test-release
	$(BIN)/python -m pytest

test-release: $(VENV)/dev.stamp ## the tests that take minutes; as root, they build and run the image
	$(BIN)/python -m pytest -m release

fuzz: $(VENV)/dev.stamp ## look for bugs for FUZZ_SECONDS, four hours without
	$(BIN)/python -m tests.fuzz run $(if $(FUZZ_SECONDS),--seconds $(FUZZ_SECONDS))

lint: $(VENV)/dev.stamp ## style, types, and what is insecure in code and locks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive exporter tools
	$(BIN)/python -m pytest --quiet --quiet tests/integration/test_locks.py

format: $(VENV)/dev.stamp ## mend what the formatter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## write the pages that are made from the code
	$(BIN)/python -m tools.docs

dashboards: $(VENV)/dev.stamp ## write the chart's dashboards
	$(BIN)/python -m tools.dashboards

bench: $(VENV)/dev.stamp ## CPU time beside an exporter of the ordinary kind
	$(BIN)/python -m tools.bench

soak: $(VENV)/dev.stamp ## ten minutes of faults, reloads and bad scrapers, as days for the exporter
	$(BIN)/python -m tests.soak

# The version is in exporter/__init__.py, where the tool does not look for it.
sbom: $(VENV)/dev.stamp ## list the locked packages with their hashes, as CycloneDX, in dist/sbom.cdx.json
	@mkdir -p dist
	@version="$$($(BIN)/python -c 'import exporter; print(exporter.__version__)')" && \
		sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml >dist/sbom.toml
	@PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py requirements requirements/run.lock \
		--pyproject dist/sbom.toml --output-reproducible --output-file dist/sbom.cdx.json
	@rm dist/sbom.toml

lock: $(VENV)/dev.stamp ## choose the newest versions that pyproject.toml allows
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--upgrade --custom-compile-command 'make lock' pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--upgrade --custom-compile-command 'make lock' --group dev -c requirements/run.lock pyproject.toml -o requirements/dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--upgrade --custom-compile-command 'make lock' --group build -c requirements/dev.lock -o requirements/build.lock

clean: ## remove what the targets above have made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build

$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed; name one: make PYTHON=python3.12 …' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements/run.lock requirements/build.lock pyproject.toml $(VENV)/made.stamp
	$(PIP) install --require-hashes --only-binary :all: -r requirements/run.lock -r requirements/build.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock $(VENV)/run.stamp
	$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.lock
	@touch $@
