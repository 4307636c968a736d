"""The rerun matrix: change one thing, and compare the rules that would run with those that should."""

import os
import shutil
from pathlib import Path

import pytest
from project_copy import FILES

REPORT = {"report": 1, "report_page": 1, "model_card": 1, "crate": 1}
EVALUATE = {"evaluate": 1, **REPORT}
SEARCH_ONE = {"search": 1, **EVALUATE}
SEARCH = {"search": 2, **EVALUATE}
ENCODE_ONE = {"encode_corpus": 1, "encode_queries": 1, **SEARCH_ONE}
TRAIN = {"train": 1, **ENCODE_ONE}
NEGATIVES = {"negatives": 1, **TRAIN}
PRETRAINED = {"pretrained": 1, "train": 1, "encode_corpus": 2, "encode_queries": 2, **SEARCH}
BM25_SEARCH = {"bm25_search": 2, **NEGATIVES}
BM25 = {"bm25_index": 1, **BM25_SEARCH}
DATASET = {"dataset": 1, "near_twins": 1, **BM25, "encode_corpus": 2, "encode_queries": 2, **SEARCH}

PACKAGE = "workflow_scripts/denseflow"
CODE = "\nADDED = 1\n"

CONFIGURATION = {
    "nothing": (lambda w: None, {}),
    "an evaluation measure": (lambda w: w.edit("config/experiments/tiny.yaml", "R@100", "R@50"), EVALUATE),
    "the depth of the search": (
        lambda w: w.edit("config/experiments/tiny.yaml", "depth: 100", "depth: 90"),
        {"bm25_search": 1, **SEARCH},
    ),
    "the learning rate": (lambda w: w.edit("config/models/tuned.yaml", "0.0001", "0.0002"), TRAIN),
    "two option values swapped": (
        lambda w: (
            w.edit("config/models/tuned.yaml", "learning_rate: 0.0001", "learning_rate: 0.01"),
            w.edit("config/models/tuned.yaml", "weight_decay: 0.01", "weight_decay: 0.0001"),
        ),
        TRAIN,
    ),
    "keys reordered": (
        lambda w: w.edit(
            "config/models/tuned.yaml", "batch_size: 8\n    max_steps: 4", "max_steps: 4\n    batch_size: 8"
        ),
        {},
    ),
    "a default written out": (
        lambda w: w.edit("config/models/tuned.yaml", "max_steps: 4", "max_steps: 4\n    warmup_ratio: 0.1"),
        {},
    ),
    "an option of the report": (lambda w: w.edit("config/experiments/tiny.yaml", "gains: 3", "gains: 2"), REPORT),
    "an option of the report that came later": (
        lambda w: w.edit("config/experiments/tiny.yaml", "gains: 3", "gains: 3\n  measure_for_gains: R@100"),
        REPORT,
    ),
    "a score that is expected": (
        lambda w: w.edit(
            "config/experiments/tiny.yaml",
            "depth:",
            "expected: [{system: bm25, measure: R@100, value: 1.0, tolerance: 1.0}]\ndepth:",
        ),
        {"expected": 1},
    ),
    "scoring during training": (
        lambda w: w.edit("config/models/tuned.yaml", "max_steps: 4", "max_steps: 4\n    evaluate: {measure: AP}"),
        TRAIN,
    ),
    "a description": (
        lambda w: w.edit("config/models/tuned.yaml", "trained:", "description: x\ntrained:"),
        {"model_card": 1},
    ),
    "a comment": (lambda w: w.edit("config/models/tuned.yaml", "trained:", "# a comment\ntrained:"), {}),
    "where a model runs": (
        lambda w: w.edit(
            "config/models/tuned.yaml",
            "trained:",
            "run: {micro_batch: 2, threads: 1, processes: 2, attention: eager, compile: true}\ntrained:",
        ),
        {},
    ),
    "how many jobs share an encoding": (
        lambda w: w.edit("config/datasets/docs.yaml", "source:", "run: {encode_jobs: 3}\nsource:"),
        {},
    ),
    "the precision of a model's vectors": (
        lambda w: w.edit("config/models/tuned.yaml", "trained:", "encode: {precision: bf16}\ntrained:"),
        ENCODE_ONE,
    ),
    "how a model's vectors are kept": (
        lambda w: w.edit("config/models/tuned.yaml", "trained:", "encode: {storage: float16}\ntrained:"),
        {"encode_corpus": 1, **SEARCH_ONE},
    ),
    "another base that was made before": (
        lambda w: (
            shutil.copytree(w.folder / "results/train/tiny", w.folder / "results/train/other"),
            w.write("models/other", FILES["models/tiny"]),
            w.edit("config/models/tuned.yaml", "base: tiny", "base: other"),
        ),
        TRAIN,
    ),
    "other negatives that were made before": (
        lambda w: (
            shutil.copytree(
                w.folder / "results/negatives/docs.train/mined", w.folder / "results/negatives/docs.train/again"
            ),
            w.write("negatives/again", FILES["negatives/mined"]),
            w.edit("config/models/tuned.yaml", "negatives: mined", "negatives: again"),
        ),
        TRAIN,
    ),
    "how often a training is saved": (
        lambda w: w.edit("config/config.yaml", "experiments:", "checkpoint_minutes: 1\nexperiments:"),
        {},
    ),
    "the rank range of the negatives": (
        lambda w: w.edit("config/negatives/mined.yaml", "last_rank: 50", "last_rank: 40"),
        {"bm25_search": 1, **NEGATIVES},
    ),
    "a filter of the negatives": (
        lambda w: w.edit("config/negatives/mined.yaml", "last_rank: 50", "last_rank: 50\n  share: 0.9"),
        NEGATIVES,
    ),
    "the seed of the negatives": (
        lambda w: w.edit("config/negatives/mined.yaml", "sources:", "seed: 1\nsources:"),
        NEGATIVES,
    ),
    "the contract of the pretrained model": (
        lambda w: w.edit("config/models/tiny.yaml", "passage_max_length: 32", "passage_max_length: 24"),
        PRETRAINED,
    ),
    "the split of the collection": (
        lambda w: w.edit("config/datasets/docs.yaml", "packages:", "seed: 1\n  packages:"),
        DATASET,
    ),
    "a second seed": (
        lambda w: w.edit("config/experiments/tiny.yaml", "depth:", "seeds: [0, 1]\ndepth:"),
        {**TRAIN, "model_card": 2},
    ),
    "an added experiment of the same models": (
        lambda w: (
            (w.folder / "config/experiments/more.yaml").write_bytes(
                (w.folder / "config/experiments/tiny.yaml").read_bytes()
            ),
            w.edit("config/config.yaml", "- tiny", "- tiny\n- more"),
        ),
        {"near_twins": 1, **EVALUATE},
    ),
    "an added system": (
        lambda w: w.edit("config/experiments/tiny.yaml", "  before:", "  bm25-2:\n    bm25: {k1: 1.2}\n  before:"),
        {"bm25_search": 1, **EVALUATE},
    ),
}

