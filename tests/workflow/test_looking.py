"""A query that is typed in is ranked as the workflow ranks it, by each kind of system."""

import shutil
from collections.abc import Iterator

import numpy as np
import pytest
import yaml
from tiny_cross_encoder import make_cross_encoder

from denseflow.contract import passage_text
from denseflow.look.documents import scan
from denseflow.look.looking import SEARCHED, Looking
from denseflow.look.place import Place, open_experiment
from denseflow.run_file import read_run
from denseflow.search.cross_encoder import load_cross_encoder, read_pair_contract, score_pairs
from denseflow.search.fusion import fuse_rankings

SYSTEMS = {
    "fused": {"fusion": {"systems": ["bm25", "before"], "method": "min_max", "weights": [1.0, 3.0]}},
    "reranked": {"rerank": {"system": "bm25", "model": "reader", "depth": 5}},
    "cut": {"model": "tiny", "dimensions": 8},
    "indexed": {"model": "tiny", "index": {"type": "hnsw"}},
}


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory) -> Iterator[Place]:
    """The finished experiment with more systems, of which there are no runs."""
    folder = tmp_path_factory.mktemp("looking")
    shutil.copytree(finished.folder / "config", folder / "config")
    experiment = yaml.safe_load((folder / "config/experiments/tiny.yaml").read_text())
    experiment["systems"] |= SYSTEMS
    (folder / "config/experiments/tiny.yaml").write_text(yaml.safe_dump(experiment, sort_keys=False))
    reader = {"kind": "cross_encoder", "pretrained": {"path": "reader"}}
    (folder / "config/models/reader.yaml").write_text(yaml.safe_dump(reader))
    (folder / "reader").mkdir()
    (folder / "tiny").symlink_to(finished.folder / "tiny")
    (folder / "results/train").mkdir(parents=True)
    for stage in ("dataset", "bm25", "encode", "search"):
        (folder / "results" / stage).symlink_to(finished.folder / "results" / stage)
    for model in ("tiny", "tuned"):
        (folder / "results/train" / model).symlink_to(finished.folder / "results/train" / model)
    make_cross_encoder(folder / "results/train/reader/pretrained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Place(open_experiment("tiny"), "tiny")


@pytest.fixture(scope="module")
def looking(place) -> Looking:
    return Looking(place, lambda ids: scan(place.dataset.with_name("corpus.jsonl"), ids))


@pytest.mark.parametrize("system", ["bm25", "before", "after"])
def test_a_search_of_today_gives_the_ranking_of_the_run(place, looking, system):
    run = read_run(place.run(system))
    for id_, text in list(looking.queries.items())[:5]:
        found = looking.search(system, text)
        np.testing.assert_allclose(list(found.values()), list(run[id_].values()), atol=1e-5)
        # Texts that are encoded alone differ in the last bits: neighbours whose scores are as near may change places.
        assert [name for name in found if abs(found[name] - run[id_].get(name, 0)) > 1e-5] == []
        if system == "bm25":
            assert list(found) == list(run[id_])


def test_a_fusion_fuses_what_its_systems_find_now(looking):
    parts = [looking.search(name, "a sorted array") for name in ("bm25", "before")]
    names, scores = fuse_rankings(parts, method="min_max", k=60, weights=[1.0, 3.0], depth=100)
    found = looking.search("fused", "a sorted array")
    assert list(found) == names
    np.testing.assert_allclose(list(found.values()), scores, rtol=1e-6)


def test_a_reranking_orders_the_first_documents_by_the_cross_encoder(place, looking):
    first, found = looking.search("bm25", "a sorted array"), looking.search("reranked", "a sorted array")
    assert list(found)[5:] == list(first)[5:]
    model = load_cross_encoder(place.graph.model("reader", "pretrained").parent / "model")
    texts = scan(place.dataset.with_name("corpus.jsonl"), list(first)[:5])
    contract = read_pair_contract(model)
    scores = {
        name: score_pairs(model, [("a sorted array", passage_text(text, contract))]) for name, text in texts.items()
    }
    assert list(found)[:5] == sorted(scores, key=lambda name: -scores[name])


def test_cut_vectors_are_cut_and_an_index_is_gone_round_and_said_so(place, looking):
    whole, cut = looking.search("before", "a sorted array"), looking.search("cut", "a sorted array")
    assert whole != cut
    assert looking.search("indexed", "a sorted array") == whole
    shown = Looking(Place(place.graph, "tiny", systems=["before", "indexed"]), looking._texts)
    view = shown.look(shown.query("a sorted array", None), 2)
    assert [column.note for column in view.columns] == [SEARCHED, f"{SEARCHED}, exactly, without its index hnsw"]
    assert view.query.id is None
    assert [hit.relevance for hit in view.columns[0].hits] == ["", ""]
    assert [hit.move.kind for hit in view.columns[1].hits] == ["same", "same"]


def test_before_and_the_trained_system_are_shown_unless_others_are_named(place):
    assert place.systems == ["before", "after"]
