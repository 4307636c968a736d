"""An experiment whose system reranks another one's run by a cross-encoder that is trained here."""

import pytest

from denseflow.run_file import read_run

RERANKER = {
    "kind": "cross_encoder",
    "contract": {"pair_max_length": 32},
    "trained": {
        "base": "tiny",
        "data": {"dataset": "docs", "negatives": "mined"},
        "recipe": {"loss": {"name": "lce"}, "batch_size": 4, "negatives_per_query": 2, "max_steps": 3},
    },
}
EXPERIMENT = {
    "evaluate_on": [{"dataset": "docs"}],
    "systems": {
        "bm25": {"bm25": {}},
        "reranked": {"rerank": {"system": "bm25", "model": "reranker", "depth": 5}},
    },
    "before": "bm25",
    "depth": 100,
    "report": {"bootstrap_resamples": 200, "permutations": 200, "gains": 3},
}
REPORT = {"evaluate": 1, "report": 1, "report_page": 1, "model_card": 1, "crate": 1}
RERANK = {"rerank": 1, **REPORT}


@pytest.mark.slow
def test_a_reranked_system_is_a_row_of_the_table_and_reruns_as_little_as_it_can(workflow):
    workflow.write("models/reranker", RERANKER)
    workflow.write("experiments/reranking", EXPERIMENT)
    chosen = ("--config", "experiments=[reranking]")
    assert workflow.planned(*chosen) == {"train": 1, "near_twins": 1, **RERANK}
    workflow.make(*chosen)
    results = workflow.folder / "results"
    table = (results / "experiments/reranking/table.tsv").read_text().splitlines()
    assert {line.split("\t")[3] for line in table[1:]} == {"bm25", "reranked"}

    (path,) = results.glob("search/docs/reranker/seed0/rerank5/bm25/docs/*/test.top100.trec")
    before, after = read_run(results / path.relative_to(path.parents[3])), read_run(path)
    assert any(list(after[query])[:5] != list(before[query])[:5] for query in before)
    for query, ranking in before.items():
        assert list(after[query])[5:] == list(ranking)[5:]

    assert workflow.planned(*chosen) == {}
    workflow.edit("config/experiments/reranking.yaml", "depth: 5", "depth: 4")
    assert workflow.planned(*chosen) == RERANK
    workflow.edit("config/experiments/reranking.yaml", "depth: 4", "depth: 5")
    workflow.edit("config/models/reranker.yaml", "max_steps: 3", "max_steps: 2")
    assert workflow.planned(*chosen) == {"train": 1, **RERANK}
