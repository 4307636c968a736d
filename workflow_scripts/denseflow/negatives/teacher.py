"""A teacher's scores of a training file's pairs: scores.jsonl, one query a line.

    {"query_id": "...", "scores": {"DOCID": 0.8, ...}}

What a score means is the teacher's affair: a loss that reads them compares those of one query only.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from denseflow.errors import DenseflowError
from denseflow.files import read_jsonl, sha256, write_jsonl
from denseflow.manifest import write_manifest
from denseflow.negatives.training_file import TrainingSet

TeacherScores = dict[str, dict[str, float]]
"""By query id, then docid."""


def read_teacher_scores(path: Path) -> TeacherScores:
    """Read a scores.jsonl.

    Raises:
        DenseflowError: Naming the line: a key is missing or of the wrong type, a score is no finite number, or a query
            comes twice.
    """
    found: TeacherScores = {}
    for number, row in read_jsonl(path):
        query_id, scores = row.get("query_id"), row.get("scores")
        if not isinstance(query_id, str) or not isinstance(scores, dict):
            raise DenseflowError(
                f"{path}, line {number}: found {str(row)[:80]!r}, expected query_id, a text, and scores, numbers by "
                "docid"
            )
        if query_id in found:
            raise DenseflowError(f"{path}, line {number}: query_id {query_id!r} comes a second time; keep one line")
        for docid, score in scores.items():
            if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
                raise DenseflowError(
                    f"{path}, line {number}: docid {docid!r} has the score {score!r}, expected a finite number"
                )
        found[query_id] = scores
    return found


def scored_share(training_set: TrainingSet, scores: TeacherScores) -> float:
    """The share of the training file's pairs of a query and a positive or negative that have a score."""
    pairs = scored = 0
    for query_id, docids in training_pairs(training_set):
        pairs += len(docids)
        scored += len(scores.get(query_id, {}).keys() & set(docids))
    return scored / pairs


def training_pairs(training_set: TrainingSet) -> Iterator[tuple[str, list[str]]]:
    """Yield each query's id and the docids of its positives and its negatives."""
    passages = training_set.passages
    for example in training_set.examples:
        yield example.query_id, [passages[place].id for place in (*example.positives, *example.negatives)]


def write_teacher_scores(
    folder: Path,
    rows: Iterable[tuple[str, Sequence[str], np.ndarray]],
    *,
    packages: Sequence[str],
    inputs: Mapping[str, Path],
    **facts: Any,
) -> dict[str, Any]:
    """Write scores.jsonl and, last, manifest.json.

    Args:
        folder: Where they go.
        rows: A query's id, docids, and their scores, float32.
        packages: Whose versions the manifest shall name.
        inputs: Manifests of what the scores were made from, by name.
        facts: What else the manifest shall say.

    Returns:
        The manifest.
    """
    queries = pairs = 0

    def lines() -> Iterator[dict[str, Any]]:
        nonlocal queries, pairs
        for query_id, docids, scores in rows:
            queries, pairs = queries + 1, pairs + len(docids)
            numbers = (float(f"{score:.9g}") for score in scores)  # as many digits as float32 has
            yield {"query_id": query_id, "scores": dict(zip(docids, numbers, strict=True))}

    write_jsonl(folder / "scores.jsonl", lines())
    return write_manifest(
        folder,
        "negatives",
        ["scores.jsonl"],
        packages=packages,
        inputs={name: sha256(path) for name, path in inputs.items()},
        counts={"queries": queries, "pairs": pairs},
        **facts,
    )
