# PYTHON creates the virtual environment; it has to be 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo unit check test test-release fuzz lint format docs dashboards bench soak sbom dist lock clean

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/'

demo: $(VENV)/run.stamp ## run the exporter with a simulated V-Spark; ARGS are its flags
	$(BIN)/vspark-exporter demo $(ARGS)

unit: $(VENV)/dev.stamp ## the unit tests, with coverage: no sockets, no subprocesses, seconds
	$(BIN)/python -m pytest tests/unit --cov

check: lint unit ## what has to pass before a commit: lint and unit

test: $(VENV)/dev.stamp ## all tests except those of test-release; ARGS are arguments of pytest
	$(BIN)/python -m pytest --hypothesis-profile=thorough $(ARGS)

test-release: $(VENV)/dev.stamp ## the tests that take minutes; as root, they build and run the image; ARGS as above
	$(BIN)/python -m pytest -m release $(ARGS)

fuzz: $(VENV)/dev.stamp ## look for bugs for FUZZ_SECONDS; four hours by default
	$(BIN)/python -m tests.fuzz run $(if $(FUZZ_SECONDS),--seconds $(FUZZ_SECONDS))

lint: $(VENV)/dev.stamp ## style, types, imports, and insecure code and dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive exporter tools
	$(BIN)/python -m pytest --quiet --quiet tests/integration/test_locks.py

format: $(VENV)/dev.stamp ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## generate the pages, versions and expected /metrics pages that come from the code
	$(BIN)/python -m tools.docs
	$(BIN)/python -m pytest --quiet --golden tests/integration/test_golden_page.py tests/integration/test_rejected.py

dashboards: $(VENV)/dev.stamp ## generate the chart's dashboards
	$(BIN)/python -m tools.dashboards

bench: $(VENV)/dev.stamp ## compare the CPU time with an ordinary exporter, in 12 minutes; ROWS are the rows to measure
	$(BIN)/python -m tools.bench $(ROWS)

soak: $(VENV)/dev.stamp ## days of faults, reloads and bad scrapers, in ten minutes
	$(BIN)/python -m tests.soak

# The version is in exporter/__init__.py; the tool looks for it in pyproject.toml only.
sbom: $(VENV)/dev.stamp ## write the locked packages with their hashes to dist/sbom.cdx.json (CycloneDX)
	@mkdir -p dist
	@version="$$($(BIN)/python -c 'import exporter; print(exporter.__version__)')" && \
		sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml >dist/sbom.toml
	@PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py requirements requirements/run.lock \
		--pyproject dist/sbom.toml --output-reproducible --output-file dist/sbom.cdx.json
	@rm dist/sbom.toml

# All dates in it are the last commit's, so two builds of a commit are equal. It is built from the files of the commit, so
# nothing else that lies in the folder, such as a token, gets into it.
dist: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
dist: version = $(shell $(BIN)/python -c 'import exporter; print(exporter.__version__)')
dist: image = vspark-exporter:$(version)
dist: $(VENV)/dev.stamp ## build a release, with checksums, in dist/; needs helm 4, buildah, and no uncommitted changes
	@test -z "$$(git status --porcelain)" || \
		{ echo 'commit your changes, or remove them: a release is built from a commit' >&2; exit 1; }
	rm -rf dist
	$(MAKE) -o $(VENV)/dev.stamp sbom
	mv dist/sbom.cdx.json dist/vspark-exporter-$(version).cdx.json
	cp requirements/run.lock dist/vspark-exporter-$(version)-requirements.txt
	mkdir dist/source && git archive HEAD | tar --extract --directory=dist/source
	cd dist/source && $(abspath $(BIN))/python -m hatchling build -d ..
	helm package --destination dist dist/source/helm/vspark-exporter
	buildah bud --quiet --format oci --timestamp $$SOURCE_DATE_EPOCH --build-arg REVISION=$$(git rev-parse HEAD) \
		$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --tag $(image) dist/source
	buildah push --quiet $(image) oci:dist/image:$(image)
	tar --create --file=dist/vspark-exporter-$(version)-image.tar --directory=dist/image --sort=name --format=gnu \
		--mtime=@$$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX blobs index.json oci-layout
	rm -r dist/source dist/image
	cd dist && sha256sum * >SHA256SUMS

lock: $(VENV)/dev.stamp ## update the lock files to the newest versions that pyproject.toml allows
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--upgrade --custom-compile-command 'make lock' pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--upgrade --custom-compile-command 'make lock' --group dev -c requirements/run.lock pyproject.toml -o requirements/dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--upgrade --custom-compile-command 'make lock' --group build -c requirements/dev.lock -o requirements/build.lock

clean: ## remove what the other targets create
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage dist build

$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is required: make PYTHON=python3.12 …' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements/run.lock requirements/build.lock pyproject.toml $(VENV)/made.stamp
	$(PIP) install --require-hashes --only-binary :all: -r requirements/run.lock -r requirements/build.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock $(VENV)/run.stamp
	$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.lock
	@touch $@
