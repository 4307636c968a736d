"""The classic collections: the real ones by their configuration, and each oddity as an option."""

import json
from pathlib import Path

import pytest
from classic_collections import CLASSIC, classic_source, lay_out_classic

from denseflow.collection import read_corpus, read_qrels, read_queries
from denseflow.config.dataset import Dataset
from denseflow.config.load import check
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.workflow.canonical import canonical

DOCUMENTS = ".I 1\n.T\nwings in\nair\n.A\nMiller\n.W\nwings in air\nlift\n.I 2\n.T\ndrag\n.W\ndrag\n.I 3\n.W\n"
QUERIES = ".I 001\n.W\nlift of\n wings\n.A\nby Miller\n.I 004\n.W\ndrag\n.I 007\n.W\nnoise\n"
JUDGEMENTS = "1 1 1\n01 2 3 \n2 02 1\n2 3 -1\n"


def source(folder: Path, documents: str, queries: str, judgements: str, **options) -> dict:
    files = {"documents": documents, "queries": queries, "judgements": judgements}
    for name, text in files.items():
        (folder / name).write_bytes(text.replace("\n", "\r\n").encode("latin-1") + b"\x1a")
    return {"type": "smart", **{name: {"path": str(folder / name)} for name in files}, **options}


def exported(folder: Path, given: dict) -> Path:
    """The collection of a source that is checked as a file of config/datasets is."""
    dataset = check(Dataset, {"source": given}, "here.yaml")
    export(json.loads(canonical(dataset.source)), folder / "out")
    return folder / "out"


def fields(tmp_path, **options) -> Path:
    given = {"queries_by_position": True, "level_column": 3, "levels": {1: 4, 3: 2}, **options}
    return exported(tmp_path, source(tmp_path, DOCUMENTS, QUERIES, JUDGEMENTS, **given))


@pytest.mark.parametrize(
    ("name", "counts"),
    {
        "adi": (82, 35, 170, 0),
        "cacm": (3204, 52, 796, 12),
        "cisi": (1460, 76, 3114, 36),
        "cranfield": (1400, 225, 1612, 0),
        "npl": (11429, 93, 2083, 0),
        "time": (423, 83, 324, 0),
    }.items(),
)
def test_the_classic_collections_have_the_counts_of_their_source_md(shared, tmp_path, name, counts):
    manifest = read_manifest(lay_out_classic(shared, name, tmp_path) / "manifest.json")
    test = manifest["counts"]["splits"]["test"]
    assert (manifest["counts"]["documents"], test["queries"], test["judgements"]) == counts[:3]
    assert manifest["facts"]["unjudged_queries"] == counts[3]
    assert test["queries"] == test["judged_queries"]
    assert not [warning for warning in manifest["warnings"] if "not in the corpus" in warning]


def test_every_classic_collection_beside_the_project_has_its_configuration(shared):
    assert set(CLASSIC) <= {folder.name for folder in (shared / "data").iterdir()}


def test_cranfield_s_title_is_read_once_and_its_codes_are_turned_and_its_queries_counted(shared, tmp_path):
    folder = lay_out_classic(shared, "cranfield", tmp_path)
    first = next(read_corpus(folder / "corpus.jsonl"))
    assert first.title == "experimental investigation of the aerodynamics of a wing in a slipstream ."
    assert first.text.startswith("an experimental study of a wing in a propeller slipstream was made")
    levels = [level for judged in read_qrels(folder / "qrels.test.tsv").values() for level in judged.values()]
    assert {level: levels.count(level) for level in (4, 3, 2, 1)} == {4: 128, 3: 387, 2: 734, 1: 363}
    assert read_manifest(folder / "manifest.json")["facts"]["codes_left_out"] == {"-1": 225}
    queries = read_queries(folder / "queries.test.jsonl")
    assert list(queries) == [str(number) for number in range(1, 226)]
    assert queries["3"] == "what problems of heat conduction in composite slabs have been solved so far ."


