import json
import random
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from denseflow.errors import DenseflowError
from denseflow.files import write_jsonl, write_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.negatives import mine as mine_module
from denseflow.negatives.audit import quantiles
from denseflow.negatives.draw import random_order
from denseflow.negatives.mine import mine
from denseflow.negatives.passages import Passages
from denseflow.negatives.training_file import read_training_file
from denseflow.run_file import write_run

DOCUMENTS = [(f"d{i}", f"Title {i}", f"text {i}") for i in range(60)]
QUERIES = [("q1", "first"), ("q2", "second"), ("q3", "third")]
QRELS = {"q1": {"d0": 1, "d1": 2, "d2": 0}, "q2": {"d5": 1}, "q3": {"d0": 1}}
RANDOM = {"type": "random", "count": 5}
BM25 = {"type": "bm25", "count": 4, "first_rank": 1, "last_rank": 20, "k1": 0.9, "b": 0.4}


def make_dataset(folder, *, documents=DOCUMENTS, queries=QUERIES, qrels=QRELS, answers=None):
    rows = ({"_id": id_, "title": title, "text": text} for id_, title, text in documents)
    write_jsonl(folder / "corpus.jsonl", rows)
    found = answers or {}
    rows = ({"_id": id_, "text": text, "answers": found.get(id_, [])} for id_, text in queries)
    write_jsonl(folder / "queries.train.jsonl", rows)
    lines = [f"{query}\t{id_}\t{level}" for query, judged in qrels.items() for id_, level in judged.items()]
    write_text(folder / "qrels.train.tsv", "\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")
    write_manifest(folder, "dataset", ["corpus.jsonl", "queries.train.jsonl", "qrels.train.tsv"])
    return folder / "manifest.json"


def make_run(path, rankings, depth=100):
    write_run(path, ((query, ids, list(range(len(ids), 0, -1))) for query, ids in rankings.items()), "bm25")
    write_manifest(path.parent, "bm25", [path.name], name=f"{path.stem}.manifest.json", options={"depth": depth})
    return path


@pytest.fixture
def work(tmp_path):
    """Mine in a temporary folder: returns the negatives' ids by query id and the audit."""

    def run(*sources, rankings=None, name="out", dataset=None, depth=100, **changes):
        manifest = make_dataset(tmp_path / "dataset", **(dataset or {}))
        options = {"sources": list(sources), "seed": 0, "max_queries": None, "min_level": 1, "max_positives": None}
        runs = {}
        if rankings is not None:
            path = make_run(tmp_path / "train.top100.trec", rankings, depth)
            runs = {str(i): path for i, source in enumerate(sources) if source["type"] != "random"}
        folder = tmp_path / name
        mine(manifest, "train", options | changes, runs, folder)
        rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
        found = {row["query_id"]: [passage["docid"] for passage in row["negative_passages"]] for row in rows}
        return found, json.loads((folder / "audit.json").read_text())

    run.folder = tmp_path
    return run


ALL = {query: [id_ for id_, _, _ in DOCUMENTS] for query, _ in QUERIES}


def test_a_known_relevant_passage_is_never_a_negative(work):
    found, audit = work(RANDOM | {"count": 60}, BM25 | {"count": 60, "last_rank": 60}, rankings=ALL)
    for query_id, judged in QRELS.items():
        known = {id_ for id_, level in judged.items() if level >= 1}
        assert set(found[query_id]) == {id_ for id_, _, _ in DOCUMENTS} - known
    assert [source["dropped"]["known relevant"] for source in audit["sources"]] == [4, 4]


def test_documents_judged_not_relevant_may_be_negatives(work):
    found, _ = work(BM25, rankings={"q1": ["d2", "d0", "d1"]})
    assert found["q1"] == ["d2"]


