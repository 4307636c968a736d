"""Questions in SQuAD's JSON: real files, cuts by article, and everything that can be wrong with a file."""

import json
import zipfile
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from denseflow.collection import read_answers, read_corpus, read_qrels, read_queries
from denseflow.config.dataset import Dataset
from denseflow.config.sources.squad import SquadSource
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError

PROJECT = Path(__file__).resolve().parents[2]
COUNTS = {
    "korquad": (961, {"train": 90, "dev": 10, "test": 40}, 5774),
    "drcd-cmrc": (3104, {"train": 579, "dev": 60, "cmrc": 848, "drcd": 378}, 11238),
    "jaquad": (11144, {"train": 641, "dev": 50, "test": 101}, 35687),
    "jsquad": (1145, {"test": 59}, 4442),
}


def article(title, *paragraphs):
    rows = [
        {
            "context": text,
            "qas": [
                {"id": f"{title}-{text[:2]}-{n}", "question": q, "answers": a} for n, (q, a) in enumerate(questions)
            ],
        }
        for text, questions in paragraphs
    ]
    return {"title": title, "paragraphs": rows}


def answers(*texts):
    return [{"text": text, "answer_start": 0} for text in texts]


SEOUL = article("Seoul", ("It has two airports.", [("How many airports?", answers("two", "two", "two airports"))]))
ARTICLES = [
    article("Rice", ("Rice grows in water.", [("Where does rice grow?", answers("in water"))])),
    SEOUL,
    article("Tea", ("Tea is a drink.", [("What is tea?", answers("a drink"))]), ("It has two airports.", [])),
    article("Salt", ("Salt dissolves in water.", [("Does it burn?", []), ("What dissolves?", answers("Salt"))])),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps({"version": "1.1", "data": ARTICLES}))
    return path


def source(file, splits=None, **options):
    splits = splits or {"test": [{"file": "q"}]}
    return {"type": "squad", "files": {"q": {"path": str(file)}}, "splits": splits, **options}


def fails(file, tmp_path, value, match):
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    with pytest.raises(DenseflowError, match=match):
        export(source(file), tmp_path / "out")


@pytest.mark.parametrize("name", COUNTS)
def test_the_real_files_give_the_counts_that_their_source_says(name, shared, monkeypatch, tmp_path):
    monkeypatch.chdir(PROJECT)
    dataset = Dataset.model_validate(yaml.safe_load((PROJECT / f"config/datasets/{name}.yaml").read_text()))
    manifest = export(dataset.source.model_dump(exclude_none=True), tmp_path / "out")
    documents, articles, questions = COUNTS[name]
    splits = manifest["counts"]["splits"]
    assert manifest["counts"]["documents"] == documents == dataset.documents
    assert manifest["facts"]["articles"] == articles
    assert sum(counts["queries"] for counts in splits.values()) == questions
    assert all(counts["queries_with_answers"] == counts["queries"] for counts in splits.values())
    shared_titles = [warning for warning in manifest["warnings"] if "by their titles" in warning]
    shared_articles = manifest["facts"]["shared_articles"]
    assert len(shared_titles) == len(shared_articles) == 2 * (name == "drcd-cmrc")
    if shared_articles:
        assert [(pair["split"], pair["earlier"]) for pair in shared_articles] == [("drcd", "train"), ("drcd", "dev")]
        assert sum(pair["articles"] for pair in shared_articles) == 255
    titles = [document.title for document in read_corpus(tmp_path / "out" / "corpus.jsonl")]
    assert titles.count("") == 2 * (name == "drcd-cmrc")


def test_a_title_before_the_text_becomes_the_title(shared, tmp_path):
    file = shared / "data/jglue/jsquad-valid-v1.3.json.gz"
    export(source(file, title_separator=" [SEP] "), tmp_path / "with")
    export(source(file, title_separator=" [SEP] ", titles=False), tmp_path / "without")
    with_titles = list(read_corpus(tmp_path / "with" / "corpus.jsonl"))
    assert (with_titles[0].id, with_titles[0].title) == ("q-1-1", "梅雨")
    assert with_titles[0].text.startswith("梅雨\uff08つゆ、ばいう")
    without = list(read_corpus(tmp_path / "without" / "corpus.jsonl"))
    assert [document._replace(title="") for document in with_titles] == without


