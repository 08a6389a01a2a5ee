# `make` lists what there is. Each target that needs the set-up does it, once; a second run needs no network.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
BIN := .venv/bin
# named by what it depends on (the lock, the project's metadata, the script), so that a change of these, and nothing else, makes it again
VENV := .venv/.locked-$(shell sed '/^\[tool:pytest\]/,$$d' setup.cfg | cat - requirements.lock setup/venv.sh | cksum | cut -d' ' -f1)
# two at a time, for more want memory; a file's tests stay together, for they share a lake and a JVM
PARALLEL := -n 2 --dist loadfile
SHELLSCRIPTS := spark-submit.sh .ci/run setup/environment.sh setup/prerequisites.sh setup/venv.sh

.PHONY: help
help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV):
	@setup/venv.sh $@

.PHONY: setup
setup: $(VENV) ## Python packages, Spark's jars, class-data archive: all that the rest needs, once
	@setup/prerequisites.sh >/dev/null
	@$(PY) -m setup.jars fetch
	@$(PY) -m setup.archive

.PHONY: demo
demo: setup ## A simulated market, collected and turned into minute bars before your eyes
	@$(PY) -m setup.demo

.PHONY: demo-gaps
demo-gaps: setup ## Trades lost on purpose, missed, fetched back; the ledger tells how. Takes two to three minutes
	@$(PY) -m setup.demo_gaps

.PHONY: athena
athena: setup ## A small lake in SQL, as Athena shows it: S3, Glue and Trino on this machine until you leave
	@$(PY) -m setup.trino
	@$(PY) -m tests.athena

.PHONY: test
test: setup ## All tests but the long ones
	@$(BIN)/pytest $(PARALLEL)

.PHONY: test-readers
test-readers: setup ## Twelve questions to one lake, answered alike by Trino, Spark, DuckDB and delta-rs; takes some minutes
	@$(PY) -m setup.trino
	@$(BIN)/pytest -m "long or not long" tests/e2e/test_athena.py

.PHONY: test-long
test-long: setup ## All tests, with more seeds and bigger data
	@$(PY) -m setup.trino
	@$(BIN)/pytest $(PARALLEL) -m "long or not long" --hypothesis-profile=long

.PHONY: faults
faults: setup ## All crash points with all seeds, and the other sweeps; wants strace and root
	@setup/prerequisites.sh faults >/dev/null
	@$(BIN)/pytest -n 2 -m "long or not long" tests/unit/test_sweep.py tests/streaming/test_crashes.py \
		tests/streaming/test_sealed.py tests/streaming/test_upkeep.py tests/streaming/test_second_driver.py \
		$(addprefix tests/e2e/,test_crash_points.py test_damage.py test_disk.py test_jobs_on_s3.py test_kill.py test_s3_faults.py \
		test_stream_faults.py)

.PHONY: bench
bench: setup ## How fast the stream is, beside DuckDB; writes docs/benchmarks.md
	@$(PY) -m tests.benchmarks

.PHONY: bench-costs
bench-costs: setup ## What a batch of the stream costs: a batch, a tick, an object, a file; writes its part of docs/benchmarks.md
	@$(PY) -m tests.benchmarks --only costs

.PHONY: bench-history
bench-history: setup ## How fast `compact` is, beside DuckDB and polars; writes its part of docs/benchmarks.md
	@$(PY) -m tests.benchmarks.history

.PHONY: bench-layout
bench-layout: setup ## What the history's layout is worth to DuckDB and Trino; writes its part of docs/benchmarks.md
	@$(PY) -m setup.trino
	@$(PY) -m tests.benchmarks.layout

.PHONY: bench-ingest
bench-ingest: $(VENV) ## How fast the collector is, beside others; CRYPTOFEED=PYTHON names one that has cryptofeed
	@$(PY) -m tests.benchmarks.receive $(if $(CRYPTOFEED),--cryptofeed $(CRYPTOFEED))

.PHONY: soak
soak: $(VENV) ## A collector before venues that go wrong all the time, MINUTES=5: nothing lost, memory flat
	@$(PY) -m tests.benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: format-check
format-check: $(VENV)
	@$(BIN)/ruff format --check --quiet

.PHONY: lint
lint: $(VENV) ## Ruff, import contracts, shellcheck
	@$(BIN)/ruff check --quiet
	@$(BIN)/lint-imports --no-logo 2>&1 || exit 1
	@$(BIN)/shellcheck -x $(SHELLSCRIPTS)

.PHONY: types
types: $(VENV) ## Mypy, strict
	@$(BIN)/mypy

.PHONY: check
check: format-check lint types test ## What CI runs: format, lint, types, contracts, shell, docs, then all tests

.PHONY: fmt
fmt: $(VENV) ## Format, and fix what ruff can fix
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: docs
docs: $(VENV) ## Write what is generated again: docs/tables.md, SQL in conf/athena, conf/redshift and conf/snowflake
	@$(PY) -m setup.docs

.PHONY: hooks
hooks: $(VENV) ## Install the quick checks as a git hook
	@$(BIN)/pre-commit install

.PHONY: lock
lock: $(VENV) ## Write requirements.lock from setup.cfg; UPGRADE=1 takes newer versions
	@$(BIN)/uv pip compile --quiet --all-extras --generate-hashes --no-annotate --no-header --universal \
	  --python-version 3.11 $(if $(UPGRADE),--upgrade) --output-file requirements.lock setup.cfg

.PHONY: lock-jars
lock-jars: $(VENV) ## Write conf/jars.lock from conf/jars.yaml
	@$(PY) -m setup.jars lock

.PHONY: clean
clean: ## Remove what runs leave: lake, spool, demos, dist, caches of tools
	rm -rf lake spool demo demo-gaps athena dist build spark-warehouse .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.PHONY: distclean
distclean: clean ## Remove what set-up made, too
	rm -rf .venv .cache *.egg-info
