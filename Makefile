# Every verb of the project. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

export UV_PROJECT_ENVIRONMENT := .venv
export UV_LINK_MODE := copy
# Where a shell says that no bytecode is kept, every process compiles all that it imports: two thirds of its start.
unexport PYTHONDONTWRITEBYTECODE
UV_VERSION := 0.13.9
# A uv of your own is used if you have one; else one is put into .uv/.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PACKAGES := libs/baton libs/handover services/trigger services/splitter services/worker services/merger services/notifier \
  services/failover-controller jobs local tools/cli proof
EDITABLE := $(foreach package,$(PACKAGES),--editable $(package))
BIN := .venv/bin

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.ready: $(filter .uv/bin/uv,$(UV)) requirements/dev.txt .python-version $(foreach package,$(PACKAGES),$(package)/pyproject.toml)
	$(UV) venv --quiet --allow-existing --python $$(cat .python-version) .venv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps $(EDITABLE)
	touch $@

# The emulator pins its own botocore, so it lives alone.
.venv-emulator/.ready: $(filter .uv/bin/uv,$(UV)) requirements/emulator.txt .python-version
	$(UV) venv --quiet --allow-existing --python $$(cat .python-version) .venv-emulator
	$(UV) pip sync --quiet --python .venv-emulator/bin/python --require-hashes requirements/emulator.txt
	touch $@

# What checks templates pins its own boto3 too.
.venv-checks/.ready: $(filter .uv/bin/uv,$(UV)) requirements/checks.txt .python-version
	$(UV) venv --quiet --allow-existing --python $$(cat .python-version) .venv-checks
	$(UV) pip sync --quiet --python .venv-checks/bin/python --require-hashes requirements/checks.txt
	touch $@

# The CDK app: half a gigabyte that neither the demo nor the other tests need.
.venv/.infra: .venv/.ready requirements/infra.txt infra/pyproject.toml
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --requirements requirements/infra.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable infra
	touch $@

.PHONY: setup
setup: .venv/.ready .venv-emulator/.ready ## Install everything into .venv and .venv-emulator

.PHONY: up
up: setup ## Start the two-Region world in the background
	$(BIN)/baton up

.PHONY: down
down: .venv/.ready ## Stop the two-Region world and leave nothing behind
	$(BIN)/baton down

.PHONY: demo
demo: setup ## Run a batch through both Regions' world and check the result
	$(BIN)/python -m baton_local.demo.run

.PHONY: test
test: setup ## Run every test that needs no Docker; those of the CDK app are `make test-infra`
	$(BIN)/pytest -m "not docker" -n logical --dist loadgroup --ignore=tests/infra

# No registry has this one under a name that we know: it is built from our own pins unless it is here.
MINISTACK_IMAGE ?= ministack:1.5.33
.PHONY: test-docker
test-docker: setup ## Run the tests that need a Docker engine: adapters, images, services
	docker image inspect $(MINISTACK_IMAGE) > /dev/null 2>&1 || \
	  docker build --quiet --tag $(MINISTACK_IMAGE) --file tests/support/ministack.Dockerfile requirements
	$(BIN)/pytest -m "docker and not chaos" -n 0 --ignore=tests/infra

.PHONY: chaos
chaos: setup ## Break the composed world round by round: make chaos ROUNDS=20 SEED=1
	docker compose up -d --build --wait
	$(BIN)/python -m baton_proof.chaos.rounds --rounds $(or $(ROUNDS),20) --seed $(or $(SEED),1)

.PHONY: synth
synth: .venv/.infra ## Write every CloudFormation template of every environment to build/cdk/
	$(BIN)/python -m baton_infra.checks.synth

.PHONY: test-infra
test-infra: setup .venv/.infra .venv-checks/.ready ## Prove the CDK app: rules, lint, parity, policies, and every stack on an emulator
	$(BIN)/pytest -n 2 --dist loadgroup tests/infra

