# Simpul: every command a newcomer or CI needs. GNU make, 3.81 or newer.

ARGS ?=

# An outer make's job server is not ours to share with cargo.
unexport MAKEFLAGS MFLAGS
.NOTPARALLEL:

# rustup looks for its toolchains in HOME. With a new, empty HOME they are still beside the cargo on the PATH.
ifndef RUSTUP_HOME
  beside := $(abspath $(dir $(shell command -v cargo 2>/dev/null))../../.rustup)
  ifeq ($(wildcard $(HOME)/.rustup/settings.toml),)
    ifneq ($(wildcard $(beside)/settings.toml),)
      export RUSTUP_HOME := $(beside)
    endif
  endif
endif

.DEFAULT_GOAL := help
.PHONY: help run test prepare prepare-test lint schema openapi fuzz bench prepare-bench docs-page clean-data

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: prepare ## Install what is missing, build, start the demo: make run ARGS='--listen 127.0.0.1:9000'
	@exec scripts/run.sh $(ARGS)

test: prepare-test ## All that CI runs: linters first, then schemathesis and an OAuth library, then every test with all its rounds
	@exec scripts/check.sh lint document deployment fuzz client tests

prepare: ## Check for Rust, a C compiler and PostgreSQL; install PostgreSQL if it is missing
	@scripts/prepare.sh server

prepare-test: ## The same, and the Python and Node tools of the tests into .tools/
	@scripts/prepare.sh test

lint: ## Formatting and clippy, warnings as errors
	@exec scripts/check.sh lint

schema: ## Print src/schema.rs from the migrated database in DATABASE_URL (needs the diesel command)
	@command -v diesel >/dev/null 2>&1 || { echo 'make schema needs diesel: cargo install diesel_cli --no-default-features --features postgres' >&2; exit 1; }
	@diesel print-schema | sed 's/Array<Nullable<\([A-Za-z0-9]*\)>>/Array<\1>/' > src/schema.rs.new && rustfmt --edition 2024 src/schema.rs.new && mv src/schema.rs.new src/schema.rs

openapi: ## Write openapi/openapi.json from the routes
	@mkdir -p openapi
	@cargo run --locked --quiet -- openapi > openapi/openapi.json.new && mv openapi/openapi.json.new openapi/openapi.json

fuzz: prepare-test ## Schemathesis against a demo of its own
	@exec scripts/check.sh fuzz

bench: prepare-bench ## Measure the service beside pgbench on a million referrals and half a million volunteers: make bench ARGS=--write (docs/performance.md)
	@exec python3 bench/run.py $(ARGS)

prepare-bench: ## The same as prepare, and wrk and Python
	@scripts/prepare.sh bench

docs-page: prepare-test ## Fetch the API reference of /docs from npm again: make docs-page VERSION=1.72.1
	@exec scripts/renew-docs-page.sh $(VERSION)

clean-data: ## Remove the demo's data, .data/ (stop the demo first)
	@if [ -f .data/pg/data/postmaster.pid ] && kill -0 "$$(head -n 1 .data/pg/data/postmaster.pid)" 2>/dev/null; then \
		echo 'The demo is running on .data: stop it first.' >&2; exit 1; fi
	@rm -rf .data
