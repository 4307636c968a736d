"""Questions in DPR's JSON, with the passages that each has as positives and as negatives."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from denseflow.collection import Document
from denseflow.dataset.collection_source import EASY_NEGATIVES, HARD_NEGATIVES, SourceCollection, Split
from denseflow.dataset.data_files import at_hand
from denseflow.dataset.dpr_json import EASY, HARD, POSITIVE, read_passages, read_questions
from denseflow.dataset.draw_questions import drawn_questions
from denseflow.errors import DenseflowError
from denseflow.files import sha256_text

NEGATIVES = {HARD: HARD_NEGATIVES, EASY: EASY_NEGATIVES}


class _Question(NamedTuple):
    """A question without its passages' texts: DPR's own files have more of these than memory holds."""

    text: str
    answers: list[str]
    passages: dict[str, list[str]]


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """The questions of ``source["splits"]``; the documents are all their passages, or those of a table.

    A question without a positive passage is left out, as DPR does.

    Args:
        source: ``splits``: a file (see :func:`denseflow.dataset.data_files.at_hand`) each; ``passages``: one, or None;
            ``ids``, ``positives``, ``titles``, ``seed`` and ``max_questions``; ``held_out``: by the name of a further
            split, ``of`` which one it takes which ``share``.
        work: A folder to download and unpack into.

    Raises:
        DenseflowError: A file is missing or has another form, or an id stands for two passages.
    """
    files = {split: at_hand(file, work) for split, file in source["splits"].items()}
    places = files | {split: files[held["of"]] for split, held in source.get("held_out", {}).items()}
    table = None if source.get("passages") is None else at_hand(source["passages"], work)
    titles, ids_by_text = source.get("titles", True), source.get("ids") == "text"
    read = partial(read_questions, titles=titles, ids_by_text=ids_by_text)
    facts: dict[str, Any] = {"questions_without_positive": {}}
    yield SourceCollection(
        origin=f"dpr {', '.join(file.name for file in files.values())}",
        documents=partial(_contexts, files, read) if table is None else partial(read_passages, table, titles=titles),
        splits={split: partial(_split, split, place, source, read, facts) for split, place in places.items()},
        facts=facts,
        packages=("ijson",),
    )


def _contexts(files: Mapping[str, Path], read: Any) -> Iterator[Document]:
    """All passages of all questions, each once, in the order of the files' names."""
    seen: dict[str, int] = {}  # a number for each text: DPR's own files have millions of passages
    for split in sorted(files):
        for question in read(files[split]):
            for kind in (POSITIVE, HARD, EASY):
                for passage in question.passages[kind]:
                    content = int(sha256_text(f"{passage.title}\n{passage.text}")[:16], 16)
                    if passage.id not in seen:
                        seen[passage.id] = content
                        yield passage
                    elif seen[passage.id] != content:
                        raise DenseflowError(
                            f"{files[split]}, question {question.id!r}, {kind}: passage {passage.id!r} has another "
                            "title or text than before; set `ids: text` in the source to go by these"
                        )


def _split(name: str, file: Path, source: Mapping[str, Any], read: Any, facts: dict[str, Any]) -> Split:
    questions: dict[str, _Question] = {}
    without = 0
    for question in read(file):
        if not question.passages[POSITIVE]:
            without += 1
            continue
        if question.id in questions:
            raise DenseflowError(f"{file}: two questions have the id {question.id!r}; ids must be unique")
        # DPR's questions share passages: each id is kept once.
        ids = {kind: [intern(passage.id) for passage in passages] for kind, passages in question.passages.items()}
        questions[question.id] = _Question(question.text, question.answers, ids)
    if name in source["splits"]:
        facts["questions_without_positive"][name] = without
    questions = drawn_questions(_held_out(questions, source, name), source, name)
    taken = 1 if source.get("positives") == "first" else None
    return Split(
        {id_: question.text for id_, question in questions.items()},
        {id_: dict.fromkeys(question.passages[POSITIVE][:taken], 1) for id_, question in questions.items()},
        f"dpr, split {name} ({file.name})",
        {id_: question.answers for id_, question in questions.items()},
        {
            list_: {id_: question.passages[kind] for id_, question in questions.items()}
            for kind, list_ in NEGATIVES.items()
        },
    )


def _held_out(questions: dict[str, _Question], source: Mapping[str, Any], name: str) -> dict[str, _Question]:
    """Of a file's questions, those of the split that takes a share of them, or those that it leaves."""
    for split, held in source.get("held_out", {}).items():
        if name in (split, held["of"]):
            most = max(1, round(held["share"] * len(questions)))
            taken = drawn_questions(questions, {"seed": source.get("seed", 0), "max_questions": {split: most}}, split)
            return {id_: question for id_, question in questions.items() if (id_ in taken) == (name == split)}
    return questions
