# What one does with this project:
#
#   make install  make .venv with everything in requirements.txt; the others do so too, where it is missing
#   make run      set up what is missing and serve the chat at http://127.0.0.1:8000 (PORT=…, HOST=…)
#   make cluster  the same as several machines would: two web nodes, two workers; wants PostgreSQL and Redis
#   make test     set up what is missing and run every test (ARGS="-k stop" for some)
#   make bench    measure what waiting, restarts and replays cost (minutes; docs/architecture.md has what we saw)
#   make check    everything else that CI looks at: style, types, walls, migrations, deployment
#   make screenshots  take the pictures in docs/ anew; needs Chromium
#   make messages  collect the words that people read, and compile their translations; needs GNU gettext
#   make clean    take away what these made, but for the database
#
# Needs Python 3.11 or later (PYTHON=… names one), and nothing else. All of it lives in .venv.

# Not ?=: some shells have the machine's name in HOST.
HOST = 127.0.0.1
PORT ?= 8000

# Always `python -m …`: the scripts in .venv/bin stop working when the folder is moved.
python := .venv/bin/python
ready := .venv/ready

.PHONY: help install run cluster test bench check screenshots messages clean

help:
	@sed -n 's/^#   \(make .*\)/\1/p' Makefile

install: $(ready)

run: $(ready)
	@exec $(python) scripts/run.py --host "$(HOST)" --port "$(PORT)"

cluster: $(ready)
	@exec $(python) scripts/cluster.py --host "$(HOST)" --port "$(PORT)"

test: $(ready)
	@exec $(python) -m pytest $(ARGS)

bench: $(ready)
	@$(python) -m benchmarks.replay
	@$(python) -m benchmarks.restart
	@$(python) -m benchmarks.waiting

check: $(ready)
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) -c "from importlinter.cli import lint_imports_command as check; check()"
	DEBUG=1 $(python) manage.py makemigrations --check --dry-run
	$(python) scripts/check_deploy.py
	$(python) -m pip check

screenshots: $(ready)
	@$(python) -m scripts.screenshots

messages: $(ready)
	@$(python) scripts/messages.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache staticfiles dist

# Made anew when the requirements change, and when it was moved from elsewhere or its Python is gone.
$(ready): requirements.txt $(shell .venv/bin/python -c "" 2>/dev/null || echo rebuild)
	@sh scripts/set_up.sh

.PHONY: rebuild
rebuild:
