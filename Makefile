# What a person does with this repository; `make help` tells each.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
JOBS ?= 2
EXTRAS := gguf,onnx-cpu,flows,dashboard,dev
BIN := .venv/bin
comma := ,
SOURCES := benchmarks dashboard deployments flows registry serving tests

.PHONY: help setup servers demo up env wheel test check format bench soak gpu-check constraints clean

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.ready ## Make .venv and install everything for development (first time: a few minutes)
	@$(BIN)/python -m modelyard.deployments.setting_up --try $(EXTRAS)

.venv/.ready: pyproject.toml constraints.txt deployments/setup.sh
	PYTHON=$(PYTHON) EXTRAS=$(EXTRAS) deployments/setup.sh

servers: ## Install the servers that the tests talk to (needs root and apt; else tells what is missing)
	PYTHON=$(PYTHON) deployments/test-servers.sh

demo: setup ## From a model id to a streamed answer, on this machine, without internet (ONCE=1: then end)
	$(BIN)/modelyard up --demo $(if $(DATA),--data $(DATA)) $(if $(ONCE),--once)

up: setup ## Everything on this machine: gateway, workers, Prefect, dashboard
	$(BIN)/modelyard up $(if $(DATA),--data $(DATA))

env: .env ## Secrets for docker compose, in .env: made once, and kept

.env:
	@umask 077 && $(PYTHON) -c 'import re, secrets; text = open(".env.example").read(); print(re.sub(r"(?m)^\w+=$$", lambda name: name[0] + secrets.token_hex(32), text), end="")' >$@.part && mv $@.part $@
	@echo "Made .env: docker compose reads it, nobody else should."

wheel: setup ## A wheel with the hot path compiled, in dist/: what to install for production
	deployments/wheel.sh dist

test: setup servers ## All tests, on real servers, two side by side (JOBS=1: one after the other)
	$(BIN)/pytest -n $(JOBS) --no-loadscope-reorder $(ARGS)

check: setup ## The whole gate: format, lint, types, import contracts, tests
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check --no-cache $(SOURCES)
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(MAKE) test

format: setup ## Format and mend what can be mended by itself
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

bench: setup ## The benchmarks, each printing ratios against a peer or a floor
	$(BIN)/python -m benchmarks

soak: setup servers ## All tests with the invariants at full length
	$(BIN)/pytest --soak $(ARGS)

gpu-check: setup ## On a machine with an NVIDIA GPU: build for CUDA, check, measure, write a report
	$(BIN)/python -m benchmarks.gpu $(ARGS)

constraints: setup ## Resolve all pins anew into constraints.txt (keeps those that still fit)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  $(foreach extra,$(subst $(comma), ,$(EXTRAS)),--extra $(extra)) \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  pyproject.toml --output-file constraints.txt

clean: ## Remove the environment and what the demo kept
	rm -rf .venv "$(if $(DATA),$(DATA),$$HOME/.local/share/modelyard-demo)"

