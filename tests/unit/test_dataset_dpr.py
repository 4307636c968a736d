"""DPR's JSON: questions with their passages as a collection, and their own negatives for training."""

import gzip
import json
import tracemalloc

import pytest
from pydantic import TypeAdapter, ValidationError

from denseflow.collection import read_answers, read_corpus, read_qrels, read_queries
from denseflow.config.sources.dpr import DprSource
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
from denseflow.files import sha256_text
from denseflow.manifest import read_manifest
from denseflow.negatives.mine import mine
from denseflow.negatives.training_file import read_training_file


def passage(number, text, title="", key="passage_id"):
    return {"title": title, "text": text, "score": 1000, "title_score": 1, key: str(number)}


# The keys as the files have them: those of Natural Questions passage_id, the others psg_id, without `dataset` there.
WATER = {
    "dataset": "nq_train_psgs_w100",
    "question": "what is water made of",
    "answers": ["hydrogen and oxygen", "oxygen", "oxygen"],
    "positive_ctxs": [passage(7, "Water is hydrogen and oxygen.", "Water"), passage(8, "H2O has oxygen.", "Ice")],
    "negative_ctxs": [passage(3, "Sand is silica.", "Sand"), passage(4, "Salt is white.", "Salt")],
    "hard_negative_ctxs": [
        passage(9, "Seas.", "Sea"),
        passage(5, "Rain.", "Sea"),
        passage(7, "Water is hydrogen and oxygen.", "Water"),
    ],
}
SAND = {
    "question": "what is sand",
    "answers": ["silica"],
    "positive_ctxs": [passage(3, "Sand is silica.", "Sand", "psg_id")],
    "negative_ctxs": [],
    "hard_negative_ctxs": [passage(9, "Seas.", "Sea", "psg_id"), passage(5, "Rain.", "Sea", "psg_id")],
}
NOTHING = {"question": "what is nothing", "answers": ["no"], "positive_ctxs": [], "hard_negative_ctxs": []}
CORPUS = ["7", "8", "9", "5", "3", "4"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "biencoder-train.json"
    path.write_text(json.dumps([WATER, NOTHING, SAND], indent=4))
    return path


def source(file, **options):
    return {"type": "dpr", "splits": {"train": {"path": str(file)}}, **options}


def ids(out):
    return [document.id for document in read_corpus(out / "corpus.jsonl")]


def test_the_passages_of_all_questions_are_the_documents_each_once(file, tmp_path):
    manifest = export(source(file), tmp_path / "out")
    out = tmp_path / "out"
    assert ids(out) == CORPUS
    assert next(read_corpus(out / "corpus.jsonl")) == ("7", "Water", "Water is hydrogen and oxygen.")
    assert read_queries(out / "queries.train.jsonl") == {"1": "what is water made of", "3": "what is sand"}
    assert read_answers(out / "queries.train.jsonl") == {"1": ["hydrogen and oxygen", "oxygen"], "3": ["silica"]}
    assert read_qrels(out / "qrels.train.tsv") == {"1": {"7": 1, "8": 1}, "3": {"3": 1}}
    assert manifest["facts"] == {"questions_without_positive": {"train": 1}}
    assert "negatives.train.jsonl" in manifest["files"]


def test_only_questions_with_answers_are_counted_as_such(file, tmp_path):
    file.write_text(json.dumps([WATER, SAND | {"answers": [" "]}]))
    split = export(source(file), tmp_path / "out")["counts"]["splits"]["train"]
    assert (split["queries"], split["queries_with_answers"]) == (2, 1)
    file.write_text(json.dumps([SAND | {"answers": []}]))
    assert "queries_with_answers" not in export(source(file), tmp_path / "out")["counts"]["splits"]["train"]


def test_a_list_a_packed_one_and_an_object_a_line_are_the_same(file, tmp_path):
    lines, packed = tmp_path / "train.jsonl", tmp_path / "train.json.gz"
    lines.write_text("".join(json.dumps(row) + "\n" for row in (WATER, NOTHING, SAND)))
    packed.write_bytes(gzip.compress(file.read_bytes()))
    for number, path in enumerate((file, lines, packed)):
        export(source(path), tmp_path / str(number))
    written = [
        {path.name: path.read_bytes() for path in (tmp_path / str(number)).iterdir() if path.name != "manifest.json"}
        for number in range(3)
    ]
    assert written[0] == written[1] == written[2]


def test_a_file_may_be_larger_than_memory(tmp_path):
    large = tmp_path / "large.jsonl"
    with large.open("w") as lines:
        for number in range(100):
            passages = [passage(2 * number, f"{number}" * 50_000)], [passage(2 * number + 1, "x" * 100_000)]
            row = {"question": f"q{number}", "positive_ctxs": passages[0], "hard_negative_ctxs": passages[1]}
            lines.write(json.dumps(row) + "\n")
    tracemalloc.start()
    export(source(large), tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(ids(tmp_path / "out")) == 200
    assert peak < large.stat().st_size / 4


def test_the_first_positive_alone_titles_left_out_and_ids_by_text(file, tmp_path):
    out = tmp_path / "out"
    export(source(file, positives="first"), out)
    assert read_qrels(out / "qrels.train.tsv")["1"] == {"7": 1}
    export(source(file, titles=False), out)
    assert {document.title for document in read_corpus(out / "corpus.jsonl")} == {""}
    export(source(file, ids="text"), out)
    assert ids(out)[0] == sha256_text("Water\nWater is hydrogen and oxygen.")[:16]
    assert len(ids(out)) == len(CORPUS)
    export(source(file, max_questions={"train": 1}), out)
    assert len(read_queries(out / "queries.train.jsonl")) == 1
    assert ids(out) == CORPUS


def test_the_documents_may_come_from_a_table_of_passages(file, tmp_path):
    table = tmp_path / "psgs_w100.tsv.gz"
    rows = ["id\ttext\ttitle", '7\t"Water is ""hydrogen"" and oxygen."\tWater', "1\tElse.\tOther", "8\tH2O.\tIce"]
    table.write_bytes(gzip.compress("\r\n".join(rows).encode()))
    manifest = export(source(file, passages={"path": str(table)}), tmp_path / "out")
    assert ids(tmp_path / "out") == ["7", "1", "8"]
    assert next(read_corpus(tmp_path / "out" / "corpus.jsonl")).text == 'Water is "hydrogen" and oxygen.'
    assert "1 documents are judged but not in the corpus ('3')" in manifest["warnings"][0]
    export(source(file, passages={"path": str(table)}, titles=False), tmp_path / "out")
    assert {document.title for document in read_corpus(tmp_path / "out" / "corpus.jsonl")} == {""}
    table.write_bytes(gzip.compress(b"id\ttext\ttitle\n7\t\xff\tWater\n"))
    with pytest.raises(DenseflowError, match=r"psgs_w100\.tsv, line 2: byte 2 is not UTF-8"):
        export(source(file, passages={"path": str(table)}), tmp_path / "out")
    table.write_bytes(gzip.compress(b"7\tWater\tWater\n"))
    with pytest.raises(DenseflowError, match=r"line 1: \['7', 'Water', 'Water'\], expected id, text and title"):
        export(source(file, passages={"path": str(table)}), tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ("", "begins with b'', expected DPR's JSON"),
        ('[{"question": ', "not JSON"),
        (["x"], "question 1: 'x', expected an object"),
        ([WATER, {"question": "q"}], "question 2: key 'positive_ctxs': no such key, expected a list"),
        ([WATER | {"question": 3}], "question 1: key 'question': 3, expected a text"),
        ([WATER | {"answers": [3]}], "question 1: key 'answers': 3, expected texts"),
        ([WATER | {"positive_ctxs": [{"title": "x"}]}], r"positive_ctxs\[0\]: key 'text': no such key"),
        ([WATER | {"positive_ctxs": ["x"]}], r"positive_ctxs\[0\]: 'x', expected an object with 'title' and 'text'"),
        ([WATER | {"id": 1}, SAND | {"id": 1}], "two questions have the id '1'"),
        (
            [WATER, SAND | {"positive_ctxs": [passage(7, "Else.")]}],
            "passage '7' has another .* `ids: text`",
        ),
    ],
)
def test_a_broken_file_is_refused_with_the_place(file, tmp_path, rows, match):
    file.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    with pytest.raises(DenseflowError, match=match):
        export(source(file), tmp_path / "out")


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"passages": {"path": "psgs.tsv"}, "ids": "text"}, "`ids` is 'text', but with `passages`"),
        ({"max_questions": {"dev": 1}}, "`max_questions.dev` is 1, expected one of `splits`"),
        ({"positives": "best"}, "'all' or 'first'"),
    ],
)
def test_options_that_do_not_fit_are_refused(changed, match):
    with pytest.raises(ValidationError, match=match):
        TypeAdapter(DprSource).validate_python(source("a.json") | changed)


