"""An experiment whose systems are made of others' runs, one with weights chosen on dev."""

import json

import pytest

from denseflow.run_file import read_run

EXPERIMENT = {
    "evaluate_on": [{"dataset": "docs"}],
    "systems": {
        "bm25": {"bm25": {}},
        "before": {"model": "tiny"},
        "after": {"model": "tuned"},
        "both": {"fusion": {"systems": ["bm25", "after"]}},
        "interpolated": {
            "fusion": {"systems": ["bm25", "before"], "method": "min_max", "tune": {"split": "dev", "steps": 4}}
        },
    },
    "depth": 100,
    "report": {"bootstrap_resamples": 200, "permutations": 200, "gains": 3},
}
STAGES = {"encode_corpus", "encode_queries", "search", "fuse", "fusion_weights", "evaluate", "train"}


def stages(planned: dict[str, int]) -> dict[str, int]:
    """Those of the planned rules that come before the report."""
    return {rule: count for rule, count in planned.items() if rule in STAGES}


@pytest.mark.slow
def test_fused_runs_are_rows_of_the_table_and_their_options_rerun_nothing_else(workflow):
    workflow.write("experiments/fused", EXPERIMENT)
    chosen = ("--config", "experiments=[fused]")
    planned = workflow.planned(*chosen)
    assert {name: planned[name] for name in ("fuse", "fusion_weights")} == {"fuse": 2, "fusion_weights": 1}
    assert "train" not in planned
    assert "encode_corpus" not in planned
    workflow.make(*chosen)
    folder = workflow.folder / "results/search/docs/fusion/fused"
    table = (workflow.folder / "results/experiments/fused/table.tsv").read_text()
    assert "both" in table
    assert "interpolated" in table
    bm25 = read_run(next((workflow.folder / "results/bm25/docs").glob("en_*/test.top100.trec")))
    assert set(bm25) <= set(read_run(folder / "both/seed0/test.top100.trec"))
    chosen_weights = json.loads((folder / "interpolated/fused/weights.dev.json").read_text())
    assert sum(chosen_weights["weights"]) == 1
    manifest = json.loads((folder / "interpolated/fused/test.top100.manifest.json").read_text())
    assert manifest["options"]["weights"] == chosen_weights["weights"]

    assert workflow.planned(*chosen) == {}
    workflow.edit("config/experiments/fused.yaml", "steps: 4", "steps: 5")
    assert stages(workflow.planned(*chosen)) == {"fusion_weights": 1, "fuse": 1, "evaluate": 1}
    workflow.edit("config/experiments/fused.yaml", "steps: 5", "steps: 4")
    altered = folder / "both/seed0/test.top100.trec"
    altered.write_text(altered.read_text() + "\n")
    assert stages(workflow.planned(*chosen)) == {"fuse": 1, "evaluate": 1}
