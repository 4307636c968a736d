"""denseflow search: one query of a Korean lesson, before and after side by side."""

import io
import json

import pytest
from korean_lesson import EXPERIMENT, PASSAGES, RUNS, make_lesson
from rich.cells import cell_len
from rich.console import Console

from denseflow.cli import main
from denseflow.look.answers import answer_spans, pieces
from denseflow.look.documents import Kept, scan
from denseflow.look.looking import Looking
from denseflow.look.place import Place, open_experiment
from denseflow.look.terminal import print_view
from denseflow.look.view import View


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """The working directory is the lesson's project."""
    monkeypatch.chdir(make_lesson(tmp_path / "project"))
    return tmp_path / "project"


def look(id_: str, top: int = 3, **options) -> View:
    place = Place(open_experiment(EXPERIMENT), EXPERIMENT, **options)
    looking = Looking(place, lambda ids: scan(place.dataset.with_name("corpus.jsonl"), ids))
    return looking.look(looking.query(None, id_), top)


def printed(view: View, width: int = 120) -> str:
    file = io.StringIO()
    print_view(view, Console(file=file, width=width, force_terminal=False))
    return file.getvalue()


def test_the_rankings_of_one_of_the_split_s_queries_are_those_of_the_runs(lesson):
    for id_ in ("q1", "q2"):
        found = {column.system: [hit.document.id for hit in column.hits] for column in look(id_, top=10).columns}
        assert found == {system: runs[id_] for system, runs in RUNS.items()}


def test_a_passage_is_marked_by_what_became_of_it(lesson):
    before, after = look("q1").columns
    moves = [{hit.document.id: hit.move and hit.move.text(hit.rank) for hit in one.hits} for one in (before, after)]
    assert moves == [
        {"p1": None, "p3": None, "p4": "✖ lost, now not found"},
        {"p2": "✚ new, was rank 4", "p1": "▼ down 1", "p3": "▼ down 1"},
    ]
    (_, swapped) = look("q2").columns
    assert [hit.move.text(hit.rank) for hit in swapped.hits] == ["▲ up 1", "▼ down 1"]


def test_the_gold_passage_is_marked_with_its_ranks_and_its_answer(lesson):
    view = look("q1")
    gold = view.columns[1].hits[0]
    assert gold.relevance == "★ relevant (1)"
    assert [gold.document.text[slice(*span)] for span in gold.spans] == ["1446년"]
    (relevant,) = view.relevant
    assert (relevant.document.id, relevant.ranks) == ("p2", [4, 1])
    assert [hit.relevance for hit in look("q2").columns[0].hits] == ["★ relevant (1)", "judged not relevant"]


def test_lines_of_korean_are_no_wider_than_the_terminal_and_stand_below_each_other_where_it_is_narrow(lesson):
    for width in (60, 120):
        text = printed(look("q1"), width)
        assert max(map(cell_len, text.splitlines())) <= width
        side_by_side = max(line.count("the experiment's run") for line in text.splitlines())
        assert side_by_side == (2 if width == 120 else 1)
        assert "has the" in text


def test_a_passage_cannot_steer_the_terminal(lesson):
    assert "\x1b" in PASSAGES["p5"][1]
    text = printed(look("q1", top=4))
    assert "제목이" in text
    assert "\x1b" not in text


def test_the_command_prints_a_query_found_by_its_text_and_json_for_programs(lesson, capsys):
    assert main(["search", EXPERIMENT, " 훈민정음을  반포한 해는? ", "--json", "--top", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["query"] == {"id": "q1", "text": "훈민정음을 반포한 해는?", "answers": ["1446년"]}
    assert [one["id"] for one in found["systems"][1]["documents"]] == ["p2", "p1"]
    assert found["systems"][1]["documents"][0]["move"] == "new"
    assert found["relevant"] == [{"id": "p2", "relevance": 1, "ranks": [4, 1]}]
    assert main(["search", EXPERIMENT, "--query-id", "q2"]) == 0
    assert "Ranks of the relevant documents" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lessen", "x"], "did you mean 'lesson'?"),
        ([EXPERIMENT], "give either a query"),
        ([EXPERIMENT, "x", "--query-id", "q1"], "give either a query"),
        ([EXPERIMENT, " "], "the query is empty"),
        ([EXPERIMENT, "--query-id", "q9"], "'q9' is no query of korean, split test, which has 2, such as q1, q2"),
        ([EXPERIMENT, "x", "--systems", "befor"], "'befor', expected systems of the experiment lesson: before, after"),
        ([EXPERIMENT, "x", "--systems", "after", "after"], "at most 4 different systems"),
        ([EXPERIMENT, "x", "--split", "dev"], "it has --dataset korean --split test"),
        ([EXPERIMENT, "x", "--seed", "7"], "expected one of the experiment's seeds [0]"),
        ([EXPERIMENT, "--query-id", "q1", "--results", "elsewhere"], "snakemake --cores all --config"),
        ([EXPERIMENT, "a text that was never searched"], "index-ko/manifest.json: not there yet"),
    ],
)
def test_an_error_says_what_was_expected_and_what_to_do(lesson, capsys, arguments, message):
    assert main(["search", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_run_that_was_altered_is_not_shown(lesson, capsys):
    run = lesson / "results/bm25/korean/ko_1.2_0.4/test.top10.trec"
    run.write_text(run.read_text().replace("p2 1", "p3 1"))
    assert main(["search", EXPERIMENT, "--query-id", "q1"]) == 1
    assert "test.top10.trec: sha256" in capsys.readouterr().err


def test_a_command_outside_of_the_project_says_where_to_call_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["search", EXPERIMENT, "x"]) == 1
    assert "call denseflow in the folder of the Snakefile" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "answers", "found"),
    [
        ("훈민정음을 1446년에 반포", ["1446년"], ["1446년"]),  # an ending follows at once
        ("A museum in the US.", ["us"], ["US"]),
        ("He said: New  York-City", ["new york"], ["New  York"]),
        ("in 14460 and 1446", ["1446"], ["1446"]),
        ("one two three", ["one two", "two three"], ["one two three"]),
        ("nothing", ["?", ""], []),
    ],
)
def test_answers_are_found_in_a_passage(text, answers, found):
    spans = answer_spans(text, answers)
    assert [text[slice(*span)] for span in spans] == found
    assert "".join(piece for piece, _ in pieces(text, spans)) == text
    assert [piece for piece, is_answer in pieces(text, spans) if is_answer] == found


def test_documents_are_found_in_one_scan_or_by_their_places_and_a_missing_one_is_named(lesson):
    corpus = lesson / "results/dataset/korean/corpus.jsonl"
    for find in (lambda ids: scan(corpus, ids), Kept(corpus).find):
        assert {id_: document.title for id_, document in find(["p4", "p1"]).items()} == {"p4": "서울", "p1": "임진왜란"}
        assert find([]) == {}
        with pytest.raises(Exception, match="no document 'p9', which a ranking names"):
            find(["p1", "p9"])
