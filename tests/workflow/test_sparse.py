"""An experiment with a sparse encoder: searched, mined with, trained, fused, scored on sentences and looked at."""

import json
import subprocess
import sys

import pytest
from tiny_sparse import make_tiny_mlm

from denseflow.report.rows import read_rows
from denseflow.run_file import read_run

TUNED = {
    "kind": "sparse_encoder",
    "trained": {
        "base": "splade",
        "data": {"dataset": "docs", "negatives": "by-terms"},
        "recipe": {
            "loss": {"name": "infonce", "temperature": 1.0},
            "flops": {"query_weight": 1.0e-3, "passage_weight": 1.0e-3},
            **{"batch_size": 4, "negatives_per_query": 1, "max_steps": 3, "learning_rate": 1.0e-4},
        },
    },
}
FILES = {
    "models/splade": {
        "kind": "sparse_encoder",
        "pretrained": {"path": "splade"},
        "contract": {"query_max_length": 16, "passage_max_length": 32},
    },
    "models/splade-tuned": TUNED,
    "negatives/by-terms": {
        "sources": [{"type": "dense", "model": "splade", "count": 1, "last_rank": 20, "share": 2.0}]
    },
    "experiments/sparse": {
        "evaluate_on": [{"dataset": "docs"}],
        "systems": {
            "bm25": {"bm25": {}},
            "before": {"model": "splade"},
            "after": {"model": "splade-tuned"},
            "fused": {"fusion": {"systems": ["bm25", "after"]}},
        },
        "similarity": {
            "set": {"type": "sts", "path": "pairs.csv", "first": "one", "second": "two"},
        },
        "depth": 100,
        "report": {"bootstrap_resamples": 200, "permutations": 200, "gains": 3},
    },
}
PAIRS = "one,two,score\na diet of fruit,food and fruit,4\nheart disease,risk of cancer,1\nmilk and fish,a cell,0\n"
SEARCHED = {"encode_corpus": 1, "encode_queries": 1, "search": 1, "fuse": 1, "similarity": 1, "similarity_table": 1}
REPORT = {"evaluate": 1, "report": 1, "report_page": 1, "model_card": 1, "crate": 1}


@pytest.mark.slow
def test_a_sparse_encoder_passes_through_the_stages_like_any_other(workflow):
    (workflow.folder / "pairs.csv").write_text(PAIRS)
    make_tiny_mlm(workflow.folder / "splade")
    for name, value in FILES.items():
        workflow.write(name, value)
    chosen = ("--config", "experiments=[sparse]")
    workflow.make(*chosen)
    results = workflow.folder / "results"
    rows = list(read_rows(results / "experiments/sparse/table.tsv"))
    assert {row.system for row in rows} == {"bm25", "before", "after", "fused"}
    assert {row.system for row in read_rows(results / "experiments/sparse/similarity.tsv")} == {"before", "after"}
    facts = json.loads((results / "search/docs/splade/pretrained/test.top100.manifest.json").read_text())
    assert facts["passage_terms"] > 1
    page = (results / "experiments/sparse/report.html").read_text()
    assert "terms a passage" in page
    card = (results / "train/splade-tuned/seed0/model-card.sparse.md").read_text()
    assert "SparseEncoder" in card
    negatives = [json.loads(line) for line in (results / "negatives/docs.train/by-terms/train.jsonl").open()]
    ranked = read_run(results / "search/docs/splade/pretrained/train.top20.trec")
    assert all(
        passage["docid"] in ranked[line["query_id"]] for line in negatives for passage in line["negative_passages"]
    )

    assert workflow.planned(*chosen) == {}
    workflow.edit("config/models/splade-tuned.yaml", "passage_weight: 0.001", "passage_weight: 0.002")
    assert workflow.planned(*chosen) == {"train": 1, **SEARCHED, **REPORT}
    workflow.edit("config/models/splade-tuned.yaml", "passage_weight: 0.002", "passage_weight: 0.001")
    # What only sparse encoders use is no part of a dense model's results, and the other way round.
    workflow.edit("workflow_scripts/denseflow/search/sparse.py", "_QUERIES = 64", "_QUERIES = 32")
    assert workflow.planned("--config", "experiments=[tiny]") == {}
    assert workflow.planned(*chosen)["search"] == 3
    workflow.edit("workflow_scripts/denseflow/search/sparse.py", "_QUERIES = 32", "_QUERIES = 64")

    words = next(iter(json.loads((results / "dataset/docs/queries.test.jsonl").open().readline())["text"].split()))
    shown = subprocess.run(
        [sys.executable, "-m", "denseflow", "search", "sparse", words],
        cwd=workflow.folder,
        env={**workflow.environment(), "PYTHONPATH": str(workflow.folder / "workflow_scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr[-3000:]
    assert "after" in shown.stdout
