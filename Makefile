# Two commands on a fresh machine: make demo, make test. Both make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := outputs/demo

.PHONY: help install demo test test-all lint clean

help:
	@echo "make demo     train on the embedded demo data and predict its test proteins (CPU, minutes)"
	@echo "make test     lint and tests"
	@echo "make test-all the slow tests too"
	@echo "make lint     ruff and mypy"
	@echo "make install  the environment alone, in $(VENV)"
	@echo "make clean    remove the environment and the demo's output"

install: $(STAMP)

# torch first, by itself: every other package would pull the build of its own choice.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	@rm -rf $(DEMO)
	$(BIN)/python train.py experiment=demo hydra.run.dir=$(DEMO)
	$(BIN)/python -m protloc.data.demo test $(DEMO)/test_proteins.fasta
	$(BIN)/python predict.py model_dir=$(DEMO)/model input=$(DEMO)/test_proteins.fasta output=$(DEMO)/locations.csv
	@echo
	@echo "the model      $(DEMO)/model"
	@echo "its figures    $(DEMO)/metrics.json, multilabel_confusion.png, training_curves.png"
	@echo "predictions    $(DEMO)/locations.csv"
	@echo
	@echo "Five of them:"
	@$(BIN)/python -c "import csv; rows = list(csv.DictReader(open('$(DEMO)/locations.csv')))[:5]; \
	[print(f\"  {r['id']:12} {int(r['length']):5} residues   {float(r['probability']):4.0%}  {r['location'].replace(chr(124), ', ')}\") for r in rows]"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A test file a core, each with one thread: most of the time goes into starting processes.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses auto --dist loadfile

test: lint
	$(PYTEST)

test-all: lint
	$(PYTEST) -m ""

clean:
	rm -rf $(VENV) $(DEMO)
