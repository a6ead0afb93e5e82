# Everything a person needs, by name. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VIEW ?= 1
PORT ?= 5006
DEMO := demo

# Commands that work on a lake take your settings file where there is one, else that of the demo, else the defaults.
export ENERGY_SETTINGS ?= $(firstword $(wildcard energy.toml $(DEMO)/energy.toml))
export DAGSTER_HOME := $(CURDIR)/.dagster_home

.DEFAULT_GOAL := help
.PHONY: help env demo test test-long test-crash lint format bench bench-files bench-api bench-viewer dev view screenshots fuzz laws score clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

env: $(VENV)/.ready ## create the environment (.venv) from requirements.lock

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: export ENERGY_SETTINGS = $(DEMO)/energy.toml
demo: env ## a generated plant through the whole pipeline, then the viewer (VIEW=0: no viewer)
	@test -f $(DEMO)/energy.toml || $(BIN)/energy-pipeline twin make $(DEMO) --preset demo
	@$(BIN)/energy-pipeline run
	@if [ "$(VIEW)" != "0" ]; then $(BIN)/energy-pipeline view --port $(PORT); fi

test: env ## all tests (aim: under 12 minutes on two cores)
	@sh scripts/need_chromium.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q $(ARGS)

test-long: env ## what takes minutes by itself: a plant from CSV to its score, fifty sessions, each page in both themes
	@sh scripts/need_chromium.sh
	$(BIN)/python -m pytest -m long -q --durations=0 $(ARGS)

test-crash: env ## kill processes inside writes, fill a disk, run into each other (about ten minutes)
	$(BIN)/python -m pytest -m crash -q -s tests/crash $(ARGS)

lint: env ## style and types
	$(BIN)/ruff check .

format: env ## mend what the linter can mend by itself
	$(BIN)/ruff check --fix .

bench: bench-files bench-api bench-viewer ## measure everything: files, REST API, viewer; results in bench-results/

bench-files: env ## measure speed and memory from CSV to tables, and the verdicts (SIZE=quick, full or large)
	$(BIN)/energy-pipeline bench --size $(or $(SIZE),full)

bench-api: env ## measure the REST API: a lake of 260 cells × 600 days, a server, 20 clients; bench-results/api.json
	$(BIN)/python scripts/bench_api.py $(ARGS)

bench-viewer: env ## measure the viewer by a real browser on 260 cells × 600 days; bench-results/viewer.json
	$(BIN)/python scripts/bench_viewer.py $(ARGS)

fuzz: env ## 100,000 mutated files through the reader
	$(BIN)/python -m tests.fuzz.run --count 100000 --seed 1

laws: env ## search for counterexamples to the laws of loading: 1,000 random files, and 20 or 30 random devices for each law of a lake
	HYPOTHESIS_PROFILE=hunt $(BIN)/python -m pytest -q --hypothesis-show-statistics tests/loading/test_reading_laws.py tests/loading/test_laws.py $(ARGS)

score: env ## how good the verdicts are, on simulated plants with known truth
	$(BIN)/energy-pipeline twin score

dev: env ## the Dagster UI with its daemon on 127.0.0.1:3000
	$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

view: env ## the viewer on 127.0.0.1
	$(BIN)/energy-pipeline view --port $(PORT)

screenshots: env ## pictures of all pages for the docs
	@sh scripts/need_chromium.sh
	$(BIN)/python scripts/screenshots.py

clean: ## remove the demo, its lake and the Dagster instance's history
	rm -rf $(DEMO) bench-results
	find .dagster_home -mindepth 1 ! -name dagster.yaml -delete
