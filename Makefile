# What a fresh machine needs is python3 (3.11 or newer), pip and make.
#   make run       environment, install, then the demonstration
#   make test      the same environment with the tools; tests, ruff, mypy
#   make promises  the long form of the promises (workers x backends in full)
#   make lock      resolve the dependencies anew (needs pip-tools)
# A stamp is newer than what it was made from, so a second `make` installs nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := protocol actors cluster shootdown
# Some machines are told to keep no compiled modules. The tests start hundreds of processes, each of which would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test promises bench lock clean

run: $(VENV)/run.stamp
	$(BIN)/shootdown demo

# A file's tests stay together: fixtures that replay a recording are made once. The longest come first (tests/conftest.py).
test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder
	$(BIN)/ruff check .
	$(BIN)/mypy --strict $(PACKAGES)

# What runs/promises/ has from this very code is not run again; CLEAN=1 begins anew, ONLY=replay/redis runs a part.
promises: $(VENV)/dev.stamp
	$(BIN)/python -m cluster.promises $(if $(CLEAN),--clean) $(if $(ONLY),--only '$(ONLY)')
	$(if $(ONLY),,$(BIN)/python -m pytest -q -m promise tests)

bench: $(VENV)/dev.stamp
	$(BIN)/shootdown bench

$(VENV)/run.stamp: requirements.lock pyproject.toml .ci/environment
	PYTHON=$(PYTHON) sh .ci/environment $(VENV) requirements.lock
	touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	PYTHON=$(PYTHON) sh .ci/environment $(VENV) requirements-dev.lock
	touch $@

COMPILE := pip-compile --quiet --no-header --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
lock:
	$(COMPILE) --extra build --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra build --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
