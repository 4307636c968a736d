"""Several runs become one: by reciprocal ranks, by averages of normalised scores, with weights chosen on dev."""

import json
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import yaml

from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.manifest import write_manifest
from denseflow.run_file import read_run, write_run
from denseflow.search.fusion import fuse, fuse_rankings
from denseflow.search.fusion_weights import choose_weights
from denseflow.search.speed import read_speed
from denseflow.workflow.fusions import Fused
from denseflow.workflow.graph import Graph

PROJECT = Path(__file__).resolve().parents[2]

FIRST = {"a": 9.0, "b": 5.0, "c": 1.0}
SECOND = {"c": 0.8, "d": 0.6, "a": 0.5}


def fused(method, weights=(1.0, 1.0), first=FIRST, second=SECOND, k=60, depth=10):
    documents, scores = fuse_rankings([first, second], method=method, k=k, weights=weights, depth=depth)
    return dict(zip(documents, scores, strict=True))


def test_reciprocal_ranks_are_added():
    scores = fused("rrf", k=1)
    assert scores == pytest.approx({"a": 1 / 2 + 1 / 4, "c": 1 / 4 + 1 / 2, "b": 1 / 3, "d": 1 / 3})
    assert list(scores) == ["c", "a", "d", "b"]  # ties by document id, descending


def test_min_max_gives_a_document_that_a_run_lacks_that_runs_lowest_score():
    scores = fused("min_max", weights=(3.0, 1.0))
    assert scores == pytest.approx({"a": 0.75, "b": 0.375, "c": 0.25, "d": 0.25 * 1 / 3})
    assert list(scores) == ["a", "b", "c", "d"]


def test_z_scores_are_averaged():
    first, second = (np.array(list(ranking.values())) for ranking in (FIRST, SECOND))
    z1, z2 = (first - 5) / first.std(), (second - second.mean()) / second.std()
    expected = {"a": z1[0] + z2[2], "b": z1[1] + z2[2], "c": z1[2] + z2[0], "d": z1[2] + z2[1]}
    assert fused("z_score") == pytest.approx({name: value / 2 for name, value in expected.items()})


def test_the_order_does_not_depend_on_the_scale_of_a_runs_scores():
    for method in ("min_max", "z_score"):
        scaled = {name: 1000 * score - 7 for name, score in FIRST.items()}
        assert list(fused(method, first=scaled)) == list(fused(method))


def test_a_weight_of_0_leaves_the_other_runs_order_first():
    assert list(fused("min_max", weights=(0.0, 1.0)))[:2] == ["c", "d"]
    assert list(fused("rrf", weights=(1.0, 0.0)))[:3] == ["a", "b", "c"]


@pytest.mark.parametrize("method", ["rrf", "min_max", "z_score"])
def test_a_run_without_results_for_a_query_changes_nothing(method):
    assert list(fused(method, second={})) == ["a", "b", "c"]
    assert fused(method, first={}, second={}) == {}


@pytest.mark.parametrize("method", ["min_max", "z_score"])
def test_scores_that_are_all_alike_say_nothing(method):
    alike = dict.fromkeys(FIRST, 2.0)
    assert list(fused(method, first=alike, second={"b": 2.0, "c": 1.0, "a": 0.5})) == ["b", "c", "a"]


def test_no_more_documents_than_asked_for():
    assert list(fused("rrf", depth=2, k=1)) == ["c", "a"]


def run_of(folder, name, rankings):
    write_run(folder / f"{name}.trec", [(query, list(r), list(r.values())) for query, r in rankings.items()], name)
    write_manifest(folder, "search", [f"{name}.trec"], name=f"{name}.manifest.json")
    return folder / f"{name}.manifest.json"


def collection(folder, qrels):
    folder.mkdir()
    lines = [f"{query}\t{document}\t{level}" for query, levels in qrels.items() for document, level in levels.items()]
    (folder / "qrels.dev.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n", encoding="utf-8")
    write_manifest(folder, "dataset", ["qrels.dev.tsv"])
    return folder / "manifest.json"


