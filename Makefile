# `make help` lists what there is. Everything works on a fresh machine with Python 3.11 or newer and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export TRIAGE_HOME ?= .triage
export MALLOC_ARENA_MAX ?= 2
CELERY := $(BIN)/celery -A workers.app
WORKER := $(CELERY) worker --pool threads --without-mingle --without-gossip --loglevel INFO
CORES := $(shell getconf _NPROCESSORS_ONLN)

##@ Use

demo: install  ## File the sample reports with a private Postgres and Redis; again: nothing new is filed
	@$(BIN)/triage demo

up: install  ## Local stack in the foreground: Postgres, Redis, a worker for each core, Flower, the console
	@$(BIN)/triage local start > /dev/null && deploy/flower-login
	@$(BIN)/honcho --procfile deploy/Procfile start --concurrency servers=1,worker=$(CORES),flower=1,console=1 & \
	  echo $$! > $(TRIAGE_HOME)/up.pid; trap 'kill $$! 2> /dev/null' INT TERM; wait $$!; wait; \
	  rm -f $(TRIAGE_HOME)/up.pid; $(BIN)/triage local stop > /dev/null

down: install  ## Stop what `make up` runs, and the local servers
	@pid=$$(cat $(TRIAGE_HOME)/up.pid 2> /dev/null) && kill $$pid 2> /dev/null && \
	  for _ in {1..50}; do kill -0 $$pid 2> /dev/null || break; sleep 0.2; done || true  # workers sign off in Postgres
	@$(BIN)/triage local stop

worker: install  ## One worker in the foreground
	@$(WORKER) --hostname triage$$$$@%h

flower: install  ## Flower on loopback, with a generated login
	@deploy/flower-login
	@FLOWER_BASIC_AUTH=$$(cat $(TRIAGE_HOME)/flower-login) $(CELERY) flower --address=127.0.0.1 --port=5555 --purge-offline-workers=300

console: install  ## The console alone, on loopback; prints a link that lets you in once
	@$(BIN)/triage console

##@ Develop

install: .venv/installed  ## Create .venv with the locked dependencies

.venv/installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked dependencies into .venv (about a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## Resolve the dependencies anew (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --group dev pyproject.toml -o requirements.lock

format: install  ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --quiet --fix .

lint: install  ## Format, lint, types, import contracts, size budgets
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.budgets

test: install  ## All tests, on real servers that they start themselves
	@$(BIN)/python -m pytest -n 3 --dist loadfile

check: lint test  ## Everything that must hold before a change lands

FILE ?= ../shared/data/seamonkey-bugs.csv
test-real: install  ## File a CSV of real reports twice and count: make test-real FILE=reports.csv
	@$(BIN)/python -m tests.real $(FILE)

test-tools: install  ## Every adapter against its real server or twin, every case: a table, and build/tools.json
	@$(BIN)/python -m tests.tools

test-browser: install  ## The console in a real browser (Chromium has to be installed)
	@TESTS_REQUIRE=chromium $(BIN)/python -m pytest -n 2 --dist loadfile tests/browser

test-alerts: install  ## Kill all workers and see the alert arrive, through a real Prometheus and Alertmanager
	@TESTS_REQUIRE=prometheus $(BIN)/python -m pytest -q --show-capture=no -s tests/unit/test_alerts.py tests/integration/test_alerting.py

screenshots: install  ## Pictures of the console for the README, from a product that runs (Chromium has to be installed)
	@$(BIN)/python -m tests.browser.screenshots

crash: install  ## Kill a worker at every boundary of every case, and count what the other system made
	@$(BIN)/python -m tests.crash

CHAOS_SECONDS := $(if $(filter command environment,$(firstword $(origin SECONDS))),$(SECONDS),300)
SEED ?= 1
chaos: install  ## Break everything for a while under load: make chaos SECONDS=300 SEED=1
	@$(BIN)/python -m tests.chaos --seconds $(CHAOS_SECONDS) --seed $(SEED)

chaos-network: install  ## The same with workers cut off from servers, in network namespaces (root, iproute2)
	@$(BIN)/python -m tests.chaos --network --seconds $(CHAOS_SECONDS) --seed $(SEED)

model: install  ## Check the protocol's model with spin
	@$(BIN)/python -m tests.model

money: install  ## Ask a model for thousands of runs within budgets that bind, while workers are killed
	@$(BIN)/python -m tests.money

waits: install  ## 200 waits for a model at once in one worker process, against the ideal
	@$(BIN)/python -m tests.bench.waits

pages: install  ## How fast the console's pages answer with a million runs in the database
	@$(BIN)/python -m tests.bench.pages

bench: install  ## Speed beside a bare Celery chain on the same servers
	@$(BIN)/python -m tests.bench

help:  ## This list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo up down worker flower console install lock format lint test check test-real test-tools test-browser test-alerts screenshots crash chaos chaos-network model money waits pages bench help
