# make demo     environment, install, the main job on embedded data
# make test     environment, install, ruff, mypy and all tests
# make install  environment and install, nothing else
# make bench    timings of the code, compared with the last run that was saved here
# make board    the pages of results/ again from their records, and the site in site/
# A second call reinstalls nothing: .venv/.installed is newer than pyproject.toml.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
UV := $(shell command -v uv 2>/dev/null)

.PHONY: install demo test check bench gpu board clean

install: $(STAMP)

demo: $(STAMP)
	$(BIN)/ganbench demo

test: check
	$(BIN)/pytest -m "not gpu" -n 2 --dist worksteal

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Compared with the last run that was saved on this system and Python are the fastest rounds: what else a machine does makes rounds
# longer, never shorter. A small shared one may be busy for all rounds of a benchmark, so that only twice as long counts.
BOUND ?= min:100%
AGAINST ?=
BENCH ?= benchmarks
SAVES = .benchmarks/$(shell $(BIN)/python -c 'from pytest_benchmark.utils import get_machine_id as name; print(name())')
SAVED = $(wildcard $(SAVES)/*.json)

# Only a whole run that passed is kept for the next to be compared with: one of some benchmarks would leave the others uncompared.
bench: $(STAMP)
	trap : INT TERM; \
	$(BIN)/pytest $(BENCH) -m "not gpu" --benchmark-only --benchmark-group-by=func $(if $(BENCH:benchmarks=),,--benchmark-autosave) \
	  $(if $(SAVED),--benchmark-compare$(AGAINST:%==%) --benchmark-compare-fail=$(BOUND)) || { code=$$?; \
	  for file in $(SAVES)/*.json; do case " $(SAVED) " in *" $$file "*) ;; *) ! test -f "$$file" || mv "$$file" "$$file.failed";; esac; done; \
	  exit $$code; }

gpu: $(STAMP)
	$(BIN)/pytest -m gpu
	$(BIN)/pytest benchmarks -m gpu --benchmark-only -s

# What the demo leaves in results/ is not committed.
BOARD = $(filter-out results/demo/records,$(wildcard results/*/records))
SPEED = $(wildcard results/*/times)

board: $(STAMP)
	$(BIN)/ganbench table $(BOARD) --format md --out results/LEADERBOARD.md
	set -e; for folder in $(BOARD); do \
	  $(BIN)/ganbench table $$folder --format md --out $${folder%records}table.md; done
	set -e; for folder in $(SPEED); do \
	  $(BIN)/ganbench table $$folder --format md --out $${folder%times}table.md; done
	$(BIN)/ganbench publish $(BOARD) $(SPEED) --out site

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ganbench needs Python 3.11 or newer: make PYTHON=python3.12")'
ifdef UV
	test -x $(BIN)/python || uv venv --python $(PYTHON) .venv
	uv pip install --python $(BIN)/python -e '.[dev]'
else
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
endif
	$(MAKE) --no-print-directory chromium
	touch $@

# The tests of the published site run in Debian's Chromium. Where it cannot be installed they are skipped, and say so.
CHROMIUM := chromium chromium-browser google-chrome
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] && echo env || echo sudo -n)

.PHONY: chromium
chromium:
	@for name in $(CHROMIUM); do command -v $$name >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && $(AS_ROOT) true 2>/dev/null; then \
	  $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -y -qq chromium >/dev/null && exit 0; \
	fi; \
	echo "The browser tests need Chromium, which is not here: apt-get install chromium, as root."

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .benchmarks