def test_a_fused_run_has_the_queries_of_all_runs_and_a_manifest(tmp_path):
    manifests = [run_of(tmp_path, "one", {"q1": FIRST}), run_of(tmp_path, "two", {"q1": SECOND, "q2": SECOND})]
    facts = fuse(manifests, tmp_path / "test.top3.trec", method="rrf", k=60, weights=[1, 1], depth=3)
    run = read_run(tmp_path / "test.top3.trec")
    assert {query: list(ranking) for query, ranking in run.items()} == {"q1": ["c", "a", "d"], "q2": ["c", "d", "a"]}
    assert json.loads((tmp_path / "test.top3.manifest.json").read_text()) == facts
    assert facts["options"] == {"method": "rrf", "k": 60, "weights": [1, 1], "depth": 3}
    assert read_speed(tmp_path / "test.top3.trec") > 0
    assert list(facts["files"]) == ["test.top3.trec"]


def test_runs_are_fused_query_by_query_and_never_wholly_in_memory(tmp_path):
    draw = np.random.default_rng(0)
    manifests = []
    for name, queries in (("one", range(0, 80)), ("two", range(10, 90))):
        names = {f"q{query}": draw.permutation(800)[:400] for query in queries}
        rankings = {query: {f"d{of}": 400.0 - at for at, of in enumerate(some)} for query, some in names.items()}
        manifests.append(run_of(tmp_path, name, rankings))
    options = {"method": "z_score", "k": 60, "weights": [1.0, 0.5], "depth": 100}
    tracemalloc.start()
    fuse(manifests, tmp_path / "fused.trec", **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6  # the 64,000 lines of both runs take more than five times as much
    whole = [
        read_run(manifest.with_name(f"{name}.trec")) for manifest, name in zip(manifests, ("one", "two"), strict=True)
    ]
    names = dict.fromkeys([*whole[0], *whole[1]])
    write_run(
        tmp_path / "expected.trec",
        [(query, *fuse_rankings([run.get(query, {}) for run in whole], **options)) for query in names],
        "denseflow",
    )
    assert (tmp_path / "fused.trec").read_bytes() == (tmp_path / "expected.trec").read_bytes()


def tuned(tmp_path, qrels, **changes):
    manifests = [run_of(tmp_path, "one", {"q1": FIRST}), run_of(tmp_path, "two", {"q1": SECOND})]
    options = {"split": "dev", "name": "w", "method": "min_max", "k": 60, "depth": 10, "measure": "RR", "steps": 4}
    choose_weights(manifests, collection(tmp_path / "data", qrels), tmp_path, **{**options, **changes})
    return json.loads((tmp_path / "w.json").read_text())


def test_the_weight_with_the_highest_mean_on_dev_is_taken(tmp_path):
    chosen = tuned(tmp_path, {"q1": {"d": 1, "c": 1}}, measure="P@2")
    assert chosen["weights"] == [0.25, 0.75]
    assert [weight for weight, _ in chosen["tried"]] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert max(value for _, value in chosen["tried"]) == 1.0


def test_of_equal_means_the_weight_nearest_to_one_half_is_taken(tmp_path):
    assert tuned(tmp_path, {"q1": {"a": 1, "b": 1, "c": 1, "d": 1}})["weights"] == [0.5, 0.5]


def test_tuning_on_a_split_without_judgements_is_refused(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "qrels.dev.tsv").write_text("query-id\tcorpus-id\tscore\n")
    write_manifest(data, "dataset", ["qrels.dev.tsv"])
    runs = [run_of(tmp_path, "one", {"q1": FIRST}), run_of(tmp_path, "two", {"q1": SECOND})]
    with pytest.raises(DenseflowError, match="no judgements"):
        choose_weights(
            *(runs, data / "manifest.json", tmp_path),
            **{"split": "dev", "name": "w", "method": "rrf", "k": 1, "depth": 5, "measure": "RR", "steps": 2},
        )


def test_a_fused_run_knows_which_weights_it_has(tmp_path):
    systems = {"bm25": {"bm25": {}}, "before": {"model": "minilm-l6"}}
    options = []
    for split in ("dev", "train"):
        folder = tmp_path / split
        shutil.copytree(PROJECT / "config", folder)
        tuned = {"fusion": {"systems": ["bm25", "before"], "method": "min_max", "tune": {"split": split}}}
        experiment = {"evaluate_on": [{"dataset": "nfcorpus"}], "systems": {**systems, "both": tuned}}
        (folder / "experiments" / "fused.yaml").write_text(yaml.safe_dump(experiment))
        graph = Graph(Registry({"experiments": ["fused"]}, folder), PROJECT)
        options.append(json.loads(Fused(graph, "fused", "both", "fused").run_options("nfcorpus", "test")))
    assert [Path(one["chosen"]).name for one in options] == ["weights.dev.manifest.json", "weights.train.manifest.json"]
    assert "weights" not in options[0]
