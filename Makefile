# Every target sets itself up. Settings: DEVICE=cpu|cuda RECIPE=name RUN=name SET='key=value ...' PAIRS=file
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
DEVICE ?= cpu
# Without RECIPE a run keeps its own recipe; a new one gets news.
RECIPE ?=
RUN ?=
SET ?=
PAIRS ?=
NLI ?=
TEXT ?=
START ?=
ROUND ?= 1
DATA ?=
TASK ?= summary
CONTROLS ?=
AGAINST ?=
FORMAT ?=
OUT ?=
REPO ?=
PAIR ?=
PORT ?= 8765
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements-$(DEVICE).lock
STAMP := $(VENV)/.installed-$(DEVICE)
PIPELINE = $(BIN)/python -m pipeline
CHOICE = $(if $(RUN),--run '$(RUN)') $(CHANGED)
PUBLISH = $(LOOK) --repo '$(REPO)' $(if $(LICENSE),--licence '$(LICENSE)') $(if $(TAG),--tag '$(TAG)') \
	$(if $(PRIVATE),--private) $(if $(DRY_RUN),--dry-run)
CHANGED = $(if $(RECIPE),--recipe '$(RECIPE)') $(if $(SET),--set '$(SET)')
LOOK = --run '$(or $(RUN),$(RECIPE),news)'

.PHONY: help setup run generate filter distill evaluate rewrite diversity report export publish publish-model verify serve explain second-opinion pretrain-student bench-student bench-control status show calibrate-gate test test-all check bench bench-judge bench-questions bench-readings bench-filters \
	bench-graph bench-near-duplicates docs judge calibrate clean lock

help: ## what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  settings: DEVICE=cpu|cuda RECIPE=name RUN=name ROUND=r SET='key=value ...' PAIRS=file TORCH_INDEX=url"

setup: $(STAMP) ## install everything from the lock into .venv (DEVICE=cuda for GPUs)

$(STAMP): $(LOCK) pyproject.toml .ci/setup.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) LOCK=$(LOCK) DEVICE=$(DEVICE) TORCH_INDEX=$(TORCH_INDEX) bash .ci/setup.sh
	@touch $@

run: setup ## the default recipe, end to end: generate, filter, distill, show
	$(PIPELINE) run $(CHOICE)

generate: setup ## contexts and candidates from the teacher
	$(PIPELINE) generate $(CHOICE)

filter: setup ## pairs, scores and the corpus (PAIRS=file judges your own pairs)
	$(PIPELINE) filter $(CHOICE) $(if $(PAIRS),--pairs '$(PAIRS)')

distill: setup ## students and what they write: ROUND=r ends with student r
	$(PIPELINE) distill --round $(ROUND) $(CHOICE)

evaluate: setup ## students against baselines: RUN=name DATA=rows.jsonl TASK=summary|paraphrase CONTROLS='short rewritten'
	$(PIPELINE) evaluate $(LOOK) --data '$(DATA)' --task '$(TASK)' $(foreach word,$(CONTROLS),--controls '$(word)')

rewrite: setup ## sentences of FILE rewritten by a run's student, chosen by its panel: RUN=name TASK=summary|paraphrase ONLY_PASSED=1
	$(PIPELINE) rewrite $(LOOK) --task '$(TASK)' --file '$(FILE)' $(if $(ONLY_PASSED),--only-passed)

diversity: setup ## the corpus beside other sets: RUN=name AGAINST='file[:column] ...'
	$(PIPELINE) diversity $(LOOK) $(foreach file,$(AGAINST),--against '$(file)')

report: setup ## one self-contained page about a run and its markdown twin
	$(PIPELINE) report $(LOOK)

export: setup ## the corpus as FORMAT=jsonl|csv|parquet|chat|instruction into OUT=folder
	$(PIPELINE) export $(LOOK) --format '$(or $(FORMAT),jsonl)' --out '$(or $(OUT),data/export)'

publish: setup ## the corpus as a data set on the Hub: REPO=org/name (DRY_RUN=1 LICENSE=id TAG= PRIVATE=1 BLOCKLIST= CONTEXTS=1)
	$(PIPELINE) publish $(PUBLISH) $(if $(filter command line environment,$(origin ROUND)),--round $(ROUND)) \
		$(if $(BLOCKLIST),--blocklist '$(BLOCKLIST)') $(if $(CONTEXTS),--upload-contexts)

publish-model: setup ## student ROUND=r as a model on the Hub: REPO=org/name (same settings)
	$(PIPELINE) publish-model --round $(ROUND) $(PUBLISH)

