# The commands of the README's last section.

PYTHON ?= python3
SHARDS ?= 4
BINARY = target/release/parallel-pytest

.PHONY: help demo demo-compose test bench fuzz lint build screenshots

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST)

build: ## the release binary
	cargo build --release --locked

demo: build .venv/ready ## the example suite in four shards; prints where the report is
	cd tests/example && PATH="$(CURDIR)/.venv/bin:$$PATH" $(CURDIR)/$(BINARY) local --shards $(SHARDS) --output $(CURDIR)/report -- pytest --cov
	@echo "the report is in $(CURDIR)/report"

demo-compose: ## a Django shop on four fleets, each with a Postgres and a Redis of its own; the engine needs root
	tests/setup/engine
	tests/setup/fleet_images
	binary=$$(tests/setup/binary | tail -1) && cd tests/fleet/example && \
		"$$binary" local --shards $(SHARDS) --compose-service app --volume .:/code --output $(CURDIR)/report -- pytest --cov
	@echo "the report is in $(CURDIR)/report"

test: ## all tests; on Debian installs and starts what they need (the engine needs root)
	tests/run

bench: ## measurements beside pytest, its plugins, junitparser and coverage.py, of fleets and of publish; the engine needs root
	tests/bench/all | tee docs/speed.md

fuzz: ## the readers of what strangers write, SECONDS each; a short replay is among the tests
	fuzz/run $(or $(SECONDS),60)

screenshots: ## the pictures of the README, from real runs; the engine needs root
	tests/setup/engine
	tests/setup/fleet_images
	PARALLEL_PYTEST_BINARY=$$(tests/setup/binary | tail -1) tests/bench/picture
	tests/setup/browser
	PARALLEL_PYTEST_BINARY=$$(tests/setup/binary | tail -1) $${PARALLEL_PYTEST_CACHE:-$$HOME/.cache/parallel-pytest-tests}/venvs/html/bin/python tests/html/screenshots.py

lint: ## formatting, clippy, shell scripts, workflows
	tests/setup/linters
	tests/lint

.venv/ready: tests/example/requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
