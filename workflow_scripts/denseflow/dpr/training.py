"""A training file as DPR's training JSON."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from denseflow.collection import Document
from denseflow.dpr.json_list import write_list
from denseflow.negatives.training_file import TrainingSet, read_training_file


def write_training(training: Path, answers: Mapping[str, list[str]], target: Path) -> int:
    """Write a training file's queries as DPR's questions, and return how many there are.

    Negatives become ``hard_negative_ctxs``, wherever they were drawn from; ``negative_ctxs`` stays empty.

    Args:
        training: A train.jsonl of the negatives stage, or any in Tevatron's form.
        answers: By query id; a query that is not there has none.
        target: The file to write.

    Raises:
        DenseflowError: As :func:`read_training_file`.
    """
    return write_list(target, _rows(read_training_file(training), answers))


def _rows(training: TrainingSet, answers: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    for example in training.examples:
        yield {
            "id": example.query_id,
            "question": example.query,
            "answers": answers.get(example.query_id, []),
            "positive_ctxs": [_passage(training.passages[place]) for place in example.positives],
            "negative_ctxs": [],
            "hard_negative_ctxs": [_passage(training.passages[place]) for place in example.negatives],
        }


def _passage(document: Document) -> dict[str, Any]:
    return {"title": document.title, "text": document.text, "passage_id": document.id}
