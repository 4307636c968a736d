"""An experiment whose systems search one model's vectors by indexes, and cut."""

import json

import pytest

EXPERIMENT = {
    "evaluate_on": [{"dataset": "docs"}],
    "systems": {
        "before": {"model": "tiny"},
        "cut": {"model": "tiny", "dimensions": 16},
        "lists": {"model": "tiny", "index": {"type": "ivf", "nlist": 20, "nprobe": 5}},
        "codes": {
            "model": "tiny",
            "dimensions": 16,
            "index": {"type": "ivf_pq", "nlist": 8, "nprobe": 4, "m": 8, "bits": 4, "rescore": 50},
        },
    },
    "depth": 100,
    "report": {"bootstrap_resamples": 200, "permutations": 200, "gains": 3},
}
TABLE = {"evaluate": 1, "report": 1, "report_page": 1, "crate": 1, "indexes": 1}


@pytest.mark.slow
def test_indexes_of_one_model_share_its_vectors_and_a_search_option_builds_nothing(workflow):
    workflow.write("experiments/indexed", EXPERIMENT)
    chosen = ("--config", "experiments=[indexed]")
    assert workflow.planned(*chosen) == {"index": 2, "search": 1, "search_index": 2, **TABLE}
    printed = workflow.make(*chosen)
    assert "the searches of vectors" in printed
    results = workflow.folder / "results"
    searches = results / "search/docs/tiny/pretrained"
    header, *lines = (
        line.split("\t") for line in (results / "experiments/indexed/indexes.tsv").read_text().splitlines()
    )
    rows = {line[header.index("system")]: dict(zip(header, line, strict=True)) for line in lines}
    assert [row["search"] for row in rows.values()] == [
        "exact",
        "d16",
        "ivf_20.nprobe5",
        "ivf_pq_8_8_4.nprobe4.rescore50.d16",
    ]
    assert [row["dimensions"] for row in rows.values()] == ["32", "16", "32", "16"]
    for name in ("lists", "codes"):
        assert 0.2 < float(rows[name]["recall@10"]) <= 1
        assert float(rows[name]["queries_per_second"]) > 0
        assert float(rows[name]["exact_queries_per_second"]) > 0
    for manifest in [*searches.rglob("*manifest.json"), results / "experiments/indexed/manifest.json"]:
        assert "second" not in manifest.read_text()
    assert "indexes.tsv" not in json.loads((results / "experiments/indexed/manifest.json").read_text())["files"]

    assert workflow.planned(*chosen) == {}
    for path in searches.rglob("*.speed.json"):
        path.write_text("{}")
    assert workflow.planned(*chosen) == {}
    workflow.edit("config/experiments/indexed.yaml", "nprobe: 5", "nprobe: 6")
    assert workflow.planned(*chosen) == {"search_index": 1, **TABLE}
    workflow.edit("config/experiments/indexed.yaml", "nprobe: 6", "nprobe: 5")
    workflow.edit("config/experiments/indexed.yaml", "nlist: 20", "nlist: 21")
    assert workflow.planned(*chosen) == {"index": 1, "search_index": 1, **TABLE}
    workflow.edit("config/experiments/indexed.yaml", "nlist: 21", "nlist: 20")
    workflow.edit("config/datasets/docs.yaml", "source:", "run: {search_gpus: 1, mem_mb: 9000}\nsource:")
    assert workflow.planned(*chosen) == {}
    built = searches / "index/ivf_20/index.faiss"
    built.write_bytes(built.read_bytes()[:-1])
    assert workflow.planned(*chosen) == {"index": 1, "search_index": 1, **TABLE}