def test_a_title_before_the_text_stands_above_its_article_s_and_must_be_there(tmp_path):
    rows = [("Tea [SEP] Tea is a drink.", []), ("Green tea [SEP] It is green.", [("What?", answers("green"))])]
    (tmp_path / "q.json").write_text(json.dumps({"data": [article("Drinks", *rows)]}))
    export(source(tmp_path / "q.json", title_separator=" [SEP] "), tmp_path / "out")
    assert [document[1:] for document in read_corpus(tmp_path / "out" / "corpus.jsonl")] == [
        ("Tea", "Tea is a drink."),
        ("Green tea", "It is green."),
    ]
    with pytest.raises(DenseflowError, match=r"paragraphs\[0\]: no ' : ' in 'Tea.*leave `title_separator` out"):
        export(source(tmp_path / "q.json", title_separator=" : "), tmp_path / "out")


def test_equal_passages_are_one_document_and_unanswered_questions_are_left_out(file, tmp_path):
    manifest = export(source(file), tmp_path / "out")
    out = tmp_path / "out"
    assert [document.id for document in read_corpus(out / "corpus.jsonl")] == ["q-1-1", "q-2-1", "q-3-1", "q-4-1"]
    assert list(read_queries(out / "queries.test.jsonl")) == ["Rice-Ri-0", "Seoul-It-0", "Tea-Te-0", "Salt-Sa-1"]
    assert read_qrels(out / "qrels.test.tsv")["Seoul-It-0"] == {"q-2-1": 1}
    assert read_answers(out / "queries.test.jsonl")["Seoul-It-0"] == ["two", "two airports"]
    assert manifest["facts"]["left_out"] == {"paragraphs with the text of another": 1, "questions without an answer": 1}


@pytest.mark.parametrize("article", [{}, {"title": None}, {"title": ""}])
def test_an_article_needs_no_title(tmp_path, article):
    paragraph = {"context": "Rice.", "qas": [{"question": "What?", "answers": [{"text": "Rice"}]}]}
    (tmp_path / "q.json").write_text(json.dumps({"data": [article | {"paragraphs": [paragraph]}]}))
    export(source(tmp_path / "q.json"), tmp_path / "out")
    assert list(read_corpus(tmp_path / "out" / "corpus.jsonl")) == [("q-1-1", "", "Rice.")]


def test_impossible_questions_are_left_out(file, tmp_path):
    data = json.loads(json.dumps(ARTICLES))
    data[0]["paragraphs"][0]["qas"][0] |= {"is_impossible": True}
    file.write_text(json.dumps({"data": data}))
    manifest = export(source(file), tmp_path / "out")
    assert manifest["counts"]["splits"]["test"]["queries"] == 3
    assert manifest["facts"]["left_out"]["impossible questions"] == 1


def test_a_cut_is_by_article_and_depends_on_the_seed_alone(file, tmp_path):
    splits = {"train": [{"file": "q"}], "test": [{"file": "q", "articles": 1}], "dev": [{"file": "q", "articles": 1}]}
    drawn = set()
    for seed in range(6):
        export(source(file, splits, seed=seed), tmp_path / "out")
        found = {name: set(read_queries(tmp_path / "out" / f"queries.{name}.jsonl")) for name in splits}
        assert [len(found[name]) for name in ("dev", "test", "train")] == [1, 1, 2]
        assert len(set.union(*found.values())) == 4
        assert len(list(read_corpus(tmp_path / "out" / "corpus.jsonl"))) == 4
        before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("q*")}
        export(source(file, dict(reversed(splits.items())), seed=seed), tmp_path / "out")
        assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").glob("q*")}
        drawn.add(next(iter(found["test"])))
    assert len(drawn) > 1
    with pytest.raises(DenseflowError, match=r"splits\.test': 5 articles of 'q' are wanted, but 4 of its 4 are left"):
        export(source(file, {"test": [{"file": "q", "articles": 5}]}), tmp_path / "out")


