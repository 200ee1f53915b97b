# BitPredict: `make help` lists what can be done.
PYTHON ?= python3
BIN := .venv/bin
# Modules that pytest rewrote are kept: the next worker and the next run take ten seconds less to collect.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --dist loadfile

.PHONY: help install lock demo up kafka test test-quick lint bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / — /' | sort

install: .venv/installed  ## make .venv from requirements.lock

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "BitPredict needs Python 3.11 to 3.13; set PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --no-compile --require-hashes -r requirements.lock
# Modules are compiled on all cores, where pip would use one; like pip it goes on past what this Python cannot compile.
	-$(BIN)/python -m compileall -qq -j 0 .venv/lib
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## resolve requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.lock

demo: install  ## the whole graph on the sample of real candles, from an empty folder to scored forecasts
	$(BIN)/bitpredict demo

up: install  ## Dagster on :3000 and the dashboard on :8501; Ctrl-C ends all
	$(BIN)/bitpredict up

kafka:  ## a real Kafka broker on 127.0.0.1:9092 without Docker (needs Java 17 and Maven); Ctrl-C ends it
	@deploy/kafka/broker

test: test-quick  ## every test: the quick ones side by side, then those that start servers, browsers and processes
	$(PYTEST) -m slow -n 3

test-quick: install  ## what needs no server, browser, process or long training
	$(PYTEST) -m "not slow" -n 3

lint: install  ## ruff, mypy and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install  ## the benchmarks; each prints a ratio
	$(BIN)/python -m benchmarks

clean:  ## forget the virtual environment and everything local
	rm -rf .venv .bitpredict .kafka
