# `make test` needs git, curl, Python 3.11 or later and make, and root or sudo for the Debian packages.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PACKAGES := deployments/engines/debian-packages-demo.txt deployments/engines/debian-packages-tests.txt
UV := .tools/bin/uv
# Downloads are kept in the checkout: nothing goes to the user's home.
export UV_CACHE_DIR := $(CURDIR)/.tools/cache/uv
export PIP_CACHE_DIR := $(CURDIR)/.tools/cache/pip

.PHONY: help packages packages-for-tests engines engines-for-tests check test demo demo-stop bench bench-webhook bench-release bench-provision

help:
	@echo 'make demo       a real Odoo: backed up, lost, restored and proved, all under .demo'
	@echo '                RUNTIME=compose: the same on Docker Compose, made by provision'
	@echo 'make demo-stop  end the servers that the demo left for a look around'
	@echo 'make bench      our backup and restore beside the usual script: DATABASE_MB=100 FILESTORE_MB=300 FILES=4000'
	@echo '                REPEAT=1 JSON=path KEEP=1 ANYWHERE=1 (docs/benchmarks.md)'
	@echo '                RUNTIME=compose: our backup through a compose project beside the same without containers'
	@echo 'make bench-webhook   10,000 bad deliveries, then 500 good ones a second, on the webhook receiver (docs/webhook.md)'
	@echo 'make bench-provision a project from nothing on Docker Compose, and a second run that changes nothing: JSON=path'
	@echo 'make bench-release   a release of one changed module beside -u all, and its rollback: DATABASE_MB=1000 JSON=path'
	@echo 'make test       install what is needed and run the tests; LONG=1: those that take long, too'
	@echo 'make check      style, types and layers (seconds)'
	@echo 'make engines    the real programs of the demo, under .demo/engines'

# Debian packages that are missing, named before they are installed. A Docker that is there is not replaced.
packages-for-tests: DOCKER_PACKAGES = $(shell docker version >/dev/null 2>&1 || command -v dockerd >/dev/null || \
  echo deployments/engines/debian-packages-docker.txt)
packages packages-for-tests:
	@missing=$$(grep -hv '^#' $(PACKAGES) $(DOCKER_PACKAGES) | while read -r name; do \
	  [ -z "$$name" ] || dpkg-query -W -f '$${db:Status-Status}' "$$name" 2>/dev/null | grep -qx installed || echo "$$name"; done); \
	[ -n "$$missing" ] || exit 0; \
	echo "Installing Debian packages:" $$missing; \
	sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	{ $$sudo apt-get -qq update && \
	  DEBIAN_FRONTEND=noninteractive $$sudo apt-get -qq install --yes --no-install-recommends $$missing >/dev/null; } || { \
	  echo 'Not all of them could be installed. Where this is not Debian, install what they are called there: what is still'; \
	  echo 'missing is named by whatever needs it, and tests of it are skipped with the reason.'; \
	  [ "$${ODOO_OPS_REQUIRE_ENGINES:-}" != 1 ]; }

$(UV): requirements-tools.lock
	python3 -m venv .tools
	.tools/bin/python -m pip install --quiet --require-hashes -r requirements-tools.lock
	touch $@

.venv/installed: $(UV) requirements-dev.lock pyproject.toml
	$(UV) venv --quiet --allow-existing .venv
	$(UV) pip sync --quiet --compile-bytecode --python .venv/bin/python requirements-dev.lock
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	touch $@

# Where the demo's Odoo runs: `native`, or `compose`, which needs Docker and finds all else in images.
RUNTIME ?= native
PACKAGES_OF_DEMO := $(if $(filter compose,$(RUNTIME)),packages-for-tests,packages)
ENGINES_OF_DEMO := $(if $(filter compose,$(RUNTIME)),docker,restic odoo)

engines: $(PACKAGES_OF_DEMO) .venv/installed
	PATH="$$PWD/.tools/bin:$$PATH" .venv/bin/python -m deployments.engines install $(ENGINES_OF_DEMO)

check: .venv/installed
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

# On a laptop the tests of a program that cannot be had here are skipped with the reason; CI wants them all.
engines-for-tests: packages-for-tests .venv/installed
	@{ PATH="$$PWD/.tools/bin:$$PATH" .venv/bin/python -m deployments.engines install && \
	  PYTHONPATH=. .venv/bin/python tests/support/docker_images.py; } || \
	  { [ "$${ODOO_OPS_REQUIRE_ENGINES:-}" != 1 ] && echo 'Not all engines are here: their tests will be skipped.'; }

# A file goes to one worker, the long ones with containers first. They wait a good part of their time: one worker more
# than the processors that CI has. What the engines were made with is there for tests, too: uv.
test: engines-for-tests check
	PATH="$$PWD/.tools/bin:$$PATH" .venv/bin/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder \
	  $(if $(filter 1,$(LONG)),,-m 'not long' --in-turn)

# The demo ends what it started when this make is killed, too.
DEMO := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX="$(CURDIR)/.demo/pycache" exec setpriv --pdeathsig TERM .venv/bin/python -m deployments.demo

demo: engines
	@$(DEMO) run --runtime=$(RUNTIME)

demo-stop: .venv/installed
	@$(DEMO) stop

# Not a test: what it prints depends on the machine.
FILESTORE_MB ?= 300
FILES ?= 4000
REPEAT ?= 1
BENCH_OPTIONS = --database-mb $(DATABASE_MB) --filestore-mb $(FILESTORE_MB) --files $(FILES) --repeat $(REPEAT) \
  --runtime=$(RUNTIME) \
  $(if $(JSON),--json "$(JSON)") $(if $(filter 1,$(KEEP)),--keep) $(if $(filter 1,$(ANYWHERE)),--anywhere)

bench: DATABASE_MB ?= 100
bench: $(PACKAGES_OF_DEMO) .venv/installed
	@$(if $(filter compose,$(RUNTIME)),PATH="$(CURDIR)/.tools/bin:$$PATH" .venv/bin/python -m deployments.engines install docker)
	@PATH="$(CURDIR)/.tools/bin:$$PATH" exec setpriv --pdeathsig TERM .venv/bin/python -m deployments.bench $(BENCH_OPTIONS)

bench-webhook: .venv/installed
	@PYTHONPATH=.:tests/support exec setpriv --pdeathsig TERM .venv/bin/python tests/support/webhook_load.py

bench-provision: engines-for-tests
	@PATH="$(CURDIR)/.tools/bin:$$PATH" JSON="$(JSON)" .venv/bin/python -m pytest -q -s tests/docker/bench_provision.py

# The aims are of a database of this size.
bench-release: DATABASE_MB ?= 1000
bench-release: engines
	@PATH="$(CURDIR)/.tools/bin:$$PATH" DATABASE_MB=$(DATABASE_MB) JSON="$(JSON)" .venv/bin/python -m pytest -q -s tests/flows/bench_release.py
