"""The commands that write DPR's JSON: what they write is what DPR's reader, ours too, takes."""

import json

import pytest
from korean_lesson import EXPERIMENT, QUERIES, RUNS, make_lesson

from denseflow.cli import main
from denseflow.collection import read_qrels
from denseflow.dataset.export import export
from denseflow.evaluate.answers import has_answer
from denseflow.negatives.mine import mine
from denseflow.negatives.training_file import read_training_file


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """The working directory is the lesson's project."""
    monkeypatch.chdir(make_lesson(tmp_path / "project"))
    return tmp_path / "project"


def test_a_systems_run_is_written_as_dprs_results(lesson, capsys):
    assert main(["dpr-results", EXPERIMENT, "after", "after.json", "--top", "3", "--match", "korquad"]) == 0
    assert capsys.readouterr().out == "after.json: 2 questions of korean, split test, by after\n"
    rows = json.loads((lesson / "after.json").read_text(encoding="utf-8"))
    assert [(row["id"], row["question"], row["answers"]) for row in rows] == [
        (id_, text, answers) for id_, (text, answers) in QUERIES.items()
    ]
    assert [[passage["id"] for passage in row["ctxs"]] for row in rows] == [ids[:3] for ids in RUNS["after"].values()]
    assert rows[0]["ctxs"][0] == {
        "id": "p2",
        "title": "세종",
        "text": "세종은 조선의 제4대 국왕이다. 1446년에 훈민정음을 반포하였다.",
        "score": "10",
        "has_answer": True,
    }
    assert [passage["has_answer"] for passage in rows[0]["ctxs"]] == [True, False, False]


def test_more_passages_than_a_run_has_are_refused(lesson, capsys):
    assert main(["dpr-results", EXPERIMENT, "after", "after.json"]) == 1
    assert "--top: 100, but the runs of lesson have 10 documents a query" in capsys.readouterr().err
    assert main(["dpr-results", EXPERIMENT, "afterwards", "after.json", "--top", "3"]) == 1
    assert "expected systems of the experiment" in capsys.readouterr().err
    assert not (lesson / "after.json").exists()


def test_a_training_file_written_as_dprs_json_and_read_again_is_the_same(shared, tmp_path, capsys):
    korquad = {"path": str(shared / "data/korquad/KorQuAD_v1.0_dev.json.gz")}
    source = {"type": "squad", "files": {"k": korquad}, "splits": {"train": [{"file": "k", "articles": 20}]}}
    export(source, tmp_path / "squad")
    options = {"sources": [{"type": "random", "count": 3}], "seed": 0, "min_level": 1}
    mine(tmp_path / "squad" / "manifest.json", "train", options, {}, tmp_path / "mined")
    first, dpr = tmp_path / "mined" / "train.jsonl", tmp_path / "biencoder-train.json"
    assert main(["dpr-training", str(first), str(dpr), "--queries", str(tmp_path / "squad/queries.train.jsonl")]) == 0
    count = len(first.read_text(encoding="utf-8").splitlines())
    assert capsys.readouterr().out == f"{dpr}: {count} questions\n"

    others = tmp_path / "queries.jsonl"
    others.write_text('{"_id": "other", "text": "a", "answers": ["b"]}\n')
    assert main(["dpr-training", str(first), str(tmp_path / "no.json"), "--queries", str(others)]) == 1
    assert f"{others}: no answers of the queries of {first}" in capsys.readouterr().err
    assert not (tmp_path / "no.json").exists()

    export({"type": "dpr", "splits": {"train": {"path": str(dpr)}}}, tmp_path / "dpr")
    for name in ("queries.train.jsonl", "qrels.train.tsv"):
        assert (tmp_path / "dpr" / name).read_bytes() == (tmp_path / "squad" / name).read_bytes()
    given = options | {"sources": [{"type": "given", "count": 3}]}
    mine(tmp_path / "dpr" / "manifest.json", "train", given, {}, tmp_path / "again")
    assert contents(tmp_path / "again" / "train.jsonl") == contents(first)
    assert len(read_qrels(tmp_path / "dpr" / "qrels.train.tsv")) == count


def contents(path):
    training = read_training_file(path)
    return [
        (
            example.query,
            [training.passages[place] for place in example.positives],
            {training.passages[place] for place in example.negatives},
        )
        for example in training.examples
    ]


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        (r"Jan(uary)?\s+1|New Year", "on JANUARY  1 he", True),
        (r"^2nd line$", "first line\n2nd line", True),
        ("caf\u00e9", "the cafe\u0301", True),
        (r"(unclosed", "(unclosed", False),
        (r"19\d\d", "in 1876", False),
    ],
)
def test_answers_may_be_regular_expressions_as_in_curated_trec(answer, text, expected):
    assert has_answer(text, [answer], "regex") is expected
