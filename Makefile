# `make run` and `make test` do all of their own set-up: they need Python 3.11 and make, nothing else.

PYTHON ?= python3.11

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test lint docs unit integration stress versions lock clean

help:
	@echo "make run          three turns of the flywheel on the sample projects, and how to look at the result"
	@echo "make test         everything CI runs: lint, types, import contracts, docstrings, tests; T=path for some tests alone"
	@echo "make lint         the same without the tests"
	@echo "make docs         the site of docs/ in build/site, strictly"
	@echo "make unit         the tests that need no server"
	@echo "make integration  the tests against real servers"
	@echo "make stress       the tests that prove by repetition, repeated more often"
	@echo "make versions     some tests on the oldest MLflow, and on the newest with the newest Python at hand"
	@echo "make lock         write requirements.lock anew (UPGRADE=--upgrade to move to newer releases)"
	@echo "make clean        remove the environment and what tools left behind; never mlflow-data"

install: $(STAMP)

# The build backend is in the lock as well: nothing is installed that the lock does not name, with its hash. The lock is
# complete, so pip need not resolve (--no-deps); those before 26 also fail to match a hashed pandas with pandas[parquet].
# `pip check` then confirms that nothing is missing.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) on PATH: install Python 3.11, or say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV): some minutes, and only when the lock changes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@# pip compiles what it copies, not what it links: where PYTHONDONTWRITEBYTECODE is set every command would do it anew.
	@$(BIN)/python -m compileall -q flywheel_mlflow
	@$(BIN)/python -m pip check
	@touch $@

# Iteration 1 holds the published figures; 2 and 3 are run by the projects' pipelines. What fails in 2 becomes feedback, the
# file of decisions makes tasks of it, 3 absorbs them, and the last line shows whether that helped.
# The environment manager `local` runs the `python` it finds on PATH, hence the venv's first.
MLFLOW_RUN = mlflow run . --env-manager local --experiment-name llm-data-flywheel
run: export PATH := $(CURDIR)/$(BIN):$(PATH)
run: export MLFLOW_TRACKING_URI := sqlite:///$(CURDIR)/mlflow-data/mlflow.db
run: export MLFLOW_DISABLE_TELEMETRY := true
run: export DO_NOT_TRACK := true
run: $(STAMP)
	@flywheel init
	@$(MLFLOW_RUN) -P iteration=1 -P log=published
	@$(MLFLOW_RUN) -P iteration=2 -P log=pipelines
	@flywheel task decide projects/decisions.yaml --iteration 2
	@$(MLFLOW_RUN) -P iteration=3 -P log=pipelines
	@flywheel task results --iteration 3

# `make test T="tests/unit/test_rules.py -k name"` runs these tests alone.
ifdef T
test: $(STAMP)
	$(BIN)/python -m pytest $(T)
else
# Type checking and the site use one processor each, so they run beside the unit tests.
test: $(STAMP)
	$(MAKE) --jobs=2 lint unit docs
	$(MAKE) integration
endif
# Where it is set, each worker and each process that a test starts would compile anew what changed since the installation.
test unit integration stress: export PYTHONDONTWRITEBYTECODE :=

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate flywheel_mlflow

# Fails for links and pages that lead nowhere; not with --quiet, which hides them. Material says at each start that it stays with
# MkDocs 1, as we do.
docs: export NO_MKDOCS_2_WARNING := 1
docs: $(STAMP)
	$(BIN)/python -m mkdocs build --strict

# The folders of the other tests are not even collected, which takes seconds; projects have both kinds.
unit: $(STAMP)
	$(BIN)/python -m pytest -m "not integration" --numprocesses 2 tests/unit tests/architecture tests/projects

# Whole files, and folders that share servers, go to one worker (tests/conftest.py): the small files of the projects come
# last, as they are collected, and fill the gaps. A third worker uses the time in which others wait for a server.
integration: $(STAMP)
	$(BIN)/python -m pytest -m integration --numprocesses 3 --dist loadfile --no-loadscope-reorder \
		tests/browser tests/integration tests/projects

# At a desk the examples are new ones each time; CI takes the same ones.
stress: export FLYWHEEL_STRESS := 1
stress: $(STAMP)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/unit tests/projects \
		tests/integration/test_releases_races.py tests/integration/server_plugin/test_alike.py

versions: $(STAMP)
	tests/versions/run

# The comment that opens the file would otherwise quote the command line with this machine's paths.
lock: export CUSTOM_COMPILE_COMMAND := make lock
lock: $(BIN)/pip-compile
	$(BIN)/pip-compile --quiet --extra auth --extra dev --extra docs --extra postgresql --extra projects --extra s3 \
		--generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options $(UPGRADE) \
		--output-file requirements.lock pyproject.toml

# Not the stamp: pyproject.toml may ask for what the lock does not hold yet.
$(BIN)/pip-compile:
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip-tools>=7.6,<8"

clean:
	rm -rf $(VENV) .versions build dist *.egg-info .coverage .coverage.* htmlcov
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find flywheel_mlflow tests projects benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +
