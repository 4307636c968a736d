"""An encoder as teacher: its scores of a training file's pairs, from the vectors of the encode stage."""

from pathlib import Path
from typing import Any

from denseflow.manifest import read_manifest
from denseflow.negatives.teacher import training_pairs, write_teacher_scores
from denseflow.negatives.training_file import read_training_file
from denseflow.negatives.vector_scores import open_scores
from denseflow.progress import counted


def score_with_vectors(
    negatives_manifest: Path, queries_manifest: Path, corpus_manifest: Path, folder: Path
) -> dict[str, Any]:
    """Write the scores of all pairs into ``folder``; see :func:`denseflow.negatives.teacher.write_teacher_scores`.

    Args:
        negatives_manifest: Beside the train.jsonl to score.
        queries_manifest: Of the teacher's vectors of the split's queries.
        corpus_manifest: Of the teacher's vectors of the collection.
        folder: Where the files go.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is missing or altered, or a query or passage has no vector or none that is finite.
    """
    read_manifest(negatives_manifest)
    training_set = read_training_file(negatives_manifest.with_name("train.jsonl"))
    scores = open_scores(queries_manifest, corpus_manifest)
    pairs = counted(training_pairs(training_set), "queries scored by the teacher", len(training_set.examples))
    return write_teacher_scores(
        folder,
        ((query_id, docids, scores(query_id, docids)) for query_id, docids in pairs),
        packages=("numpy",),
        inputs={"negatives": negatives_manifest, "queries": queries_manifest, "corpus": corpus_manifest},
    )