def test_a_passage_that_contains_an_answer_is_no_negative_where_that_is_asked_for(work):
    bm25 = BM25 | {"count": 20}
    answers = {"q1": ["Text 7", "text 9"], "q2": []}
    found, _ = work(bm25, rankings=ALL, dataset={"answers": answers})
    kept, audit = work(bm25 | {"without_answer": "dpr"}, rankings=ALL, dataset={"answers": answers})
    assert set(found["q1"]) - set(kept["q1"]) == {"d7", "d9"}
    assert found["q2"] == kept["q2"]
    assert audit["sources"][0]["dropped"]["contains an answer"] == 2
    with pytest.raises(DenseflowError, match="no query has answers, which `without_answer`"):
        work(bm25 | {"without_answer": "dpr"}, rankings=ALL)


def test_no_passage_comes_twice_for_a_query_whatever_the_sources(work):
    found, audit = work(BM25 | {"count": 15}, RANDOM | {"count": 30}, BM25 | {"count": 15}, rankings=ALL)
    assert all(len(ids) == len(set(ids)) for ids in found.values())
    assert audit["sources"][2]["dropped"]["chosen by an earlier source"] > 0


def test_the_same_seed_gives_the_same_file_in_another_process_and_another_seed_another_one(work):
    work(BM25, RANDOM, rankings=ALL)
    work(BM25, RANDOM, rankings=ALL, name="other_seed", seed=1)
    options = {"sources": [BM25, RANDOM], "seed": 0, "max_queries": None, "min_level": 1, "max_positives": None}
    program = f"""
from pathlib import Path
from denseflow.negatives.mine import mine
from denseflow.negatives.passages import Passages
folder = Path({str(work.folder)!r})
mine(folder / "dataset/manifest.json", "train", {options!r}, {{"0": folder / "train.top100.trec"}}, folder / "again")
"""
    source = Path(mine_module.__file__).resolve().parents[2]
    environment = {"PYTHONPATH": str(source), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    for file in ("train.jsonl", "audit.json", "manifest.json"):
        first, again, other = ((work.folder / name / file).read_bytes() for name in ("out", "again", "other_seed"))
        assert first == again
        assert first != other


def test_a_querys_negatives_do_not_depend_on_other_queries_or_on_the_order_of_the_file(work):
    both = work(BM25, RANDOM, rankings=ALL)[0]
    turned = work(BM25, RANDOM, rankings=ALL, dataset={"queries": QUERIES[::-1]})[0]
    alone = work(
        BM25, RANDOM, rankings={"q2": ALL["q2"]}, dataset={"queries": QUERIES[1:2], "qrels": {"q2": QRELS["q2"]}}
    )[0]
    assert both == turned
    assert alone["q2"] == both["q2"]


def test_more_negatives_are_the_same_ones_and_more(work):
    few, many = (work(BM25 | {"count": count}, rankings=ALL)[0] for count in (3, 9))
    assert all(many[query_id][:3] == few[query_id] for query_id in few)


def test_two_queries_with_the_same_candidates_draw_differently(work):
    qrels = {"q1": {"d0": 1}, "q2": {"d0": 1}}
    for source in (RANDOM, BM25):
        found, _ = work(source, rankings=ALL, dataset={"qrels": qrels})
        assert found["q1"] != found["q2"]


def test_two_random_sources_draw_independently(work):
    two, _ = work(RANDOM, RANDOM)
    one, _ = work(RANDOM | {"count": 10})
    assert two["q1"][:5] == one["q1"][:5]
    assert two["q1"][5:] != one["q1"][5:]


@pytest.mark.parametrize(("first", "last"), [(1, 10), (11, 20), (41, 60)])
def test_only_the_asked_ranks_are_drawn_and_relevant_documents_count_as_ranks(work, first, last):
    found, audit = work(BM25 | {"count": 60, "first_rank": first, "last_rank": last}, rankings=ALL)
    allowed = {f"d{rank - 1}" for rank in range(first, last + 1)}
    assert set(found["q1"]) == allowed - {"d0", "d1"}
    assert audit["sources"][0]["ranks"]["max"] == last
    assert sum(audit["sources"][0]["histogram"].values()) == audit["sources"][0]["found"]
    assert min(int(bin_.split("-")[0]) for bin_ in audit["sources"][0]["histogram"]) == first


def test_each_rank_is_drawn_equally_often():
    counts = Counter(place for seed in range(3000) for place in islice(random_order(10, random.Random(seed)), 3))
    assert set(counts) == set(range(10))
    assert all(800 < count < 1000 for count in counts.values())
    assert sorted(random_order(10, random.Random(0))) == list(range(10))


def test_a_passage_with_the_text_of_a_relevant_one_is_dropped_and_counted(work):
    documents = [*DOCUMENTS, ("copy", "Another title", "  TEXT   0 "), ("no_copy", "Title 0", "text zero")]
    documents += [("only_title", "text 1", " ")]
    rankings = {"q1": ["copy", "no_copy", "only_title", "d3"]}
    found, audit = work(BM25, rankings=rankings, dataset={"documents": documents})
    assert sorted(found["q1"]) == ["d3", "no_copy"]
    assert audit["sources"][0]["dropped"] == {"same text as a relevant passage": 2}


def test_an_empty_passage_is_neither_negative_nor_positive(work):
    documents = [*DOCUMENTS, ("blank", "", " \n")]
    qrels = {"q1": {"d0": 1}, "q2": {"blank": 1, "d1": 1}, "q3": {"blank": 1}}
    rankings = {"q1": ["blank", "d9"]}
    found, audit = work(BM25, rankings=rankings, dataset={"documents": documents, "qrels": qrels})
    assert found == {"q1": ["d9"], "q2": []}
    assert audit["sources"][0]["dropped"] == {"empty passage": 1}
    assert audit["positives"]["dropped"] == {"empty passage": 2}
    assert audit["queries"]["skipped"] == {"no positive": 1}


def test_the_audit_says_how_many_were_found_for_how_many_queries(work):
    rankings = {"q1": [f"d{i}" for i in range(10)], "q2": ["d5", "d6"]}
    found, audit = work(BM25, rankings=rankings)
    assert [len(found[query_id]) for query_id in ("q1", "q2", "q3")] == [4, 1, 0]
    source = audit["sources"][0]
    assert source["asked"] == 12
    assert source["found"] == 5
    assert source["queries_with_enough"] == 1
    assert source["queries_with_fewer"] == 2
    assert source["queries_with_none"] == 1
    assert source["queries_without_ranking"] == 1
    assert source["examples_with_fewer"] == ["q2", "q3"]
    manifest = read_manifest(work.folder / "out" / "manifest.json")
    assert manifest["counts"] == {"queries": 3, "positives": 4, "negatives": 5}
    expected = "bm25: 2 of 3 queries have fewer than the 4 negatives asked for, 1 have none"
    assert manifest["warnings"] == [expected]


def test_random_negatives_end_where_the_collection_does(work):
    found, audit = work(RANDOM | {"count": 100})
    assert len(found["q2"]) == 59
    assert audit["sources"][0]["queries_with_fewer"] == 3


def test_random_negatives_look_at_few_documents_of_a_large_collection(work, monkeypatch):
    looked_at = []
    plain = Passages.text_key
    monkeypatch.setattr(Passages, "text_key", lambda self, id_: looked_at.append(id_) or plain(self, id_))
    documents = [(f"d{i}", "", f"text {i}") for i in range(5000)]
    work(RANDOM, dataset={"documents": documents})
    assert len(looked_at) < 60


def test_min_level_chooses_the_positives_and_the_other_relevant_documents_are_named_for_masking(work):
    found, audit = work(BM25 | {"count": 60}, rankings=ALL, min_level=2)
    rows = [json.loads(line) for line in (work.folder / "out" / "train.jsonl").read_text().splitlines()]
    assert [row["query_id"] for row in rows] == ["q1"]
    assert [passage["docid"] for passage in rows[0]["positive_passages"]] == ["d1"]
    assert rows[0]["relevant_docids"] == ["d0"]
    assert "d0" not in found["q1"]
    assert audit["positives"]["other_known_relevant"] == 1
    assert audit["queries"]["skipped"] == {"no positive": 2}


def test_positives_come_by_falling_level_and_no_key_is_added_where_all_relevant_ones_are_positives(work):
    work(RANDOM)
    rows = [json.loads(line) for line in (work.folder / "out" / "train.jsonl").read_text().splitlines()]
    assert [passage["docid"] for passage in rows[0]["positive_passages"]] == ["d1", "d0"]
    assert rows[0]["positive_passages"][0] == {"docid": "d1", "title": "Title 1", "text": "text 1"}
    assert all(list(row) == ["query_id", "query", "positive_passages", "negative_passages"] for row in rows)


def test_max_positives_draws_some_and_the_rest_is_masked(work):
    qrels = {"q1": {f"d{i}": 1 for i in range(30)}}
    drawn = []
    for seed in (0, 1):
        work(RANDOM, dataset={"qrels": qrels}, max_positives=5, seed=seed)
        example = read_training_file(work.folder / "out" / "train.jsonl").examples[0]
        row = json.loads((work.folder / "out" / "train.jsonl").read_text())
        drawn.append([passage["docid"] for passage in row["positive_passages"]])
        assert len(example.positives) == 5
        assert set(row["relevant_docids"]) | set(drawn[-1]) == set(qrels["q1"])
    assert drawn[0] != drawn[1]


def test_max_queries_takes_the_first_ones_that_have_a_positive(work):
    qrels = {"q1": {"d0": 0}, "q2": {"d5": 1}, "q3": {"d0": 1}}
    found, audit = work(RANDOM, dataset={"qrels": qrels}, max_queries=1)
    assert list(found) == ["q2"]
    assert audit["queries"] == {"in_split": 3, "written": 1, "skipped": {"behind max_queries": 1, "no positive": 1}}


def test_a_query_without_text_and_positives_that_the_collection_lacks_are_left_out_and_counted(work):
    queries = [("q1", "first"), ("q2", " "), ("q3", "third")]
    qrels = {"q1": {"d0": 1, "gone": 1}, "q2": {"d5": 1}, "q3": {"gone": 1}}
    found, audit = work(RANDOM, dataset={"queries": queries, "qrels": qrels})
    assert list(found) == ["q1"]
    assert audit["queries"]["skipped"] == {"empty text": 1, "no positive": 1}
    assert audit["positives"]["dropped"] == {"not in the collection": 2}


def test_a_judgement_of_an_unknown_query_is_an_error(work):
    with pytest.raises(DenseflowError, match=r"qrels\.train\.tsv: query 'q9' is not in queries\.train\.jsonl"):
        work(RANDOM, dataset={"qrels": {"q9": {"d0": 1}}})


def test_a_ranked_document_that_the_collection_lacks_is_an_error(work):
    with pytest.raises(DenseflowError, match="query 'q1' has document 'gone', which the collection does not have"):
        work(BM25, rankings={"q1": ["gone"]})
    assert not (work.folder / "out" / "train.jsonl").exists()


def test_a_run_that_is_less_deep_than_the_last_rank_is_an_error(work):
    with pytest.raises(DenseflowError, match="10 documents a query, but negatives are asked for up to rank 20"):
        work(BM25, rankings=ALL, depth=10)


def test_a_split_without_any_positive_is_an_error_and_leaves_nothing(work):
    with pytest.raises(DenseflowError, match="none of the 3 queries has a positive"):
        work(RANDOM, min_level=3)
    assert list((work.folder / "out").iterdir()) == []


def test_a_changed_run_or_data_set_is_an_error(work):
    work(BM25, rankings=ALL)
    options = {"sources": [BM25], "seed": 0, "max_queries": None, "min_level": 1, "max_positives": None}
    run = work.folder / "train.top100.trec"
    for changed in (run, work.folder / "dataset" / "corpus.jsonl"):
        changed.write_text(changed.read_text() + "\n")
        with pytest.raises(DenseflowError, match=f"{changed.name}: sha256 .* differs from"):
            mine(work.folder / "dataset" / "manifest.json", "train", options, {"0": run}, work.folder / "out")


def test_quantiles_are_values_that_occur():
    assert quantiles([1, 2, 3, 10]) == {"min": 1, "q25": 1, "median": 2, "q75": 3, "max": 10}
    assert quantiles([]) == {}
