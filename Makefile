# The two commands of the README are `make demo` and `make test`.

PYTHON ?= python3
SHARDS ?= 4
BINARY = target/release/parallel-pytest

.PHONY: help demo test bench fuzz lint build

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST)

build: ## the release binary
	cargo build --release --locked

demo: build .venv/ready ## the example suite in four shards; prints where the report is
	cd tests/example && PATH="$(CURDIR)/.venv/bin:$$PATH" $(CURDIR)/$(BINARY) local --shards $(SHARDS) --output $(CURDIR)/report -- pytest --cov
	@echo "the report is in $(CURDIR)/report"

test: ## all tests; on Debian installs and starts what they need (the engine needs root)
	tests/run

bench: build ## measurements beside pytest, pytest-xdist, pytest-split, junitparser and coverage.py
	tests/bench/run
	tests/bench/merge

fuzz: ## the readers of what strangers write, SECONDS each; a short replay is among the tests
	fuzz/run $(or $(SECONDS),60)

lint: ## formatting, clippy, shell scripts, workflows
	tests/setup/linters
	tests/lint

.venv/ready: tests/example/requirements.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@
