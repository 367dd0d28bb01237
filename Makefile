# Everything a newcomer needs: `make demo` runs the main job, `make test` the tests; both from nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo test check format lint types layers deps bench campaigns coverage clean help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## make .venv with everything in it (LOCKED=1: exactly what requirements.lock says)

$(STAMP): pyproject.toml
	@echo "Making $(VENV) with everything in it; the first time this takes a minute or two."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if [ -n "$(LOCKED)" ]; then $(BIN)/python -m pip install -q --require-hashes -r requirements.lock \
	&& $(BIN)/python -m pip install -q --no-deps -e .; \
	elif command -v uv >/dev/null 2>&1; then uv pip install -q --python $(BIN)/python -e '.[dev]'; \
	else $(BIN)/python -m pip install -q -e '.[dev]'; fi
	@touch $(STAMP)
	@echo "$(VENV) is ready."

demo: setup ## start Chartloom with a simulated hospital, and open the console
	@echo "Starting the demo…"
	@$(BIN)/chartloom demo

# Three processes on two cores, for tests also wait; files in order of name, so that short ones are last.
PYTEST := $(BIN)/python -m pytest -q -m "not slow" -n 3 --dist loadfile --no-loadscope-reorder

test: setup ## all tests (under 15 minutes on 2 cores): all but the browser's, then those
	@failed=0; \
	$(PYTEST) --ignore tests/browser || failed=1; \
	$(PYTEST) tests/browser || failed=1; \
	exit $$failed

format: setup
	@$(BIN)/ruff format src tests bench

lint: setup
	@$(BIN)/ruff format --check -q src tests bench
	@$(BIN)/ruff check -q src tests bench

types: setup
	@$(BIN)/mypy

layers: setup
	@$(BIN)/lint-imports --no-cache

deps: setup
	@$(BIN)/deptry src

check: lint types layers deps test ## what CI runs

coverage: setup ## what becomes of every field of the shared HL7 v2 messages
	@$(BIN)/python tools/coverage.py

bench: setup ## benchmarks with peers beside us (about 20 minutes); results in bench/results
	@$(BIN)/python -m pip install -q -e '.[bench]'
	@for b in parse fhir_validate derive fold store mllp end_to_end; do $(BIN)/python -m bench.bench_$$b || exit 1; done

campaigns: setup ## kill -9 and hostile messages against a whole site (about an hour)
	@$(BIN)/python -m bench.campaign_kill9 --runs 100
	@$(BIN)/python -m bench.campaign_mutations --count 100000

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
