# Two environments: .venv uses models (no torch), .venv-dev makes and tests them.
PYTHON ?= python3
PIP := -m pip install --quiet --disable-pip-version-check
PINS := --constraint constraints/pins.txt
OUT ?= demo-out

.PHONY: demo test lint suite suite-without-torch suite-cluster clean

demo: .venv/ready  ## predict a simulated film (and real ones, where lent) and say where the report is
	.venv/bin/xprism data simulate --out $(OUT)/phantom --count 1 --seed 17 --size 1024 --format dicom
	.venv/bin/xprism predict $(OUT)/phantom/films --out $(OUT)/results
	@if [ -d ../shared/data/jsrt/images ]; then \
		.venv/bin/xprism predict ../shared/data/jsrt/images/JPCLN001.png ../shared/data/jsrt/images/JPCNN001.png \
			--out $(OUT)/real; fi
	@find $(OUT) -name report.html | sed 's/^/report: /'

test: lint suite suite-without-torch  ## everything that continuous integration checks

lint: .venv-dev/ready
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

suite: .venv-dev/ready
	.venv-dev/bin/pytest -n auto --dist loadgroup --cov=xprism --cov-report=term:skip-covered --cov-fail-under=85

suite-without-torch: .venv/ready .venv/tests-ready  ## what has to work without torch: all that is called when models are used
	.venv/bin/python -c "import importlib.util as u; assert u.find_spec('torch') is None, 'torch is installed'"
	.venv/bin/pytest -n auto --dist loadgroup tests/cli tests/inference tests/readers tests/writers tests/test_*.py

suite-cluster: .venv-dev/ready  ## two nodes of Ray, one of which is killed; apart, because Ray is 240 MB
	.venv-dev/bin/python $(PIP) $(PINS) --editable '.[cluster]'
	.venv-dev/bin/pytest tests/test_cluster.py

.venv/ready: pyproject.toml constraints/pins.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP) $(PINS) --editable .
	touch $@

.venv/tests-ready: .venv/ready
	.venv/bin/python $(PIP) $(PINS) pytest pytest-xdist hypothesis onnx highdicom dicomweb-client
	touch $@

.venv-dev/ready: pyproject.toml constraints/pins.txt
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python $(PIP) $(PINS) --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-dev $(OUT)
