# make demo   a chain, a query engine and two agents, and what they cost; offline unless OPENROUTER_API_KEY is set
# make test   every test
# make check  lint, format, types
# make bench  how fast, against the floor
# make tracers  what MLflow stores of a call's cost; in an environment of its own, since MLflow is large
# make fix    let ruff mend what it can
# make fuzz   10 minutes of atheris on what reads the bytes of a server; Linux on x86_64
# make soak   50 calls at once against every fault, for a minute; then nothing is in use and nothing has grown
# make coverage   which branches of the core no test takes: none
# make mutation   how many changes to retry, decode and assemble the tests notice
# make peers  the same faults on this package and on the others; installs them, and renews docs/reliability.md

PYTHON ?= python3
SOAK_SECONDS ?= 60
FUZZ_SECONDS ?= 600
PIP_INSTALL = $(if $(shell command -v uv),uv pip install --python .venv/bin/python,.venv/bin/python -m pip install)

.PHONY: demo test check bench tracers fix fuzz soak peers coverage mutation clean

demo: .venv/demo
	.venv/bin/openrouter-opts demo

test: .venv/dev
	PYTHONDEVMODE=1 .venv/bin/python -m pytest -n 3 --dist loadfile

check: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pyright

bench: .venv/dev
	.venv/bin/python -m tests.benchmarks

tracers: .venv-tracers/ready
	.venv-tracers/bin/python -m tests.tracers

fix: .venv/dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

fuzz: .venv/fuzz
	.venv/bin/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

soak: .venv/dev
	.venv/bin/python -m tests.soak --seconds $(SOAK_SECONDS)

coverage: .venv/coverage
	.venv/bin/python -m pytest -n 2 --dist loadfile -m "not measured" --cov --cov-report=term tests/core tests/faults

mutation: .venv/mutation
	.venv/bin/mutmut run
	.venv/bin/mutmut results

peers: .venv/dev
	.venv/bin/python -m tests.faults.peers --write

clean:
	rm -rf .venv .venv-tracers .fuzz mutants .mypy_cache .pytest_cache .ruff_cache .hypothesis

# uv where it is installed, and pip where it is not. The constraints are the versions this was last tested with.
.venv/pip:
	$(if $(shell command -v uv),uv venv --quiet --allow-existing --python '>=3.11' .venv,$(PYTHON) -m venv .venv && .venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1')
	touch $@

.venv/demo: .venv/pip pyproject.toml constraints.txt
	$(PIP_INSTALL) --quiet --constraint constraints.txt --editable '.[all]'
	touch $@

.venv/dev: .venv/pip pyproject.toml constraints.txt
	$(PIP_INSTALL) --quiet --constraint constraints.txt --editable '.[all]' --group dev
	touch $@ .venv/demo

.venv-tracers/ready: pyproject.toml tests/tracers/requirements.txt
	$(PYTHON) -m venv .venv-tracers
	.venv-tracers/bin/python -m pip install --quiet --editable '.[all]' --requirement tests/tracers/requirements.txt
	touch $@

.venv/fuzz .venv/coverage .venv/mutation: .venv/%: .venv/dev
	$(PIP_INSTALL) --quiet --constraint constraints.txt --group $*
	touch $@
