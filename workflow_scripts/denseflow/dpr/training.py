"""A training file as DPR's training JSON."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from denseflow.collection import Document, read_answers
from denseflow.dpr.json_list import write_list
from denseflow.errors import DenseflowError
from denseflow.negatives.training_file import TrainingSet, read_training_file


def write_training(training: Path, queries: Path | None, target: Path) -> int:
    """Write a training file's queries as DPR's questions, and return how many there are.

    Negatives become ``hard_negative_ctxs``, wherever they were drawn from; ``negative_ctxs`` stays empty.

    Args:
        training: A train.jsonl of the negatives stage, or any in Tevatron's form.
        queries: The queries.SPLIT.jsonl with their answers; None: questions without answers.
        target: The file to write.

    Raises:
        DenseflowError: As :func:`read_training_file`, or ``queries`` has answers of none of them.
    """
    examples = read_training_file(training)
    answers = {} if queries is None else read_answers(queries)
    if queries is not None and not any(answers.get(example.query_id) for example in examples.examples):
        raise DenseflowError(
            f"{queries}: no answers of the queries of {training}; give the queries of the split that it was made from, "
            "or leave `--queries` out"
        )
    return write_list(target, _rows(examples, answers))


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
