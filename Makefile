# Everything runs in .venv, which the first command makes; PYTHON names the interpreter it is made from.
PYTHON ?= python3
BIN := .venv/bin
FIRST := sample.train_budget=10 pseudolabel.steps=100 'evaluate.gates=[accuracy not below champion at 95 %]'
.DEFAULT_GOAL := help
.PHONY: help demo circle test test-images test-studio check checkov compile lock bench clean

help:     ## this list
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 13

demo: .venv/demo     ## install, then run all eight stages on 5,000 real digits: with 10 labels a first champion, with 30 the model that is compared with it
	@$(BIN)/gleaner example mnist demo/mnist
	@test -e demo/first || { $(BIN)/gleaner run pipelines/configs/mnist.yaml $(FIRST) && touch demo/first; }
	@$(BIN)/gleaner run pipelines/configs/mnist.yaml

circle: .venv/demo     ## rehearse the watch on eight weeks of digits that change: serve, alarm, label, train, promote (some minutes)
	@rm -rf demo/circle
	@$(BIN)/gleaner example mnist demo/stream --stream
	@$(BIN)/gleaner circle pipelines/configs/circle.yaml --stream demo/stream -o demo/circle

test: check     ## install with the development extras, check, then run every test but the two kinds below
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not images and not studio'

test-images: .venv/dev     ## build the images with podman and run the stages in them (root; some minutes)
	@$(BIN)/python -m pytest -m images

test-studio: .venv/dev .tools/label-studio/bin/label-studio     ## push to and pull from a real Label Studio (1 GB in .tools; some minutes)
	@$(BIN)/python -m pytest -m studio

check: .venv/dev     ## layout and style (ruff), types (mypy) and the import rules
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

checkov: .venv/dev .checkov/bin/checkov     ## security checks of the built manifests
	@$(BIN)/python -m tests.manifests .checkov/built && .checkov/bin/checkov --config-file .checkov.yaml --directory .checkov/built

compile: .venv/demo     ## refresh the compiled pipeline, its objects for Argo CD, its picture and the schema
	@$(BIN)/gleaner compile

lock: .venv/dev     ## write docker/locks anew from pyproject.toml (UV_FIND_LINKS or UV_INDEX: where torch's CPU wheel is)
	@$(BIN)/python docker/lock.py

bench: .venv/bench     ## print the figures that README and docstrings quote
	@$(BIN)/python -m tests.bench

clean:     ## remove .venv, the demo and all local runs
	@rm -rf .venv .checkov .tools demo .gleaner

.venv/bin/python:
	@echo "making .venv with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gleaner needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/demo: .venv/bin/python pyproject.toml
	@echo "installing gleaner and what it needs into .venv (some minutes, the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]' && touch $@

.venv/dev: .venv/bin/python pyproject.toml
	@echo "installing gleaner with the development extras into .venv (some minutes, the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' && touch $@ .venv/demo

.venv/bench: .venv/bin/python pyproject.toml
	@echo "installing gleaner with the development extras and the peers it is measured against into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' && touch $@ .venv/dev .venv/demo

.checkov/bin/checkov:
	@echo "installing checkov into .checkov, an environment of its own: it pins older versions of what gleaner needs"
	@$(PYTHON) -m venv .checkov && .checkov/bin/python -m pip install --quiet --disable-pip-version-check 'checkov>=3.2,<4' || { rm -rf .checkov; exit 1; }

.tools/label-studio/bin/label-studio:
	@echo "installing Label Studio into .tools/label-studio, an environment of its own: it pins much of what gleaner needs"
	@$(PYTHON) -m venv .tools/label-studio && .tools/label-studio/bin/python -m pip install --quiet --disable-pip-version-check 'label-studio>=1.23,<1.24' || { rm -rf .tools/label-studio; exit 1; }
