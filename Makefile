# Every target runs `setup` first, which does nothing when nothing changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
CONFORMANCE := $(VENV)/conformance
# Without pip's cache, which would keep 3 GB of archives beside what is unpacked from them.
PIP_INSTALL := -m pip install --no-cache-dir --quiet --disable-pip-version-check --no-deps

.DEFAULT_GOAL := help
.PHONY: sbom fuzz help setup data demo serve conformance test test-ops test-long lint check format lock proto monitoring clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Recognition needs Python 3.11 or newer; set one with: make PYTHON=/path/to/python3'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PYTHON) .ci/room.py $(VENV) --packages 7.8 --archives 3.2
	@echo 'Installing the locked packages into $(VENV) (some minutes, 7.8 GB) ...'
	@$(BIN)/python $(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(BIN)/python $(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

data: setup  ## find Fashion-MNIST, or fetch it
	@$(BIN)/recognition-train data

demo: setup  ## train, export, serve and classify the 10,000 test images; exit code 0
	@$(BIN)/python examples/demo.py

serve: setup  ## serve var/models
	@$(BIN)/recognition-serve --models var/models

conformance: $(CONFORMANCE)/.installed  ## the environment of tritonclient, which clashes with ours

$(CONFORMANCE)/.installed: tests/integration/conformance/requirements.lock | $(READY)
	@echo 'Installing tritonclient into $(CONFORMANCE) (200 MB) ...'
	@$(PYTHON) -m venv $(CONFORMANCE) \
		&& $(CONFORMANCE)/bin/python $(PIP_INSTALL) --require-hashes -r $< \
		&& touch $@ \
		|| { rm -rf $(CONFORMANCE); echo 'tritonclient cannot be installed here: its tests will be skipped'; }

test: setup conformance  ## every test that needs no network
	@$(BIN)/python -m pytest

test-ops: setup  ## those of images, compose, Kubernetes and traces, with the programs that tests/ops/fetch_tools.sh fetches
	@PATH="$(CURDIR)/var/ops-tools/bin:$$PATH" $(BIN)/python -m pytest tests/ops

test-long: setup  ## the counts of docs/reliability.md: within an hour, nothing else running; figures in var/reliability.json
	@mkdir -p var && RELIABILITY_FIGURES=var/reliability.json $(BIN)/python -m pytest tests/reliability -m long --timeout 1800

lint: setup  ## format, lint, types, spelling
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/codespell

check: lint test  ## every check, tests included

format: setup  ## rewrite the code in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

proto: setup  ## regenerate the committed code under proto/
	@$(BIN)/python proto/generate.py

RESOLVE := uv pip compile --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	--no-header --quiet

lock:  ## resolve requirements.lock and the image's locks/ anew (needs uv)
	$(RESOLVE) pyproject.toml --extra dev --output-file requirements.lock
	$(RESOLVE) pyproject.toml --extra service-cpu --extra otel --constraint requirements.lock -o locks/service-cpu.lock
	$(RESOLVE) pyproject.toml --extra cuda --extra otel --constraint requirements.lock -o locks/service-gpu.lock
	$(RESOLVE) pyproject.toml --extra export --constraint requirements.lock -o locks/training.lock
	echo 'ray[default]' | $(RESOLVE) pyproject.toml - --extra service-cpu --extra ray --extra s3 --extra gcs \
		--constraint requirements.lock -o locks/batch-cpu.lock
	echo 'ray[default]' | $(RESOLVE) pyproject.toml - --extra cuda --extra ray --extra s3 --extra gcs \
		--constraint requirements.lock -o locks/batch-gpu.lock
	echo hatchling | $(RESOLVE) - --constraint requirements.lock -o locks/build.lock

sbom: setup  ## what is in the images, as CycloneDX, into var/sbom
	@mkdir -p var/sbom
	@for lock in locks/*.lock; do \
		$(BIN)/python -W ignore -m cyclonedx_py requirements $$lock --pyproject pyproject.toml --output-reproducible \
			--of JSON -o var/sbom/$$(basename $$lock .lock).cdx.json && echo var/sbom/$$(basename $$lock .lock).cdx.json; \
	done

SECONDS_EACH ?= 60
fuzz: setup  ## decoder, manifest, tensors, settings, graphs and HTTP/2, SECONDS_EACH=60; with coverage where atheris is installed
	@for target in image manifest tensors config graph frames; do \
		$(BIN)/python -m tests.fuzz.run $$target --seconds $(SECONDS_EACH) || exit 1; done

monitoring: setup  ## write the dashboard and the operator's copy of the alerts
	@$(BIN)/python k8s/monitoring/generate.py

clean:  ## remove what was built, trained and exported
	rm -rf $(VENV) var
