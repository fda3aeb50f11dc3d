PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.set-up

# Many machines ask Python to keep no compiled modules; then every process compiles Meadow anew before it starts.
unexport PYTHONDONTWRITEBYTECODE

help:  ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(SETUP)  ## Make .venv with everything that Meadow needs (PYTHON=python3.12 chooses another Python)

# uv does in seconds what takes pip a minute; pip itself takes over where only pip knows the way to an index. Compiling
# all modules takes 16 seconds once; it halves the start of each process.
$(SETUP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Meadow needs Python 3.11 to 3.13: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt --group dev -e . \
		|| { echo "uv could not install; pip tries"; $(BIN)/python -m pip install --quiet -c constraints.txt --group dev -e .; }
	touch $@

demo: $(SETUP)  ## Dashboard, Flower server, ten simulated clients with real digits, and a first run; Ctrl-C ends them
	@$(BIN)/python -m webapp demo

serve: $(SETUP)  ## Dashboard at 127.0.0.1:8000 and Flower server at 127.0.0.1:8080
	@$(BIN)/python -m webapp

# Browser tests have processes of their own: Playwright's event loop and the other tests do not share one.
test: $(SETUP)  ## All tests, with a Chromium installed first where there is none
	$(BIN)/python scripts/chromium.py
	$(BIN)/python -m pytest --ignore tests/browser -n 4 --dist loadfile --no-loadscope-reorder --durations 12
	$(BIN)/python -m pytest tests/browser -n 3 --dist loadfile --no-loadscope-reorder --durations 8

check: $(SETUP)  ## Format, lint and types of Python, scripts and styles; templates, imports, commit subjects
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/deno fmt --check --quiet
	$(BIN)/deno lint --quiet
	$(BIN)/deno check --quiet static/js
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest --quiet tests/test_imports.py tests/test_tree.py tests/test_lines.py \
		tests/test_words.py tests/test_fault_list.py
	$(BIN)/python scripts/commit_subjects.py

bench: $(SETUP)  ## Rounds beside flwr's own gRPC stream and the stock deployment, and what must hold (about 10 minutes)
	@$(BIN)/python -m benchmarks

soak: $(SETUP)  ## 200 rounds while a client is killed and started again every few seconds (2 minutes)
	@$(BIN)/python -m benchmarks.soak

canary: $(SETUP)  ## Which names inside the newest flwr, installed into a clean environment, Meadow would miss (1 minute)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(BIN)/uv venv --quiet --python $(BIN)/python "$$folder" \
		&& $(BIN)/uv pip install --quiet --upgrade --python "$$folder/bin/python" flwr \
		&& "$$folder/bin/python" -m federation.flwr_internals

lock:  ## Make constraints.txt anew from pyproject.toml
	$(BIN)/uv pip compile --universal --no-header --no-annotate --quiet pyproject.toml \
		--extra postgres --extra parquet --group dev --python-version 3.11 --upgrade -o constraints.txt

.PHONY: help setup demo serve test check bench soak canary lock
.DEFAULT_GOAL := help