def test_a_field_that_comes_twice_in_a_record_is_joined_unless_it_repeats_itself(shared, tmp_path):
    texts = {one.id: one for one in read_corpus(lay_out_classic(shared, "cranfield", tmp_path / "c") / "corpus.jsonl")}
    assert texts["578"].title == "dissociation scaling for nonequilibrium blunt nose flows ."
    assert "stage-stacking study ." in texts["578"].text
    assert texts["578"].text.endswith("an analysis of the part-speed operating problems of high-pressure-ratio air .")
    texts = {one.id: one for one in read_corpus(lay_out_classic(shared, "adi", tmp_path / "a") / "corpus.jsonl")}
    assert texts["67"].title == "a national plan for science abstracting and indexing services ."


def test_time_s_articles_are_numbered_as_its_judgements_count_them(shared, tmp_path):
    folder = lay_out_classic(shared, "time", tmp_path)
    ids = [document.id for document in read_corpus(folder / "corpus.jsonl")]
    assert ids == [str(number) for number in range(1, 426) if number not in (371, 372)]
    assert all(document in ids for judged in read_qrels(folder / "qrels.test.tsv").values() for document in judged)
    texts = {document.id: document.text for document in read_corpus(folder / "corpus.jsonl")}
    assert "BUDDHIST" in texts["268"]
    assert not texts["425"].endswith("*STOP")


def test_fields_are_told_apart_and_numbers_lose_their_zeros(tmp_path):
    out = fields(tmp_path)
    assert list(read_corpus(out / "corpus.jsonl")) == [
        ("1", "wings in air", "wings in air lift"),
        ("2", "drag", "drag"),
        ("3", "", ""),
    ]
    assert read_queries(out / "queries.test.jsonl") == {"1": "lift of wings", "2": "drag"}
    assert read_qrels(out / "qrels.test.tsv") == {"1": {"1": 4, "2": 2}, "2": {"2": 4}}
    facts = read_manifest(out / "manifest.json")["facts"]
    assert facts == {"unjudged_queries": 1, "codes_left_out": {"-1": 1}}


@pytest.mark.parametrize(
    ("options", "document", "query"),
    [
        ({"title": None}, ("1", "", "wings in air lift"), "lift of wings"),
        ({"title_in_text": True}, ("1", "wings in air", "lift"), "lift of wings"),
        ({"text": ["A", "W"]}, ("1", "wings in air", "Miller wings in air lift"), "lift of wings"),
        ({"query_text": ["W", "A"]}, ("1", "wings in air", "wings in air lift"), "lift of wings by Miller"),
    ],
)
def test_each_option_changes_what_is_read(tmp_path, options, document, query):
    out = fields(tmp_path, **options)
    assert next(read_corpus(out / "corpus.jsonl")) == document
    assert read_queries(out / "queries.test.jsonl")["1"] == query


def test_levels_are_the_codes_or_1(tmp_path):
    assert read_qrels(fields(tmp_path, levels=None) / "qrels.test.tsv") == {
        "1": {"1": 1, "2": 3},
        "2": {"2": 1, "3": -1},
    }
    out = fields(tmp_path, levels=None, level_column=None)
    assert read_qrels(out / "qrels.test.tsv") == {"1": {"1": 1, "2": 1}, "2": {"2": 1, "3": 1}}


def test_of_a_pair_that_is_judged_twice_the_highest_level_is_kept(tmp_path):
    out = exported(tmp_path, source(tmp_path, DOCUMENTS, QUERIES, "1 1 2\n1 01 3\n1 1 1\n", level_column=3))
    assert read_qrels(out / "qrels.test.tsv") == {"1": {"1": 3}}
    assert read_manifest(out / "manifest.json")["facts"]["repeated_judgements"] == 2


def test_slashes_and_stars_are_read_as_npl_and_time_have_them(tmp_path):
    texts = ("1\nwings  in air\n   /\n2\ndrag\n /\n", "1\nLIFT\n/\n2\nDRAG\n/\n", "1\n 1 2\n/\n2\n    2\n /\n")
    out = exported(tmp_path, source(tmp_path, *texts, form="slashes"))
    assert list(read_corpus(out / "corpus.jsonl")) == [
        ("1", "", "wings in air"),
        ("2", "", "drag"),
    ]
    assert read_qrels(out / "qrels.test.tsv") == {"1": {"1": 1, "2": 1}, "2": {"2": 1}}
    texts = (
        "*TEXT 017 01/04/63 PAGE 020\n\nwings\n\n*TEXT 020 01/04/63 PAGE 021\n\ndrag\n\n*STOP\n",
        "*FIND      1\n\n LIFT\n\nOF WINGS\n\n*FIND 2\n\nDRAG\n*STOP\n",
        "1  1 3\n\n2  3\n",
    )
    out = exported(tmp_path, source(tmp_path, *texts, form="stars", missing_positions=[2]))
    assert list(read_corpus(out / "corpus.jsonl")) == [
        ("1", "", "wings"),
        ("3", "", "drag"),
    ]
    assert read_queries(out / "queries.test.jsonl") == {"1": "LIFT OF WINGS", "2": "DRAG"}
    assert read_qrels(out / "qrels.test.tsv") == {"1": {"1": 1, "3": 1}, "2": {"3": 1}}


