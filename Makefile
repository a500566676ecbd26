# All targets need only Python (3.11 or newer) and make. Each target creates the virtual environment that it needs.
#
#   make demo    regain control of a room on a real, throwaway Synapse
#   make test    run all tests, also those against a real Synapse   (PYTEST_ARGS="-k power -x")
#   make test-fast      run only the unit tests
#   make test-versions  run the main tests on older Synapse versions   (VERSIONS="1.98.0 1.144.0")
#   make test-workers   run the tests that change rooms and accounts on PostgreSQL, with a delayed worker
#   make test-oldest    run the unit tests with the oldest release of each dependency
#   make faults  inject each fault at each request between the commands and a real Synapse   (FAULTS_ARGS="--thorough")
#   make fuzz    test parsers, answers and sockets with a million random inputs   (FUZZ_ARGS="--seed 1")
#   make lint    run ruff, mypy and import-linter
#   make docs    build the documentation in docs/_build/html, and in Chinese in docs/_build/html/zh_CN
#   make reference  generate the reference pages of the documentation from the program
#   make transcripts  run the commands of the guides, and update their output and the pictures in the pages
#   make translations  update docs/locale from the translated pages
#   make venv    create the development environment, .venv
#   make release  build and check the wheel, source archive, bill of materials and checksums in dist/
#   make clean   remove all files that these targets have created

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# The translated pages: docs/locale/zh_CN/LC_MESSAGES/PAGE.po
TRANSLATED := $(basename $(notdir $(wildcard docs/locale/zh_CN/LC_MESSAGES/*.po)))
PYTEST_ARGS ?=
FAULTS_ARGS ?=
FUZZ_ARGS ?=
VERSIONS ?= 1.98.0 1.114.0 1.127.1 1.144.0
# The tests for older Synapse versions: reading rooms, regaining control, and setting power levels.
VERSIONS_ARGS ?= tests/live/test_every_version.py tests/live/make_room_admin \
  tests/live/recovery/test_regain.py tests/live/recovery/test_levels.py
# The tests for a Synapse with a worker: one process makes a change, and the other receives it later.
WORKERS_ARGS ?= tests/live/test_workers.py tests/live/make_room_admin tests/live/recovery tests/live/audit \
  tests/live/test_users.py tests/live/test_offboard.py tests/live/test_delete.py tests/live/api/test_users.py \
  tests/live/api/test_room_deletion.py
# A few of these tests, for continuous integration.
WORKERS_SMOKE := tests/live/test_workers.py \
  tests/live/make_room_admin/test_command.py::test_text_output_has_an_outcome_for_each_room_and_a_summary \
  tests/live/recovery/test_regain.py::test_deactivated_admin_is_reactivated_temporarily[kept] \
  tests/live/test_users.py::test_locked_account_gets_no_token \
  tests/live/test_delete.py::test_second_deletion_makes_no_second_new_room \
  tests/live/test_offboard.py::test_successor_gets_control_before_the_account_is_closed[lock] \
  tests/live/audit/test_without.py::test_findings_without_accounts_match_their_deactivation

.PHONY: help venv demo test test-fast test-versions test-workers test-workers-smoke test-oldest faults fuzz lint docs reference \
  transcripts translations release clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.sandbox
	@echo "The demo starts a real Synapse in a temporary directory, and removes it at the end: about 30 seconds, 50 MB." >&2
	@$(BIN)/synadmin sandbox demo

test: $(VENV)/.dev
	@echo "Running all tests against real Synapses: about 12 minutes on 2 cores, 1 GB of disk in /tmp." >&2
	@echo "'make test-fast' runs only the unit tests, in about a minute." >&2
	@$(BIN)/python -m pytest --quiet --numprocesses=4 --dist=loadgroup $(PYTEST_ARGS)

test-fast: $(VENV)/.dev
	@$(BIN)/python -m pytest --quiet --numprocesses=auto tests/unit $(PYTEST_ARGS)

test-versions: $(VENV)/.dev $(VERSIONS:%=.venv-versions/%/.synapse)
	@for version in $(VERSIONS); do \
	  echo "Synapse $$version" >&2; \
	  SYNADMIN_TEST_SYNAPSE_PYTHON=$(CURDIR)/.venv-versions/$$version/bin/python \
	    $(BIN)/python -m pytest --quiet --numprocesses=3 --dist=loadgroup $(VERSIONS_ARGS) $(PYTEST_ARGS) || exit 1; \
	done

# Each environment takes about 230 MB. Newer releases of these packages lack functions that old Synapse versions
# use. With newer releases of the last three, an old Synapse cannot reach other servers.
.venv-versions/%/.synapse:
	@echo "Installing Synapse $* into .venv-versions/$* (about 230 MB) ..." >&2
	@$(PYTHON) -m venv .venv-versions/$*
	@.venv-versions/$*/bin/python -m pip --quiet --disable-pip-version-check install \
	  "matrix-synapse==$*" "setuptools<80" "prometheus-client<0.20" "twisted<24" \
	  "pyopenssl<24" "service-identity<24" "cryptography<42"
	@touch $@

test-workers: $(VENV)/.dev
	@SYNADMIN_TEST_WORKERS=1 $(BIN)/python -m pytest --quiet --numprocesses=2 --dist=loadgroup $(WORKERS_ARGS) \
	  $(PYTEST_ARGS)

test-workers-smoke: $(VENV)/.dev
	@SYNADMIN_TEST_WORKERS=1 $(BIN)/python -m pytest --quiet $(WORKERS_SMOKE:%='%') $(PYTEST_ARGS)

test-oldest: .venv-oldest/.dev
	@.venv-oldest/bin/python -m pip list --format=freeze | grep -Fix -f .venv-oldest/constraints.txt >&2
	@.venv-oldest/bin/python -m pytest --quiet --numprocesses=auto --dist=loadgroup tests/unit $(PYTEST_ARGS)

.venv-oldest/.dev: pyproject.toml
	@echo "Installing the oldest dependencies into .venv-oldest (about 470 MB) ..." >&2
	@$(PYTHON) -m venv .venv-oldest
	@$(PYTHON) tests/oldest.py > .venv-oldest/constraints.txt
	@.venv-oldest/bin/python -m pip --quiet --disable-pip-version-check install \
	  --constraint .venv-oldest/constraints.txt --editable '.[dev,docs]'
	@touch $@

faults: $(VENV)/.dev
	@$(BIN)/python -m tests.faults $(FAULTS_ARGS)
	@$(if $(FAULTS_ARGS),,SYNADMIN_TEST_EVERY=1 $(BIN)/python -m pytest --quiet tests/live/recovery/test_put_back.py -k killed)

fuzz: $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "ruff format: not formatted (run $(BIN)/ruff format)" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > $(VENV)/.lint-imports.log || { cat $(VENV)/.lint-imports.log; exit 1; }

docs: $(VENV)/.dev
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@$(BIN)/sphinx-build -q -W --keep-going -b html -D language=zh_CN docs docs/_build/html/zh_CN

reference: $(VENV)/.dev
	@$(BIN)/python docs/generate.py

transcripts: $(VENV)/.dev
	@SYNADMIN_TEST_REWRITE=1 $(BIN)/python -m pytest --quiet --numprocesses=2 tests/live/test_transcripts.py $(PYTEST_ARGS)
	@$(BIN)/python -m tests.pictures
	@$(BIN)/python docs/generate.py

# Update the catalogues from the pages. New texts get an empty translation, changed texts are marked as fuzzy.
translations: $(VENV)/.dev
	@$(BIN)/sphinx-build -q -b gettext docs docs/_build/gettext $(TRANSLATED:%=docs/%.md)
	@for page in $(TRANSLATED); do \
	  $(BIN)/pybabel -q update --input-file=docs/_build/gettext/$$page.pot --output-dir=docs/locale --locale=zh_CN \
	    --domain=$$page --width=110 --ignore-obsolete --omit-header || exit 1; \
	done

# The wheel must run in an environment with only its dependencies, also with their oldest releases.
release: .venv-release/.tools
	@rm -rf dist build .venv-release/alone .venv-release/oldest
	@.venv-release/bin/python docs/share.py build/share
	@.venv-release/bin/python -m build --outdir dist . > .venv-release/build.log 2>&1 || { cat .venv-release/build.log; exit 1; }
	@.venv-release/bin/twine check --strict dist/*
	@$(PYTHON) tests/oldest.py > .venv-release/oldest.txt
	$(call run_wheel,alone)
	$(call run_wheel,oldest,--constraint .venv-release/oldest.txt)
	@rm .venv-release/alone/lib/python*/site-packages/synadmin-*/direct_url.json # it has a path of this machine
	@.venv-release/bin/cyclonedx-py environment .venv-release/alone --output-reproducible --output-file dist/synadmin.cdx.json
	@cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

define run_wheel
@$(PYTHON) -m venv --without-pip .venv-release/$(1)
@.venv-release/bin/python -m pip --python .venv-release/$(1)/bin/python --quiet --disable-pip-version-check install $(2) dist/*.whl
@.venv-release/$(1)/bin/synadmin --version
@.venv-release/$(1)/bin/synadmin audit rules -o csv > /dev/null
@.venv-release/$(1)/bin/synadmin room make-admin --help > /dev/null
@diff -r build/share .venv-release/$(1)/share
endef

.venv-release/.tools: pyproject.toml
	@$(PYTHON) -m venv .venv-release
	@.venv-release/bin/python -m pip --quiet --disable-pip-version-check install build twine cyclonedx-bom --editable .
	@touch $@

venv: $(VENV)/.dev

# There are two stamp files, so that the demo does not install the development tools. A change of pyproject.toml
# makes both out of date.
$(VENV)/.sandbox: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "synadmin needs Python 3.11 or newer, but this is %s: choose another Python with make PYTHON=python3.13" % sys.version.split()[0])'
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "$(PYTHON) cannot make virtual environments (no ensurepip): on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing synadmin and Synapse into $(VENV): a minute or two, 250 MB ..." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --editable '.[sandbox]'
	@touch $@

$(VENV)/.dev: $(VENV)/.sandbox
	@echo "Installing the development tools into $(VENV): a minute or two, 250 MB more ..." >&2
	@$(PIP) install --editable '.[dev,docs]'
	@touch $@

clean:
	@rm -rf $(VENV) .venv-versions .venv-oldest .venv-release docs/_build build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find synadmin tests -type d -name __pycache__ -prune -exec rm -rf {} +
	@find docs/locale -name "*.mo" -delete
