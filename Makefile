# Everything a change must pass, and how to see moored run. `make` alone lists the targets.
# Nothing is installed outside of target/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
SCENARIO ?=

# The emulator that the smoke test (tests/moto.rs) asks, in an environment of its own. Give
# MOTO_SERVER=/path/to/moto_server to use another one.
MOTO_VERSION := 5.2.5
MOTO_VENV := $(CURDIR)/target/venv-moto-$(MOTO_VERSION)
MOTO_SERVER ?= $(MOTO_VENV)/bin/moto_server
export MOTO_SERVER

# promtool from PATH, else unpacked from Debian's package. It is not installed: that would start
# a Prometheus. Give PROMTOOL=/path/to/promtool to use another one.
PROMTOOL ?= $(or $(shell command -v promtool),target/prometheus/promtool)

DENY_VERSION := 0.20.2
DENY := target/cargo-deny/bin/cargo-deny

.PHONY: help test fmt fmt-check lint rules moto demo bench deny

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: fmt-check lint rules moto ## Everything a change must pass: format, lints, rules, all tests
	$(CARGO) test --locked $(if $(CI),--no-fail-fast)

fmt: ## Format the source
	$(CARGO) fmt

fmt-check:
	$(CARGO) fmt --check

lint: ## Clippy, with warnings as errors
	$(CARGO) clippy --locked --all-targets -- -D warnings

rules: $(PROMTOOL) ## Check and test the Prometheus rules
	cd deploy/prometheus && $(abspath $(PROMTOOL)) check config prometheus.yml
	cd deploy/prometheus && $(abspath $(PROMTOOL)) test rules rules_test.yml

moto: $(if $(filter $(MOTO_VENV)/%,$(MOTO_SERVER)),$(MOTO_VENV)/.complete,$(MOTO_SERVER)) ## Set up the emulator of the smoke test

demo: ## Watch the Wonderland incident (SCENARIO=ordinary-day for another one)
	$(CARGO) run --quiet -- demo $(SCENARIO)

bench: ## Measure; the table of docs/performance.md comes from here
	$(CARGO) bench --locked

deny: $(DENY) ## Advisories, licences, bans (needs the network; compiles cargo-deny once, ~5 min; not part of test)
	$(DENY) --locked check

# The stamp is written last: an interrupted installation is begun again.
$(MOTO_VENV)/.complete:
	@command -v $(PYTHON) > /dev/null || { echo "make moto: there is no $(PYTHON), and the smoke test needs one (3.10 or newer) to run moto $(MOTO_VERSION); install it, or give PYTHON=…" >&2; exit 1; }
	rm -rf $(MOTO_VENV)
	$(PYTHON) -m venv $(MOTO_VENV) || { echo "make moto: $(PYTHON) cannot make a venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(MOTO_VENV)/bin/pip install --quiet --disable-pip-version-check 'moto[server,all]==$(MOTO_VERSION)' || { echo "make moto: moto $(MOTO_VERSION) could not be installed; does pip reach PyPI?" >&2; exit 1; }
	$(MOTO_VENV)/bin/moto_server --help > /dev/null
	touch $@

target/prometheus/promtool:
	@command -v apt-get > /dev/null || { echo "make rules: promtool is not there. Put that of Prometheus 2.42 or newer in PATH, or give PROMTOOL=…" >&2; exit 1; }
	rm -rf target/prometheus && mkdir -p target/prometheus
	cd target/prometheus && { apt-get download -qq -o APT::Sandbox::User=root prometheus || { apt-get update -qq && apt-get download -qq -o APT::Sandbox::User=root prometheus; }; }
	dpkg -x target/prometheus/prometheus_*.deb target/prometheus/package
	target/prometheus/package/usr/bin/promtool --version
	mv target/prometheus/package/usr/bin/promtool $@
	rm -rf target/prometheus/package target/prometheus/*.deb

$(DENY):
	$(CARGO) install --locked --root target/cargo-deny --version $(DENY_VERSION) cargo-deny
