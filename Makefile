# Needs GNU make 3.81 (macOS) or newer, and Python 3.11 or newer (PYTHON=… chooses one).

SHELL := /bin/sh
PYTHON ?=
ARGS ?=
BIN := .venv/bin
# Tests and `make run` start Python a hundred times. Compiling our modules each time would take a tenth of each start.
export PYTHONDONTWRITEBYTECODE :=
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python

# Make the virtual environment again if its Python has gone (upgraded, uninstalled, another machine), or if pip was killed: the next
# pip would take a half-installed package for complete.
ifneq ($(wildcard .venv/.installing),)
BROKEN := broken
endif
ifneq ($(wildcard .venv/.made),)
ifneq ($(shell $(BIN)/python -c 'print(1)' 2>/dev/null),1)
BROKEN := broken
endif
endif

.DEFAULT_GOAL := help
.PHONY: help run test check docs bench chaos matrix clean broken

help:
	@echo "make run    install, migrate, make demo users, start everything; Ctrl-C stops it"
	@echo "make test   run the whole test suite on SQLite and PostgreSQL (ARGS=… goes to pytest)"
	@echo "make check  check format, lint, types, boundaries, migrations, contracts, documentation, vulnerabilities"
	@echo "make docs   build the pages of docs/ as a site in var/docs"
	@echo "make chaos  run everything under random faults, then check the recovery (SECONDS=180 SEED=… ENGINE=sqlite)"
	@echo "make bench  compare with the alternatives, about 15 minutes, into var/benchmarks (ARGS=--full: an hour)"
	@echo "make matrix test with every Python and Django that the project supports, 40 minutes (ARGS=--help says what it runs)"
	@echo "make clean  remove the virtual environment and all caches; keeps the data in var/"
	@echo
	@echo "To choose the Python for .venv (3.11 or newer): make run PYTHON=/path/to/python"

run: .venv/.run
	@exec $(BIN)/python -m config.runner.up

# Six at a time, because most tests wait more than they compute: SQLite in two parts; PostgreSQL in two; and in two the tests that have
# no engine, because they start the whole system, bring their own databases or brokers, or read settings or prose. Tests of brokers
# alone run on PostgreSQL, which has both brokers. Tests without a database run once, on SQLite. So do those of a second consumer: its
# own database is a SQLite file on either engine. So do pages and commands that only show rows, on SQLite; and requests with wrong or
# hostile values, on PostgreSQL, which refuses more of them. The output of the other five is printed after SQLite's.
BROKERS := $(addprefix tests/delivery/,test_frames.py test_messages.py test_outage.py test_queue_types.py)
WALKED := tests/browser tests/docs tests/walkthrough/test_planted.py tests/walkthrough/mystery/test_solved.py
ALONE := tests/apart tests/chaos tests/config $(addprefix tests/adoption/,test_empty_environment.py test_wheel.py)
MEASURED := tests/benchmarks
SHOWN := tests/admin/test_admin.py tests/admin/test_numbers.py tests/commands/test_consumers.py \
	$(addprefix tests/walkthrough/,mystery/test_page.py $(addprefix views/test_,chapter_pages.py frame.py home.py step_cards.py))