def mined(tmp_path, *sources, seed=0):
    options = {"sources": list(sources), "seed": seed, "min_level": 1}
    mine(tmp_path / "out" / "manifest.json", "train", options, {}, tmp_path / "mined")
    training = read_training_file(tmp_path / "mined" / "train.jsonl")
    found = {
        example.query_id: [training.passages[place].id for place in example.negatives] for example in training.examples
    }
    return found, json.loads((tmp_path / "mined" / "audit.json").read_text())["sources"]


def test_a_questions_own_negatives_are_drawn_from_and_never_one_that_is_relevant(file, tmp_path):
    export(source(file), tmp_path / "out")
    found, audit = mined(tmp_path, {"type": "given", "count": 5})
    assert {query: sorted(drawn) for query, drawn in found.items()} == {"1": ["5", "9"], "3": ["5", "9"]}
    assert audit[0]["dropped"] == {"known relevant": 1}
    assert (audit[0]["queries_with_fewer"], audit[0]["found"]) == (2, 4)
    first, _ = mined(tmp_path, {"type": "given", "count": 1, "first": 1}, seed=3)
    assert first == {"1": ["9"], "3": ["9"]}
    easy, _ = mined(tmp_path, {"type": "given", "count": 1, "kind": "easy"})
    assert easy["1"][0] in ("3", "4")
    assert easy["3"] == []


