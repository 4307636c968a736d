import itertools
import random

import numpy as np
import pytest
import pytrec_eval

from denseflow.errors import DenseflowError
from denseflow.run_file import RunFile, read_run, strictly_decreasing, write_run

DIFFICULT = [
    [1.0, 1.0, 1.0, 1.0],
    [0.0, 0.0, 0.0],
    [-1.0, -1.0, -2.0, -2.0],
    [1e-45, 1e-45, 1e-45],
    [16777217.0, 16777216.0, 16777216.0],  # the first two are one float32
    [3.4e38, 3.4e38],
    [1.0, 1.0 - 1e-9, 0.5, 0.5],
]


@pytest.mark.parametrize("scores", DIFFICULT)
def test_scores_become_strictly_decreasing_as_32_bit_floats_and_hardly_move(scores):
    adjusted = strictly_decreasing(scores)
    assert adjusted.dtype == np.float32
    assert all(first > second for first, second in itertools.pairwise(adjusted))
    assert np.allclose(adjusted, scores, rtol=1e-6, atol=1e-44)


def test_scores_that_decrease_already_are_left_alone():
    scores = np.array([3.5, 2.25, -1.0], dtype=np.float32)
    assert strictly_decreasing(scores).tolist() == scores.tolist()
    assert strictly_decreasing([]).tolist() == []


@pytest.mark.parametrize("scores", DIFFICULT)
def test_the_ranking_that_was_meant_survives_the_file_as_32_bit_floats(tmp_path, scores):
    ids = [f"d{i}" for i in range(len(scores))]
    write_run(tmp_path / "run.trec", [("q", ids, scores)], "tag")
    run = read_run(tmp_path / "run.trec")
    read = np.array(list(run["q"].values()), dtype=np.float32)
    assert list(run["q"]) == ids
    assert all(first > second for first, second in itertools.pairwise(read))


def test_trec_eval_sees_the_ranking_that_was_meant_where_scores_tie(tmp_path):
    generator = random.Random(0)
    ids = [f"d{i}" for i in range(30)]
    generator.shuffle(ids)
    write_run(tmp_path / "run.trec", [("q", ids, [1.0] * 30)], "tag")
    run = read_run(tmp_path / "run.trec")
    for place, id_ in enumerate(ids, start=1):
        found = pytrec_eval.RelevanceEvaluator({"q": {id_: 1}}, {"recip_rank"}).evaluate(run)
        assert found["q"]["recip_rank"] == pytest.approx(1 / place)


def test_a_run_has_trecs_six_columns_and_queries_without_documents_have_no_line(tmp_path):
    write_run(tmp_path / "run.trec", [("q1", ["b", "a"], [2.5, 1.5]), ("q2", [], []), ("q3", ["c"], [0.1])], "tag")
    assert (tmp_path / "run.trec").read_text().splitlines() == [
        "q1 Q0 b 1 2.5 tag",
        "q1 Q0 a 2 1.5 tag",
        "q3 Q0 c 1 0.100000001 tag",
    ]


def test_a_run_of_no_line_is_a_run(tmp_path):
    write_run(tmp_path / "run.trec", [], "tag")
    assert read_run(tmp_path / "run.trec") == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q1 Q0 d2 2 1.0", "5 columns"),
        ("q1 Q0 d 2 2 1.0 tag", "7 columns"),
        ("q1 Q0 d2 2 high tag", "score 'high' is no number"),
        ("q1 Q0 d1 2 1.0 tag", "document 'd1' is ranked twice for 'q1'"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, message):
    path = tmp_path / "run.trec"
    path.write_text(f"q1 Q0 d1 1 2.0 tag\n{line}\n")
    with pytest.raises(DenseflowError, match=f"line 2: {message}"):
        read_run(path)


def test_a_failure_while_writing_leaves_the_old_run_and_nothing_else(tmp_path):
    write_run(tmp_path / "run.trec", [("q", ["a"], [1.0])], "tag")

    def rankings():
        yield "q", ["b"], [1.0]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_run(tmp_path / "run.trec", rankings(), "tag")
    assert list(read_run(tmp_path / "run.trec")["q"]) == ["a"]
    assert [path.name for path in tmp_path.iterdir()] == ["run.trec"]
    with pytest.raises(ValueError, match="zip"):
        write_run(tmp_path / "run.trec", [("q", ["a", "b"], [1.0])], "tag")


def test_a_run_that_stays_in_its_file_gives_each_query_s_ranking(tmp_path):
    path = tmp_path / "run.trec"
    write_run(path, [("q1", ["ä", "a"], [2.5, 1.5]), ("q3", ["c"], [0.1]), ("é", ["d", "e"], [1.0, 0.5])], "tag")
    run, whole = RunFile(path), read_run(path)
    for query in ("é", "q1", "q3"):
        assert list(run.ranking(query).items()) == list(whole[query].items())
    assert run.ranking("q2") == {}
    assert run.queries == list(whole) == ["q1", "q3", "é"]


def test_a_run_of_no_line_can_stay_in_its_file(tmp_path):
    write_run(tmp_path / "run.trec", [], "tag")
    assert RunFile(tmp_path / "run.trec").ranking("q") == {}
    assert RunFile(tmp_path / "run.trec").queries == []


def test_a_broken_line_of_a_run_that_stays_in_its_file_is_named_when_its_query_is_asked_for(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q1 Q0 a 1 2.0 tag\nq2 Q0 a 1 2.0 tag\nq2 Q0 b 2 high tag\n")
    assert RunFile(path).ranking("q1") == {"a": 2.0}
    with pytest.raises(DenseflowError, match="line 3: score 'high' is no number"):
        RunFile(path).ranking("q2")


def test_a_run_whose_queries_are_mixed_cannot_stay_in_its_file(tmp_path):
    path = tmp_path / "run.trec"
    path.write_text("q1 Q0 a 1 2.0 tag\nq2 Q0 a 1 2.0 tag\nq1 Q0 b 2 1.0 tag\n")
    with pytest.raises(DenseflowError, match=r"line 3: query 'q1' came before, in line 1; .* Sort the run"):
        RunFile(path)
    with pytest.raises(DenseflowError, match=r"none\.trec: no such file"):
        RunFile(tmp_path / "none.trec")
