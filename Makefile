# Two commands do everything: `make reproduce` and `make test`. Each sets up .venv first if that is needed.
# Neither root nor a GPU is asked for. OFFLINE=1 obtains nothing over the network.

PROFILE ?= demo
ARGS    ?=
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
# Tools of `make sbom` and `make audit`, in an environment of their own: nothing of ours is installed with them.
TOOLS   := build/tools
TOOLSET := pip-audit==2.10.1 cyclonedx-bom==7.5.0

# The first interpreter that starts, is supported and can make environments; PYTHON=… overrides it.
USABLE  := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON  ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	if $$p -c '$(USABLE)' >/dev/null 2>&1; then echo $$p; break; fi; done)

ifdef OFFLINE
export DFE_OFFLINE := $(OFFLINE)
endif

.PHONY: help env test reproduce lab nbdime bench check sbom audit clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20
	@echo "  PROFILE=ci|demo|paper (default demo), OFFLINE=1, PYTHON=python3.12, ARGS='…' for pytest or dfe"

env: $(STAMP) ## set up .venv with the locked packages

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11, 3.12 or 3.13 with venv was found; name one: make env PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

reproduce: env ## run all notebooks of PROFILE; results/, figures/ and an HTML report
	@$(BIN)/dfe reproduce --profile $(PROFILE) $(ARGS)

test: env ## run the tests, the trimmed notebooks (PROFILE=ci) among them
	@$(BIN)/python -m pytest $(ARGS)

check: env ## recompute PROFILE and compare with the committed reference
	@$(BIN)/dfe reproduce --profile $(PROFILE) --check $(ARGS)

# On this machine alone, whatever else is configured (ARGS can say otherwise); JupyterLab itself asks for its token.
lab: env nbdime ## open JupyterLab on the notebooks' index
	@JUPYTER_CONFIG_PATH=$(CURDIR)/notebooks/.jupyter:$(JUPYTER_CONFIG_PATH) $(BIN)/python -m jupyterlab \
		--notebook-dir=notebooks --ServerApp.ip=127.0.0.1 --LabApp.default_url=/lab/tree/README.md $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

# In this clone alone; .gitattributes names the drivers, and without this they mean nothing. From .venv, so that git
# finds them in a shell where it is not active. Undone by: git config --remove-section diff.jupyternotebook (and merge.…)
nbdime: ## have git compare and merge notebooks cell by cell
	@if [ "$$(git rev-parse --show-toplevel 2>/dev/null)" = "$$(pwd -P)" ]; then \
		git config diff.jupyternotebook.command \
			'JUPYTER_CONFIG_PATH=notebooks/.jupyter $(BIN)/git-nbdiffdriver diff' && \
		git config merge.jupyternotebook.name 'notebooks, cell by cell' && \
		git config merge.jupyternotebook.driver '$(BIN)/git-nbmergedriver merge %O %A %B %L %P'; fi

bench: env ## measure speed, side by side with peers
	@$(BIN)/dfe bench $(ARGS)

sbom: env $(TOOLS)/.installed ## write dist/sbom.cdx.json: all that is installed, with licences (CycloneDX)
	@mkdir -p dist
	@$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --mc-type library \
		--output-reproducible --short-PURLs --validate -o dist/sbom.cdx.json
	@echo dist/sbom.cdx.json

# --strict: a package that the service does not know, or a service that is not there, is a failure and not a pass.
audit: $(TOOLS)/.installed ## ask PyPI's advisory service about every locked package (needs a network)
	@$(TOOLS)/bin/pip-audit --strict --disable-pip --no-deps -r requirements.lock $(ARGS)

$(TOOLS)/.installed:
	@$(PYTHON) -m venv --clear $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check $(TOOLSET)
	@touch $@

clean: ## remove results (not the reference) and caches; .venv and downloaded data stay
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	@find results -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} + 2>/dev/null || true
	@find dfe_lib tests notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
