# install | demo | check | format | test | soak | bench | clean. Every target installs what it needs first; that is quick when nothing changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WANTED := pyproject.toml constraints.txt
LOG := $(VENV)/install.log

# What is installed, in layers: one file each, newer than what it was made from.
RUN := $(VENV)/.run
CHECK := $(VENV)/.check
TEST := $(VENV)/.test
BENCHED := $(VENV)/.bench

.PHONY: install demo check format test soak bench clean browser

# $(call extras,what it is for,names,options of uv): one line to read; all that the installers say goes into the log, shown where they
# fail. uv links files from its cache, in seconds; pip, which unpacks them in a minute, takes over where uv has no way to an index.
define extras
	@echo "Installing $(1) into $(VENV)/"
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt uv >$(LOG) 2>&1 || true
	@$(BIN)/uv pip install --python $(BIN)/python $(3) -c constraints.txt -e ".$(2)" >>$(LOG) 2>&1 \
	  || $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".$(2)" >>$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@
endef

install: $(CHECK) $(TEST)

$(RUN): $(WANTED)
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Steelyard needs Python 3.11 to 3.13, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(call extras,what running needs)

$(CHECK): $(RUN)
	$(call extras,the linters and the type checker,[check])

$(TEST): $(RUN)
	$(call extras,the test tools,[test$(,)test-heavy],--compile-bytecode)

$(BENCHED): $(RUN)
	$(call extras,the tools to compare with,[bench$(,)test$(,)test-heavy])

, := ,

# The first start compiles what it imports and keeps it, even where the environment says not to.
demo: $(RUN)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/steelyard demo

check: $(CHECK)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(CHECK)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The page is tested in the system's Chromium; where there is none and apt cannot install it, those tests are skipped and say so.
browser:
	@command -v chromium >/dev/null || { echo "Installing Chromium by apt"; \
	  { timeout 300 apt-get update -qq && timeout 600 apt-get install -y -qq chromium; } >>$(LOG) 2>&1 \
	  || echo "There is no Chromium here and apt cannot install it: the tests of the page in a browser are skipped"; }

test: $(TEST) browser
	$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder

soak: $(TEST) browser
	$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder -m soak

bench: $(BENCHED)
	$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