MODULES = {
    "dataset/package_docs.py": DATASET,
    "bm25/index.py": BM25,
    "bm25/search.py": BM25_SEARCH,
    "negatives/mine.py": NEGATIVES,
    "train/trainer.py": TRAIN,
    "train/pretrained.py": PRETRAINED,
    "encode/encode.py": {"encode_corpus": 2, "encode_queries": 2, **SEARCH},
    "search/flat.py": SEARCH,
    "evaluate/measures.py": EVALUATE,
    "report/statistics.py": REPORT,
    "report/near_twins.py": {"near_twins": 1, **REPORT},
    "report/model_card.py": {"model_card": 1},
    "report/crate.py": {"crate": 1},
    "report/page/charts.py": {"report_page": 1},
    "config/load.py": {},
    "workflow/canonical.py": {},
}


def append(workflow, file: str, text: str) -> None:
    path = workflow.folder / file
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def touch_all(folder: Path) -> None:
    for path in [p for p in folder.rglob("*") if p.is_file() and ".snakemake" not in p.parts]:
        os.utime(path)


@pytest.mark.parametrize("case", CONFIGURATION)
def test_a_changed_configuration_reruns_exactly_what_depends_on_it(workflow, case):
    change, expected = CONFIGURATION[case]
    change(workflow)
    assert workflow.planned() == expected


@pytest.mark.parametrize("module", MODULES)
def test_an_edited_module_reruns_exactly_the_stages_that_use_it(workflow, module):
    append(workflow, f"{PACKAGE}/{module}", CODE)
    assert workflow.planned() == MODULES[module]


@pytest.mark.parametrize("template", ["report.html", "page.css", "queries.js"])
def test_an_edited_template_of_the_page_makes_the_page_again_and_nothing_else(workflow, template):
    append(workflow, f"{PACKAGE}/report/page/templates/{template}", "\n")
    assert workflow.planned() == {"report_page": 1}


def test_a_comment_in_every_module_and_a_touch_of_every_file_rerun_nothing(workflow):
    for path in (workflow.folder / "workflow_scripts").rglob("*.py"):
        path.write_text(path.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    touch_all(workflow.folder)
    assert workflow.planned() == {}


def test_a_new_option_reruns_nothing_and_a_changed_default_reruns_its_stage(workflow):
    section = f"{PACKAGE}/config/recipe.py"
    workflow.edit(
        section, "    accumulation: int", '    added: int = option(7, "new", neutral=7)\n    accumulation: int'
    )
    assert workflow.planned() == {}
    workflow.edit(section, "warmup_ratio: float = option(0.1", "warmup_ratio: float = option(0.2")
    assert workflow.planned() == TRAIN


def test_a_raised_pin_reruns_the_stages_that_have_it(workflow):
    append(workflow, "envs/search.yaml", "      - added==1.0\n")
    assert workflow.planned() == SEARCH


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("train/tuned/seed0/model/model.safetensors", TRAIN),
        ("train/tuned/seed0/model/config.json", TRAIN),
        ("train/tiny/pretrained/model/model.safetensors", PRETRAINED),
        ("encode/docs/tuned/seed0/corpus/00000.npy", {"encode_corpus": 1, **SEARCH_ONE}),
        ("dataset/docs/queries.test.jsonl", DATASET),
    ],
)
@pytest.mark.parametrize("how", ["deleted", "altered", "cut"])
def test_a_damaged_result_is_made_again_with_all_that_follows(workflow, file, expected, how):
    path = workflow.folder / "results" / file
    content = path.read_bytes()
    if how == "deleted":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if how == "altered" else content[:-1])
    assert workflow.planned() == expected


def test_a_repaired_result_leaves_nothing_to_do(workflow):
    weights = workflow.folder / "results/train/tuned/seed0/model/model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    workflow.make()
    assert weights.read_bytes() == content
    assert workflow.planned() == {}


def test_a_training_file_that_was_altered_unseen_is_refused_when_it_is_read(workflow):
    path = workflow.folder / "results/negatives/docs.train/mined/train.jsonl"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content.replace(b"query_id", b"query_ie", 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = workflow.run("--forcerun", "train")
    assert done.returncode != 0
    assert "train.jsonl: sha256" in done.stdout + done.stderr


def test_an_altered_file_of_a_local_model_reruns_what_is_made_of_it(workflow):
    append(workflow, "tiny/config.json", " ")
    assert workflow.planned() == PRETRAINED