serve: setup ## pages about a run that only this machine sees: RUN=name PORT=8765
	$(PIPELINE) serve $(LOOK) --port $(PORT)

explain: setup ## everything about one pair: RUN=name PAIR=id
	$(PIPELINE) explain $(LOOK) --pair '$(PAIR)'

second-opinion: setup ## what a judge outside the loop says of a corpus: RUN=name
	$(PIPELINE) second-opinion $(LOOK)

verify: setup ## whether a release is as published: REPO=org/name or a folder
	$(PIPELINE) verify '$(REPO)'

status: setup ## where a run stands, and its funnel
	$(PIPELINE) status $(LOOK)

show: setup ## random kept and rejected pairs, with scores and reasons
	$(PIPELINE) show $(LOOK) $(if $(filter command line environment,$(origin ROUND)),--round $(ROUND))

calibrate-gate: setup ## where the gate before the judge may stand for this teacher and judge
	$(PIPELINE) calibrate-gate $(LOOK) $(CHANGED)

test: setup ## the tests, under 6 minutes on 2 cores
	$(BIN)/python -m pytest -m "not slow"

test-all: setup ## the heavier tests too
	$(BIN)/python -m pytest

check: setup ## format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

bench: setup ## speed against transformers and against the procedure as published
	$(BIN)/python -m bench.run $(CHANGED)

bench-judge: setup ## the judge's runner against CrossEncoder.predict
	$(BIN)/python -m bench.judge

bench-student: setup ## rewriting against transformers' generate: RUN=name TEXT=file:column
	$(BIN)/python -m bench.student --model 'data/runs/$(or $(RUN),news)/round-$(ROUND)/student/model' --text '$(TEXT)'

bench-control: setup ## does a student write the length it is asked for: RUN=name TEXT=file:column
	$(BIN)/python -m bench.control --model 'data/runs/$(or $(RUN),news)/round-$(ROUND)/student/model' --text '$(TEXT)'

bench-questions: setup ## what the judges make of pairs of questions that were read
	$(BIN)/python -m bench.questions

bench-readings: setup ## precision and recall of a recipe's panel on the pairs that were read (RECIPE=news SET=...)
	$(BIN)/python -m bench.readings $(CHANGED)

bench-filters: setup ## our filters against the procedure as published (RUN=name with candidates)
	$(BIN)/python -m bench.filters $(LOOK) $(if $(SET),--set '$(SET)')

bench-graph: setup ## the entailment graph against brute force (RUN=name with scores)
	$(BIN)/python -m bench.graph --run 'data/runs/$(or $(RUN),$(RECIPE),news)'

judge: setup ## the embedded judges anew (hours; extra parser): NLI=pairs.jsonl.gz TEXT='a.jsonl.gz ...' RUN=name WORDNET=folder QUESTIONS=name
	$(BIN)/python -m filters.training judge --labelled '$(NLI)' $(foreach file,$(TEXT),--text '$(file)') \
		--candidates 'data/runs/$(or $(RUN),news)/round-0/candidates' $(if $(WORDNET),--wordnet '$(WORDNET)') \
		$(if $(QUESTIONS),--questions 'data/runs/$(QUESTIONS)/round-0/candidates')

bench-near-duplicates: setup ## near copies at 10k, 100k and 1M sentences (needs a run with candidates)
	$(BIN)/python -m bench.near_duplicates

pretrain-student: setup ## the embedded T5 anew, hours: TEXT='a.jsonl.gz:column b.parquet:text' START=embedded:t5 goes on; OUT=folder
	$(BIN)/python -m student pretrain $(foreach file,$(TEXT),--text '$(file)') $(if $(START),--start '$(START)') $(if $(OUT),--out '$(OUT)')

docs: setup ## the pages that the program writes: tree, filters, commands, recipes
	$(BIN)/python .ci/tree.py --write
	$(BIN)/python .ci/filters_page.py --write
	$(BIN)/python .ci/commands_page.py --write
	$(BIN)/python .ci/recipes_page.py --write

calibrate: setup ## precision and recall of both embedded judges on the pairs that were read
	$(BIN)/python -m filters.training calibrate
	$(BIN)/python -m filters.training calibrate --model embedded:nli-mpnet

lock: ## resolve the lock files anew (needs uv)
	bash .ci/lock.sh

clean: ## remove caches and the venv; never a run
	rm -rf $(VENV) data/cache .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
