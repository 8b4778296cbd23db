# The whole house in one page: `make help` lists what can be done.
# Every target sets up what it needs; nothing has to be installed or activated first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Written by .ci/venv when an installation has succeeded; older than its inputs means: install again.
READY := .venv/.ready

$(READY): pyproject.toml constraints.txt .ci/venv
	@bash .ci/venv $@

.PHONY: help demo test check bench validate faults nightly atlas audit clean

help:    ## this list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

demo: $(READY)  ## one hot-summer balancing day on virtual devices: verdict and report
	@$(BIN)/hil run hot-summer-day

test: check  ## all checks and tests, on every Python here (what .ci/run calls)
	@bash .ci/system
	@bash .ci/other-pythons
	@$(BIN)/python -m pytest -m "not bench and not nightly and not alone" -n auto --dist loadfile \
		--durations=12
	@$(BIN)/python -m pytest -m "alone and not bench and not nightly" --durations=12

check: $(READY)  ## style, types, who may import whom, sizes: no test is run
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q --no-header tests/architecture/test_sizes.py

bench: $(READY)  ## what is measured: speed of the bench and its parts
	@$(BIN)/python -m pytest -m bench -s

validate: $(READY)  ## the cell model against its reference curves: the table of docs/physics.md
	@$(BIN)/python tests/validation/write_table.py docs/physics.md
	@sed -n '/table: make validate/,/end of table/p' docs/physics.md

faults: $(READY)  ## every fault case with five seeds, and the table of its figures
	@HIL_FAULT_SEEDS=5 $(BIN)/python -m pytest tests/faults -m "not alone and not nightly" -n auto
	@HIL_FAULT_SEEDS=5 $(BIN)/python -m pytest $(FAULTS) -m "not bench and not nightly"

FAULTS := tests/faults/test_fault_lab.py tests/faults/test_fault_clock.py \
	tests/scenario/test_study_workers.py::test_a_worker_that_is_killed_costs_nothing \
	tests/transport/test_telemetry_broker.py::test_killed_and_back \
	tests/transport/test_telemetry_broker.py::test_frozen_and_thawed

nightly: $(READY)  ## the tests that take too long for every commit, and what all of them reach
	@HYPOTHESIS_PROFILE=nightly HIL_FAULT_SEEDS=5 $(BIN)/python -m pytest -m "nightly or not bench" \
		--cov --cov-report=term:skip-covered

atlas: $(READY)  ## every claim put to the test, a page for each: docs/atlas
	@$(BIN)/hil atlas

audit: $(READY)  ## known vulnerabilities of what is installed; needs the advisory service
	@bash .ci/audit

clean:   ## removes everything that make and the tools put here, runs excepted
	rm -rf .venv .venvs build dist *.egg-info .coverage .coverage.* .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find hil drivers tests profiles -name __pycache__ -type d -prune -exec rm -rf {} +