def test_judged_queries_are_drawn_into_splits_by_the_seed(shared, tmp_path):
    drawn = {}
    for seed in (0, 1):
        given = {**classic_source(shared, "cisi"), "splits": {"train": 0.7, "test": 0.3}, "seed": seed}
        out = exported(tmp_path / str(seed), given)
        drawn[seed] = {split: list(read_queries(out / f"queries.{split}.jsonl")) for split in ("train", "test")}
        assert [len(drawn[seed]["train"]), len(drawn[seed]["test"])] == [53, 23]
        assert len({*drawn[seed]["train"], *drawn[seed]["test"]}) == 76
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ((DOCUMENTS, QUERIES, "1 1 1\n"), {"form": "slashes"}, "documents: a record has the number '.I', expected"),
        (("\xef\xbb\xbf" + DOCUMENTS, QUERIES, "1 1\n"), {}, "documents: .*stands before the first '.I NUMBER'"),
        ((".I 1\n.T lost\n.W\nx\n", QUERIES, "1 1\n"), {}, "documents: '.T lost' stands before the first field of"),
        (("lost\n*TEXT 1\nx\n", "*FIND 1\nx\n", "1 1\n"), {"form": "stars"}, "'lost' stands before the first"),
        ((DOCUMENTS, QUERIES, "1 1\n"), {"text": ["W", "B"]}, "documents: no record has a field 'B', which `text`"),
        ((DOCUMENTS, QUERIES, "1 1\n"), {"query_text": ["T"]}, "queries: no record has a field 'T'.*there are A, W"),
        (("nothing", QUERIES, JUDGEMENTS), {}, "documents: expected records that begin with '.I NUMBER', found none"),
        ((DOCUMENTS, QUERIES, "1 9 1\n"), {}, "judgements, line 1: document '9' is not in the collection"),
        ((DOCUMENTS, QUERIES, "1 1\n2 1\n"), {}, "line 2: query '2' is not in the collection.*queries_by_position"),
        ((DOCUMENTS, QUERIES, "1 one\n"), {}, "line 1: 'one', expected a whole number"),
        ((DOCUMENTS, QUERIES, "1 1\n"), {"level_column": 3}, "line 1: 2 columns.*column 3"),
        ((DOCUMENTS, QUERIES.replace("004", "1"), "1 1\n"), {}, "queries: query '1' comes twice"),
        ((DOCUMENTS, QUERIES, "1 1\n"), {"encoding": "latin-99"}, "not in the encoding 'latin-99'"),
        (
            (DOCUMENTS, QUERIES, "1 1\n"),
            {"splits": {"a": 0.9, "b": 0.1}},
            "'splits.b': 0.1 of 1 judged queries is none",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, texts, options, message):
    with pytest.raises(DenseflowError, match=message):
        exported(tmp_path, source(tmp_path, *texts, **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "stars", "title_in_text": True}, "`title_in_text` goes with `form: fields`"),
        ({"missing_positions": [3]}, "`missing_positions` goes with `form: stars`"),
        ({"levels": {1: 1}}, "`levels` needs `level_column`"),
        ({"title": None, "title_in_text": True}, "`title_in_text` needs `title`"),
        ({"splits": {"train": 0.5, "test": 0.4}}, "shares must be above 0 and sum to 1"),
        ({"text": ["Text"]}, "source.text"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, options, message):
    with pytest.raises(DenseflowError, match=message):
        exported(tmp_path, source(tmp_path, DOCUMENTS, QUERIES, JUDGEMENTS, **options))