.PHONY: cost
cost: .venv/.infra ## Print what Baton costs a month and per million records, for each switch
	$(BIN)/python -m baton_infra.costs.cost

.PHONY: preflight images deploy destroy
preflight: .venv/.infra ## Ask, before anything is made, whether a deployment would go through: make preflight ENV=prod
	$(BIN)/python -m baton_infra.deployment.preflight $(ENV)
images: .venv/.infra ## Build the images and push them to both Regions: make images ENV=prod [ARGS=--dry-run]
	$(BIN)/python -m baton_infra.deployment.images $(ENV) $(ARGS)
deploy: .venv/.infra ## Deploy both Regions, the standby first: make deploy ENV=prod [ARGS=--dry-run]
	$(BIN)/python -m baton_infra.deployment.deploy deploy $(ENV) $(ARGS)
destroy: .venv/.infra ## Remove what may be removed, and list what stays: make destroy ENV=dev [ARGS=--dry-run]
	$(BIN)/python -m baton_infra.deployment.deploy destroy $(ENV) $(ARGS)

.PHONY: sim
sim: setup ## Simulate both Regions under faults: make sim SEEDS=1:1000
	POLARS_MAX_THREADS=1 $(BIN)/python -m baton_proof.simulation.simulate $(or $(SEEDS),1:100)

.PHONY: fuzz
fuzz: setup ## Send random files through the pipeline and a slow reference reader: make fuzz MINUTES=60 SEED=1
	$(BIN)/python -m baton_proof.fuzz --minutes $(or $(MINUTES),0.5) --seed $(or $(SEED),1)

.PHONY: mutants
mutants: setup ## Plant bugs in pipeline and handover one by one; a test must find each: make mutants [ONLY=text]
	$(BIN)/python -m baton_proof.mutants --only "$(ONLY)"

.PHONY: rivals
rivals: setup ## Compare Baton with the sample that it replaces: make rivals SEEDS=1:200
	$(BIN)/python -m baton_proof.simulation.rivals $(or $(SEEDS),1:100)

.PHONY: format
format: .venv/.ready ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .

.PHONY: lint
lint: .venv/.ready ## Check format and lint rules, of the workflows too
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --pedantic --quiet .github

.PHONY: types
types: .venv/.infra ## Check types, strict
	$(BIN)/pyright

.PHONY: contracts
contracts: .venv/.infra ## Check the direction of imports
	$(BIN)/lint-imports

.PHONY: check
check: lint types contracts ## lint, types and contracts

.PHONY: lock
lock: $(filter .uv/bin/uv,$(UV)) ## Resolve anew and write requirements/*.txt with hashes
	$(UV) lock --quiet
	for service in splitter worker merger notifier failover-controller local; do \
	  $(UV) export --quiet --frozen --no-dev --no-emit-workspace --no-header --no-annotate --package baton-$$service -o requirements/$$service.txt; \
	done
	$(UV) export --quiet --frozen --no-dev --no-emit-workspace --no-header --no-annotate --package baton -o requirements/trigger.txt
	$(UV) export --quiet --frozen --no-emit-workspace --no-header --no-annotate --package baton-workspace -o requirements/dev.txt
	$(UV) export --quiet --frozen --no-emit-workspace --no-header --no-annotate --package baton-infra -o requirements/infra.txt
	$(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --universal --python-version 3.12 requirements/emulator.in -o requirements/emulator.txt
	$(UV) pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url --universal --python-version 3.12 requirements/checks.in -o requirements/checks.txt

.PHONY: bench
bench: setup ## Run one benchmark: make bench NAME=scan (data_plane, splitter_memory, ranges_ahead, shapes, sweep, aws_calls, end_to_end, cut_off, containers)
	PYTHONPATH=tests/support:bench AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=local \
	  $(BIN)/python bench/$(NAME).py $(ARGS)

.PHONY: clean
clean: ## Remove everything that was installed or made
	rm -rf .venv .venv-emulator .venv-checks .uv .baton
