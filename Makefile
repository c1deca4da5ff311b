# Each target sets up what it needs and is missing, so that `make demo` and `make test` work on a
# fresh clone with nothing but Python (3.11 or newer), Node (20 or newer), make and git.
MAKEFLAGS += --jobs=2
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
# What the user's own shell is set to must not leak into a demo or a test.
unexport ML_WORKSPACE PYTHONPATH PYTHONDONTWRITEBYTECODE JUPYTER_CONFIG_DIR

BUILT := ml_workspace_lab/labextension/package.json
FRONT := package.json yarn.lock tsconfig.json $(shell find src style -type f -not -path '*/__tests__/*')
# To look at the demo nobody needs the developers' tools.
INSTALLED := $(VENV)/$(if $(filter-out demo lab,$(or $(MAKECMDGOALS),demo)),all,run).stamp

# Whole clusters of Slurm, Ray and Kubernetes (`scripts/build_kubernetes` makes its programs), which
# come up when nothing else takes the processors.
CLUSTERS := tests/engines

.PHONY: demo lab test test-clusters test-long lint format docs bench bench-engines bench-jobs bench-serving bench-snapshots bench-split bench-tracking api wheel clean

demo: $(INSTALLED) $(VENV)/linked.stamp
	python scripts/demo.py

lab: $(INSTALLED) $(VENV)/linked.stamp
	python scripts/demo.py --lab

test: $(INSTALLED) $(VENV)/linked.stamp dist/.stamp
	scripts/install_chromium
	scripts/install_mlflow
	scripts/install_autolog
	scripts/install_postgresql
	scripts/install_fault_tools
	scripts/install_r
	scripts/install_kubernetes_schemas
	scripts/install_registry
	jlpm test
	pytest --numprocesses=3 --dist=loadfile --ignore=$(CLUSTERS)

# The engines' own, each cluster beside the others.
test-clusters: $(INSTALLED) $(VENV)/linked.stamp
	scripts/install_fault_tools
	scripts/install_slurm
	scripts/install_ray
	pytest --numprocesses=3 --dist=loadfile $(CLUSTERS)

# What takes too long for every change.
test-long: $(INSTALLED) $(VENV)/linked.stamp
	scripts/install_fault_tools
	scripts/install_slurm
	scripts/install_ray
	pytest -m long

lint: $(INSTALLED) node_modules/.stamp
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	jlpm typecheck
	jlpm lint:check

format: $(INSTALLED) node_modules/.stamp
	ruff check --fix .
	ruff format .
	jlpm lint

docs: $(INSTALLED)
	sphinx-build --quiet --fail-on-warning docs build/docs

bench: $(INSTALLED)
	python benchmarks/import_time.py
	python benchmarks/serve_start.py

# How much faster a row is by a model's verified graph than by its own library.
bench-engines: $(INSTALLED)
	python benchmarks/engines.py

# Jobs beside papermill, nbclient and jupyter-scheduler: `make bench-jobs ARGS='--tasks first'`.
bench-jobs: $(INSTALLED) $(patsubst benchmarks/jobs/requirements/%.txt,build/job-peers/%/.stamp,$(wildcard benchmarks/jobs/requirements/*.txt))
	python benchmarks/jobs $(ARGS)

build/job-peers/%/.stamp: benchmarks/jobs/requirements/%.txt | $(BIN)/jlpm
	$(PYTHON) -m venv build/job-peers/$*
	build/job-peers/$*/bin/python -m pip install --quiet --requirement $<
	@touch $@

# Scoring beside Starlette and MLflow's server: `make bench-serving ARGS='--seconds 10'`.
bench-serving: $(INSTALLED) $(patsubst benchmarks/serving/requirements/%.txt,build/serving-peers/%/.stamp,$(wildcard benchmarks/serving/requirements/*.txt))
	python benchmarks/serving $(ARGS)

build/serving-peers/%/.stamp: benchmarks/serving/requirements/%.txt | $(BIN)/jlpm
	$(PYTHON) -m venv build/serving-peers/$*
	build/serving-peers/$*/bin/python -m pip install --quiet --requirement $<
	@touch $@

# What splitting an endpoint's traffic costs the requests that stay.
bench-split: $(INSTALLED)
	python benchmarks/serving/split.py

# The tracking store beside its peers, each in a venv of its own: `make bench-tracking ARGS='--scale 0.1'`.
bench-tracking: $(INSTALLED) $(patsubst benchmarks/tracking/requirements/%.txt,build/peers/%/.stamp,$(wildcard benchmarks/tracking/requirements/*.txt))
	python benchmarks/tracking $(ARGS)

# Snapshots beside tar, cp, git and DVC: `make bench-snapshots ARGS='--repeat 5'`.
bench-snapshots: $(INSTALLED) build/peers/dvc/.stamp
	python benchmarks/snapshots $(ARGS)

build/peers/dvc/.stamp: benchmarks/snapshots/requirements/dvc.txt | $(BIN)/jlpm
	$(PYTHON) -m venv build/peers/dvc
	build/peers/dvc/bin/python -m pip install --quiet --requirement $<
	@touch $@

build/peers/%/.stamp: benchmarks/tracking/requirements/%.txt | $(BIN)/jlpm
	$(PYTHON) -m venv build/peers/$*
	build/peers/$*/bin/python -m pip install --quiet --requirement $<
	@touch $@

# What is generated from the declarations: the SQL, the OpenAPI document and its TypeScript types.
api: $(INSTALLED) node_modules/.stamp
	python -m ml_workspace_lab.storage.schema
	python -m ml_workspace_lab.api
	jlpm api

wheel: dist/.stamp

clean:
	rm -rf $(VENV) node_modules lib dist build ml_workspace_lab/labextension .demo

$(BIN)/jlpm:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet 'jupyter-builder>=1.2,<2'

node_modules/.stamp: package.json yarn.lock | $(BIN)/jlpm
	jlpm install --immutable
	@touch $@

$(BUILT): $(FRONT) node_modules/.stamp
	jlpm build:prod
	@touch $@

# The Python side alone: the front end is built beside it, by the Node modules of this checkout.
$(VENV)/run.stamp: pyproject.toml | $(BIN)/jlpm
	SKIP_JUPYTER_BUILDER=1 python -m pip install --quiet --editable '.[lab,demo]'
	@touch $@

$(VENV)/all.stamp: pyproject.toml | $(BIN)/jlpm
	SKIP_JUPYTER_BUILDER=1 python -m pip install --quiet --editable '.[lab,demo,test,dev]'
	@touch $@ $(VENV)/run.stamp

$(VENV)/linked.stamp: $(BUILT) $(INSTALLED)
	jupyter-builder develop --overwrite .
	@touch $@

dist/.stamp: $(VENV)/linked.stamp $(shell git ls-files ml_workspace_lab jupyter-config) README.md
	rm -rf dist
	python -m build --quiet
	@touch $@
