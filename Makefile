# Everything a fresh clone needs: git, make and Python 3.11 or 3.12.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-all docs lint lock deps format starter clean

run: .venv/installed ## recordings of the sample voice to a verdict and a report, offline, on a CPU
	$(BIN)/vox run sample --promote --first-release

test: .venv/installed ## the quick tests
	$(BIN)/python -m pytest -m "not slow"

# Only the files that have slow tests: each worker collects the tests of all others for 11 s.
test-all: .venv/installed ## the slow tests that make test leaves out: whole pipelines, the real base adapted
	$(BIN)/python -m pytest -m slow $$(grep -rl --include='test_*.py' 'mark\.slow' tests | sort)

docs: .venv/installed ## the documentation site in .cache/site; any warning stops it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: .venv/uv ## resolve again what pyproject.toml changed; make lock UPGRADE=--upgrade for the newest versions
	$(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-annotate --custom-compile-command "make lock" --extra test --extra docs pyproject.toml --output-file requirements.lock

deps: .venv/installed ## name in dvc.yaml every module that a stage imports
	PYTHONPATH=. $(BIN)/python tests/write_deps.py

starter: .venv/installed ## make the starter base again, for hours; starter/README.md says what it needs
	$(BIN)/python -m starter

clean: ## the environment alone; data, models and releases stay
	rm -rf .venv

# The stamps are made last: an installation that was interrupted is begun again.
.venv/installed: requirements.lock pyproject.toml .venv/uv
	$(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m metrics.sound
	@touch $@

.venv/uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else \
	  f"error: Python {v[0]}.{v[1]} found, 3.11 or 3.12 is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	@touch $@
