# Every target is a line or two that you could type yourself.
# `make install` needs Python 3.11 or 3.12 with venv and pip; choose another one with PYTHON=...

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

SUPPORTED = import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
PYTHON ?= $(shell for python in python3.12 python3.11 python3; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)

.PHONY: help install test demo docs notebooks test-long test-slow test-backends test-mediapipe test-browser test-phones format readme clean

help:
	@echo "make install        make or update .venv"
	@echo "make demo           train on drawn street scenes, score, export (5 to 11 minutes on 2 cores)"
	@echo "make test           lint, types, layers, tests"
	@echo "make test-long      every family of networks, every notebook, trainings that are killed"
	@echo "make notebooks      run every notebook in full and store it with its pictures"
	@echo "make test-slow      repetitions on more networks, files and kills: hours"
	@echo "make test-backends  install JAX and compare the backends"
	@echo "make test-mediapipe install MediaPipe in .venv-mediapipe and open TFLite files in it"
	@echo "make test-browser   install LiteRT.js and axe-core with npm and test the page of demo-web in Chromium"
	@echo "make test-phones    install kotlinc with npm and tree-sitter, compile and run the Kotlin of phone.md and parse its Swift"
	@echo "make docs           write the API reference to build/docs"
	@echo "make format         lay out the code"
	@echo "make readme         update the tables in README.md"
	@echo "make clean          remove .venv and caches; saved_models stays"

install: .venv/installed

.venv/installed: requirements.txt pyproject.toml
	@$(if $(PYTHON),:,echo "Python 3.11 or 3.12 with venv was not found: install one, or name it: make install PYTHON=/path/to/python3.12" >&2; exit 1)
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -r requirements.txt
	.venv/bin/python -m pip install --no-deps -e .
	touch $@

.venv/installed-dev: .venv/installed
	.venv/bin/python -m pip install -c requirements.txt -e ".[dev]"
	touch $@

test: .venv/installed-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright
	.venv/bin/lint-imports
	.venv/bin/python -m pytest -n 2 --dist loadgroup

demo: .venv/installed
	.venv/bin/python -m keras_seg demo

test-long: .venv/installed-dev
	.venv/bin/python -m pytest -n 2 --dist loadgroup -m "long and not slow"

notebooks: .venv/installed-dev
	.venv/bin/python notebooks/store.py

test-slow: .venv/installed-dev
	.venv/bin/python -m pytest -m slow

test-backends: .venv/installed-dev
	.venv/bin/python -m pip install -c requirements.txt -e ".[jax]"
	.venv/bin/python -m pytest -m backends

test-mediapipe: .venv/installed-dev
	$(PYTHON) -m venv .venv-mediapipe
	.venv-mediapipe/bin/python -m pip install -r requirements-mediapipe.txt
	MEDIAPIPE_PYTHON=.venv-mediapipe/bin/python .venv/bin/python -m pytest -m mediapipe

# Chromium and its driver come from the system: apt-get install chromium chromium-driver npm
test-browser: .venv/installed-dev
	@for program in chromium chromedriver npm; do \
		command -v $$program >/dev/null || { echo "test-browser needs $$program: install it first" >&2; exit 1; }; done
	.venv/bin/python -m keras_seg demo-web --install
	npm install --prefix build/browser --no-save --no-audit --no-fund --ignore-scripts axe-core@4.11.0
	AXE_CORE=build/browser/node_modules/axe-core/axe.min.js .venv/bin/python -m pytest -m browser

# Java comes from the system: apt-get install default-jdk-headless npm
test-phones: .venv/installed-dev
	@for program in java javac npm; do \
		command -v $$program >/dev/null || { echo "test-phones needs $$program: install it first" >&2; exit 1; }; done
	npm install --prefix build/phones --no-save --no-audit --no-fund --ignore-scripts kotlin-compiler@2.4.20
	.venv/bin/python -m pip install tree-sitter==0.26.1 tree-sitter-swift==0.7.4
	KOTLINC=build/phones/node_modules/kotlin-compiler/bin/kotlinc .venv/bin/python -m pytest -m phones

docs: .venv/installed-dev
	.venv/bin/python docs/reference.py build/docs

format: .venv/installed-dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

readme: .venv/installed
	.venv/bin/python -m keras_seg models --into README.md

clean:
	rm -rf .venv .venv-mediapipe .pytest_cache .ruff_cache .import_linter_cache *.egg-info