ASKED := $(addprefix tests/messaging/,http/test_access.py http/test_host.py http/test_input.py http/test_schema.py replica/test_answers.py)
ONCE := $(WALKED) $(ALONE) $(MEASURED)
APART := tests/contexts tests/delivery
HOSTS := tests/adoption tests/boundaries
test: .venv/.dev
	@folder=$$(mktemp -d); beside=; bad=; \
	tests() { exec $(BIN)/python -m pytest "$$@"; }; \
	start() { name=$$1; shift; (tests "$$@") >$$folder/$$name 2>&1 & beside="$$beside $$name:$$!"; }; \
	trap 'for one in $$beside; do kill $${one#*:} 2>/dev/null; done; wait; rm -rf $$folder; exit 130' INT TERM; \
	start postgresql --engine postgresql $(ONCE:%=--ignore %) $(if $(ARGS),,$(APART:%=--ignore %) $(SHOWN:%=--ignore %) --only-databases) $(ARGS); \
	$(if $(ARGS),,start delivery --engine postgresql tests/delivery $(MEASURED); \
	start walked --engine sqlite $(WALKED); start alone --engine sqlite $(ALONE); \
	start hosts --engine sqlite $(HOSTS) $(ALONE:%=--ignore %);) \
	echo "In the background:$$(for one in $$beside; do printf ' %s' $${one%:*}; done). Their output comes when SQLite is through."; \
	(tests --engine sqlite $(if $(ARGS),,$(patsubst %,--ignore %,$(ONCE) $(BROKERS) $(HOSTS) $(ASKED))) $(ARGS)) || bad="$$bad sqlite"; \
	for one in $$beside; do wait $${one#*:} || bad="$$bad $${one%:*}"; cat $$folder/$${one%:*}; done; \
	rm -rf $$folder; \
	if [ -n "$$bad" ]; then echo "Tests failed on:$$bad" >&2; exit 1; fi

# Warnings are errors. -E reads every page: one that didn't change would keep its warnings to itself.
SITE = $(BIN)/sphinx-build -E -W -q docs $${VAR_DIR:-var}/docs
docs: .venv/.dev
	@$(SITE) && echo "The first page is $${VAR_DIR:-var}/docs/index.html."

# Every step runs even if one fails, so one run shows all problems.
check: .venv/.dev
	@failed=0; \
	step() { echo "--- $$*"; "$$@" || { failed=1; bad="$$bad [$$*]"; }; }; \
	deploy() ( export DEBUG=0 EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend; \
		export USERS_API_URL=https://here BILLING_API_URL=https://here MONOLITH_API_URL=https://here; \
		export SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))'); \
		$(BIN)/python manage.py collectstatic --noinput && $(BIN)/python manage.py check --deploy --fail-level WARNING ); \
	step $(BIN)/ruff format --check .; \
	step $(BIN)/ruff check .; \
	step $(BIN)/mypy .; \
	step $(BIN)/lint-imports; \
	step $(BIN)/python manage.py check; \
	step deploy; \
	step $(BIN)/python manage.py makemigrations --check --dry-run; \
	for context in users billing monolith; do step $(BIN)/python manage.py write_contracts $$context --check; done; \
	step $(SITE); \
	step $(BIN)/python -m tests.audit; \
	if [ $$failed = 1 ]; then echo "Failed:$$bad" >&2; fi; \
	exit $$failed

# The output has the seed; SEED=… repeats the same plan.
SECONDS ?= 180
SEED ?=
ENGINE ?= postgresql
chaos: .venv/.dev
	@$(BIN)/python -m tests.chaos --seconds $(SECONDS) --engine $(ENGINE) $(SEED:%=--seed %) $(ARGS)

# Uses BENCH_POSTGRES_URL and BENCH_BROKER_URL if they are set, else starts its own servers.
bench: .venv/.dev
	@exec $(BIN)/python -m benchmarks $(ARGS)

# Makes its own environments in var/matrix.
matrix: .venv/.made
	@exec $(BIN)/python -m tests.matrix $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp file is written only after its step succeeded, so the next run completes an interrupted one.

.venv/.made: $(BROKEN)
	@if [ ! -w . ] || { [ -e .venv ] && [ ! -w .venv ]; }; then \
		echo "The folder $$(pwd) can't be written to. Copy the project to a folder that you can write to." >&2; exit 1; \
	fi; \
	if [ -n '$(PYTHON)' ]; then set -- '$(PYTHON)'; else set -- $(CANDIDATES); fi; \
	chosen=; old=; bare=; \
	for python in "$$@"; do \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		if ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then old="$$old $$python ($$version)"; continue; fi; \
		if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then bare="$$bare $$python ($$version)"; continue; fi; \
		chosen=$$python; break; \
	done; \
	if [ -z "$$chosen" ]; then \
		if [ -n "$$bare" ]; then \
			echo "Found$$bare without ensurepip, which a virtual environment needs. On Debian and Ubuntu: apt install python3-venv." >&2; \
		elif [ -n "$$old" ]; then \
			echo "Python 3.11 or newer is needed, but found only$$old. Name a newer one: make PYTHON=/path/to/python3.12 …" >&2; \
		else \
			echo "No Python found (looked for: $$*). Install 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 …" >&2; \
		fi; \
		exit 1; \
	fi; \
	if [ ! -e .venv/.installing ] && [ -x $(BIN)/python ] && $(BIN)/python -m pip --version >/dev/null 2>&1 && [ -z '$(PYTHON)' ] \
		&& $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then :; else \
		echo "Making .venv with $$chosen ($$version) …"; \
		"$$chosen" -m venv --clear .venv || { echo "The virtual environment can't be made; the reason is above. Correct that and run the same command again." >&2; exit 1; }; \
		rm -f .venv/.run .venv/.dev; \
	fi; \
	touch $@

.venv/.run: .venv/.made requirements.txt
	@$(call install,requirements.txt,25)

.venv/.dev: .venv/.made requirements.txt config/deploy/requirements.txt requirements-bench.txt requirements-dev.txt
	@$(call install,requirements-dev.txt,120)

define install
echo "Installing $(1) (the first time downloads about $(2) MB and takes one or two minutes) …"; \
touch .venv/.installing; \
$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(1) \
	|| { rm -f .venv/.installing; \
		echo "pip can't install $(1); the reason is above. Check the network or PIP_INDEX_URL, and run the same command again." >&2; \
		exit 1; }; \
rm -f .venv/.installing; \
touch $@
endef
