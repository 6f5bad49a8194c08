# Every target makes or refreshes .venv from the hash-locked requirements.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := policies sandbox secprof_site launch controlplane tests bench manage.py
# What checks and development commands run with; tests set their own in tests/conftest.py.
export SECPROF_DEBUG ?= 1

.PHONY: help demo demo-kyverno demo-break test contract agreement hostile audit bench-check bench-pages bench-trail lint format lock environment development

help:
	@echo "make demo          try it: two sandbox clusters, http://127.0.0.1:8000/ (PORT= for another port)"
	@echo "make demo-break    break the demo's cluster prod: FAULT=engine-down, api-server-down, …; FAULT=none heals"
	@echo "make demo-kyverno  the same on a real kube-apiserver with a real Kyverno (needs Go)"
	@echo "make test          all tests; ARGS=\"-k flip\" for some, DATABASE_URL= for PostgreSQL"
	@echo "make contract      the contract tests on the real control plane alone (needs Go)"
	@echo "make agreement     put every case and 2,000 generated objects to a real API server; ARGS=\"--generated 200\""
	@echo "make hostile       10,000 hostile requests: no 500, nothing changed; REQUESTS= for another number"
	@echo "make audit         known vulnerabilities of what is locked, and each file against its hash"
	@echo "make bench-trail   rows a second and peak memory of verify_trail, for ten thousand rows and for a million"
	@echo "make bench-collect what a collection costs beside listing alone, on a real API server; N=20000 reports"
	@echo "make bench-pages   p50, p95 and queries of every page at three sizes; ARGS=\"--sizes 10k,100k\""
	@echo "make bench-check   how many pods a second check_manifests judges, beside json.loads"
	@echo "make lint          format, lint, types, import rules, templates"

environment:
	@$(PYTHON) -m launch.bootstrap

development:
	@$(PYTHON) -m launch.bootstrap --dev

demo: environment
	@exec $(BIN)/python -m launch.demo --with-parent

demo-kyverno: environment
	@exec $(BIN)/python -m launch.demo --with-parent --kyverno

demo-break: environment
	@$(BIN)/python -m launch.manage sandbox_fault prod $(FAULT)

test: development
	@exec $(BIN)/python -m launch.testing $(ARGS)

contract: development
	@exec $(BIN)/python -m launch.testing --contract $(ARGS)

agreement: development
	@exec $(BIN)/python -m tests.contract.agreement $(ARGS)

REQUESTS ?= 10000
hostile: development
	@SECPROF_HOSTILE_REQUESTS=$(REQUESTS) $(BIN)/python -m pytest tests/integration/web/test_hostile.py -q -rP $(ARGS)

audit: development
	@$(BIN)/python -m launch.audit
bench-trail: environment
	@$(BIN)/python -m bench.verify_trail $(ARGS)

N ?= 20000
bench-collect: environment
	@$(BIN)/python -m bench.collect --reports $(N) $(ARGS)

bench-pages: development
	@$(BIN)/python -m bench.pages $(ARGS)

bench-check: environment
	@$(BIN)/python bench/check_manifests.py $(ARGS)

lint: development
	@.ci/lint

format: development
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

lock:
	@uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-annotate -o requirements.txt requirements.in
	@uv pip compile --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-annotate -o requirements-dev.txt requirements-dev.in