def test_of_two_negatives_with_one_text_one_is_drawn(file, tmp_path):
    twice = [passage(number, "Rain.", "Sea") for number in (5, 6)]
    file.write_text(json.dumps([SAND | {"hard_negative_ctxs": twice}]))
    export(source(file), tmp_path / "out")
    found, _ = mined(tmp_path, {"type": "given", "count": 2})
    assert len(found["1"]) == 1


def test_the_seed_decides_which_of_a_questions_negatives_are_drawn(file, tmp_path):
    export(source(file), tmp_path / "out")
    drawn = [mined(tmp_path, {"type": "given", "count": 1}, seed=seed)[0]["1"] for seed in range(8)]
    assert {"5", "9"} == {one for (one,) in drawn}
    again = [mined(tmp_path, {"type": "given", "count": 1}, seed=seed)[0]["1"] for seed in range(8)]
    assert drawn == again


def test_questions_without_negatives_of_their_own_are_refused(file, tmp_path):
    file.write_text(json.dumps([SAND | {"hard_negative_ctxs": []}]))
    export(source(file), tmp_path / "out")
    assert not (tmp_path / "out" / "negatives.train.jsonl").exists()
    with pytest.raises(DenseflowError, match=r"negatives\.train\.jsonl: no such file, because the questions"):
        mined(tmp_path, {"type": "given", "count": 1})


def test_a_share_of_a_split_s_questions_is_held_out_and_is_in_no_other_split(tmp_path):
    rows = [{**WATER, "question": f"question {number}", "id": f"q{number}"} for number in range(20)]
    path = tmp_path / "train.json"
    path.write_text(json.dumps(rows))

    def splits(name, **options):
        held_out = {"dev": {"of": "train", "share": 0.25}}
        export(source(path, held_out=held_out, **options), tmp_path / name)
        return [list(read_queries(tmp_path / name / f"queries.{split}.jsonl")) for split in ("train", "dev")]

    train, dev = splits("one")
    assert (len(train), len(dev), len({*train, *dev})) == (15, 5, 20)
    assert splits("again") == [train, dev]
    assert splits("other", seed=1)[1] != dev
    assert splits("few", max_questions={"train": 3})[1] == dev
    assert read_manifest(tmp_path / "one" / "manifest.json")["facts"] == {"questions_without_positive": {"train": 0}}


@pytest.mark.parametrize(
    "held_out",
    [
        {"train": {"of": "train", "share": 0.2}},
        {"dev": {"of": "test", "share": 0.2}},
        {"dev": {"of": "train", "share": 0.2}, "test": {"of": "train", "share": 0.2}},
    ],
)
def test_what_cannot_be_held_out_is_refused(file, held_out):
    with pytest.raises(ValidationError, match=r"expected a new split of one of `splits` \(train\)"):
        DprSource.model_validate(source(file, held_out=held_out))