def test_articles_of_another_split_can_be_left_out(file, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"data": [SEOUL]}))
    options = source(file, {"train": [{"file": "q"}], "test": [{"file": "other"}]})
    options["files"]["other"] = {"path": str(other)}
    assert (
        "1 of 1 articles of test are in train too, by their titles ('Seoul'); `not_in: [test]`"
        in (export(options, tmp_path)["warnings"][0])
    )
    options["splits"]["train"][0]["not_in"] = ["test"]
    assert export(options, tmp_path)["warnings"] == []
    assert list(read_queries(tmp_path / "queries.train.jsonl")) == ["Rice-Ri-0", "Tea-Te-0", "Salt-Sa-1"]


def test_too_many_questions_are_drawn_with_the_seed(file, tmp_path):
    drawn = set()
    for seed in range(6):
        export(source(file, max_questions={"test": 2}, seed=seed), tmp_path / "out")
        drawn.add(tuple(read_queries(tmp_path / "out" / "queries.test.jsonl")))
    assert len(drawn) > 1
    assert {len(ids) for ids in drawn} == {2}
    order = ["Rice-Ri-0", "Seoul-It-0", "Tea-Te-0", "Salt-Sa-1"]
    assert all(list(ids) == sorted(ids, key=order.index) for ids in drawn)


def test_an_archive_stands_for_its_files_in_the_order_of_their_names(file, tmp_path):
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for place in (3, 1, 0, 2):
            packed.writestr(f"{place}.json", json.dumps({"data": ARTICLES[place : place + 1]}))
        packed.writestr("__MACOSX/._0.json", "no JSON")
        packed.writestr("readme.txt", "no JSON")
    export(source(file), tmp_path / "one")
    export(source(archive), tmp_path / "other")
    for name in ("corpus.jsonl", "queries.test.jsonl", "qrels.test.tsv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("readme.txt", "no JSON")
    with pytest.raises(DenseflowError, match=r"all\.zip: no \.json file in the archive"):
        export(source(archive), tmp_path / "other")


def test_a_broken_file_is_refused_with_the_place(file, tmp_path):
    broken = json.loads(json.dumps({"data": ARTICLES}))
    fails(file, tmp_path, '{"data": [', r"questions\.json, line 1: not JSON")
    fails(file, tmp_path, [], r"questions\.json: key 'data': no such key, expected a list")
    fails(file, tmp_path, {"data": ["x"]}, r"data\[0\]: 'x', expected an object")
    del broken["data"][1]["paragraphs"][0]["qas"][0]["question"]
    fails(file, tmp_path, broken, r"data\[1\]\.paragraphs\[0\]\.qas\[0\]: key 'question': no such key, expected a text")
    broken["data"][1]["paragraphs"][0]["context"] = 3
    fails(file, tmp_path, broken, r"data\[1\]\.paragraphs\[0\]: key 'context': 3, expected a text")
    file.write_bytes('{"data": "é"}'.encode("latin-1"))
    with pytest.raises(DenseflowError, match="is not UTF-8"):
        export(source(file), tmp_path / "out")
    fails(file, tmp_path, {"data": [*ARTICLES, SEOUL]}, "split test: two questions have the id 'Seoul-It-0'")
    file.write_text(json.dumps({"data": ARTICLES}))
    with pytest.raises(DenseflowError, match=r"no ' \[SEP\] ' in 'Rice grows in water.'; leave `title_separator` out"):
        export(source(file, title_separator=" [SEP] "), tmp_path / "out")


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"splits": {"test": []}}, "`splits.test` is empty"),
        ({"splits": {"test": [{"file": "r"}]}}, r"'r' is none of `files` \['q'\]"),
        ({"splits": {"test": [{"file": "q"}, {"file": "q", "articles": 1}]}}, "names 'q' twice"),
        ({"splits": {"a": [{"file": "q"}], "b": [{"file": "q"}]}}, "2 of `splits` would take all that is left of 'q'"),
        ({"splits": {"a": [{"file": "q", "not_in": ["a"]}]}}, "`not_in` names 'a', expected another"),
        ({"max_questions": {"dev": 3}}, "`max_questions.dev` is 3, expected one of `splits`"),
        ({"files": {"q": {}}}, "give `path`, `url`, or both"),
    ],
)
def test_impossible_sources_are_refused(changed, match):
    with pytest.raises(ValidationError, match=match):
        TypeAdapter(SquadSource).validate_python(source("q.json") | changed)
