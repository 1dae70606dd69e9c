# `make test` needs git, curl, Python 3.11 or later and make, and root or sudo for the Debian packages.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PACKAGES := deployments/engines/debian-packages-demo.txt deployments/engines/debian-packages-tests.txt
UV := .tools/bin/uv
# Downloads are kept in the checkout: nothing goes to the user's home.
export UV_CACHE_DIR := $(CURDIR)/.tools/cache/uv
export PIP_CACHE_DIR := $(CURDIR)/.tools/cache/pip

.PHONY: help packages engines engines-for-tests check test demo demo-stop bench

help:
	@echo 'make demo       a real Odoo: backed up, lost, restored and proved, all under .demo'
	@echo 'make demo-stop  end the servers that the demo left for a look around'
	@echo 'make bench      our backup and restore beside the usual script: DATABASE_MB=100 FILESTORE_MB=300 FILES=4000'
	@echo '                REPEAT=1 JSON=path KEEP=1 ANYWHERE=1 (docs/benchmarks.md)'
	@echo 'make test       install what is needed and run all tests'
	@echo 'make check      style, types and layers (seconds)'
	@echo 'make engines    the real programs of demo and tests, under .demo/engines'

# Debian packages that are missing, named before they are installed.
packages:
	@missing=$$(grep -hv '^#' $(PACKAGES) | while read -r name; do \
	  [ -z "$$name" ] || dpkg-query -W -f '$${db:Status-Status}' "$$name" 2>/dev/null | grep -qx installed || echo "$$name"; done); \
	if [ -n "$$missing" ]; then \
	  echo "Installing Debian packages:" $$missing; \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get -qq update; \
	  DEBIAN_FRONTEND=noninteractive $$sudo apt-get -qq install --yes --no-install-recommends $$missing >/dev/null; \
	fi

$(UV): requirements-tools.lock
	python3 -m venv .tools
	.tools/bin/python -m pip install --quiet --require-hashes -r requirements-tools.lock
	touch $@

.venv/installed: $(UV) requirements-dev.lock pyproject.toml
	$(UV) venv --quiet --allow-existing .venv
	$(UV) pip sync --quiet --compile-bytecode --python .venv/bin/python requirements-dev.lock
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	touch $@

engines: packages .venv/installed
	PATH="$$PWD/.tools/bin:$$PATH" .venv/bin/python -m deployments.engines install

check: .venv/installed
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

# On a laptop the tests of a program that cannot be had here are skipped with the reason; CI wants them all.
engines-for-tests: packages .venv/installed
	@PATH="$$PWD/.tools/bin:$$PATH" .venv/bin/python -m deployments.engines install || \
	  { [ "$${ODOO_OPS_REQUIRE_ENGINES:-}" != 1 ] && echo 'Not all engines are here: their tests will be skipped.'; }

test: engines-for-tests check
	.venv/bin/python -m pytest --numprocesses=2 --dist=loadfile

# The demo ends what it started when this make is killed, too.
DEMO := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX="$(CURDIR)/.demo/pycache" exec setpriv --pdeathsig TERM .venv/bin/python -m deployments.demo

demo: engines
	@$(DEMO) run

demo-stop: .venv/installed
	@$(DEMO) stop

# Not a test: what it prints depends on the machine.
DATABASE_MB ?= 100
FILESTORE_MB ?= 300
FILES ?= 4000
REPEAT ?= 1
BENCH_OPTIONS := --database-mb $(DATABASE_MB) --filestore-mb $(FILESTORE_MB) --files $(FILES) --repeat $(REPEAT) \
  $(if $(JSON),--json "$(JSON)") $(if $(filter 1,$(KEEP)),--keep) $(if $(filter 1,$(ANYWHERE)),--anywhere)

bench: packages .venv/installed
	@PATH="$(CURDIR)/.tools/bin:$$PATH" exec setpriv --pdeathsig TERM .venv/bin/python -m deployments.bench $(BENCH_OPTIONS)
