# Two commands for a newcomer: `make demo` and `make test`. Both create the environment first, if it is not there.
PYTHON ?= $(shell for v in 3.13 3.14 3.12 3.11; do command -v python$$v >/dev/null 2>&1 && python$$v -c '' 2>/dev/null && echo python$$v && break; done || true)
PYTHON := $(or $(PYTHON),python3)
VENV ?= .venv
RUN := $(VENV)/bin

.PHONY: demo test lint tables clean
demo: $(VENV)/ready
	$(RUN)/python scripts/demo.py

test: $(VENV)/ready
	$(RUN)/python -m pytest -n 2 --dist worksteal -q

lint: $(VENV)/ready
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/lint-imports --no-cache

tables: $(VENV)/ready
	$(RUN)/snnbench tables

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { echo "snnbench needs Python 3.11 to 3.14 (make PYTHON=python3.12 ...)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,peers]'
	@touch $@

clean:
	rm -rf $(VENV) runs
