"""A cross-encoder as teacher: its scores of a training file's pairs."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import CrossEncoder

from denseflow.contract import passage_text
from denseflow.device import choose_device, make_deterministic, set_threads
from denseflow.encode.shards import Shards
from denseflow.files import sha256, sha256_text
from denseflow.manifest import read_manifest
from denseflow.negatives.teacher import write_teacher_scores
from denseflow.negatives.training_file import TrainingSet, read_training_file
from denseflow.progress import progress
from denseflow.search.cross_encoder import load_cross_encoder, read_pair_contract, score_pairs

LOG = logging.getLogger("denseflow")

PACKAGES = ("numpy", "sentence-transformers", "tokenizers", "torch", "transformers")
SHARD = 100
"""Queries in a shard: their pairs are batched by length among themselves, and kept when the work is interrupted."""


def score_with_cross_encoder(
    negatives_manifest: Path,
    model_manifest: Path,
    folder: Path,
    *,
    work: Path,
    granted_gpus: int,
    threads: int,
    code: str = "",
) -> dict[str, Any]:
    """Write the scores of all pairs into ``folder``; see :func:`denseflow.negatives.teacher.write_teacher_scores`.

    Args:
        negatives_manifest: Beside the train.jsonl to score.
        model_manifest: Of the train stage; the cross-encoder is in ``model/`` beside it.
        folder: Where the files go.
        work: Where finished scores are kept until the end.
        granted_gpus: 0 computes on the CPU.
        threads: How many threads torch may use.
        code: The fingerprint of the code, so that no scores of other code are used.

    Returns:
        The manifest.

    Raises:
        DenseflowError: A file is missing or altered, the model is no cross-encoder, or a score is not finite.
    """
    inputs = {"negatives": negatives_manifest, "model": model_manifest}
    for path in inputs.values():
        read_manifest(path)
    device = choose_device(granted_gpus)
    set_threads(threads)
    make_deterministic()
    training_set = read_training_file(negatives_manifest.with_name("train.jsonl"))
    model = load_cross_encoder(model_manifest.parent / "model", device=device)
    contract = read_pair_contract(model)
    LOG.info("scoring pairs on %s with %d threads: %s", device, threads, contract)
    shards = Shards(work, sha256_text("".join([*(sha256(path) for path in inputs.values()), code])))
    manifest = write_teacher_scores(
        folder,
        _scores(model, training_set, shards),
        packages=PACKAGES,
        inputs=inputs,
        contract=contract.as_dict(),
        device=device,
    )
    shards.remove()
    return manifest


def _scores(
    model: CrossEncoder, training_set: TrainingSet, shards: Shards
) -> Iterator[tuple[str, list[str], np.ndarray]]:
    """Score shard by shard, and yield each query's id, docids and scores."""
    contract = read_pair_contract(model)
    examples, passages = training_set.examples, training_set.passages
    with progress("queries scored by the teacher", len(examples)) as advance:
        for start in range(0, len(examples), SHARD):
            some = examples[start : start + SHARD]
            places = [(*example.positives, *example.negatives) for example in some]
            scores = shards.read(start, start + len(some))
            if scores is None:
                pairs = [
                    (example.query, passage_text(passages[place], contract))
                    for example, own in zip(some, places, strict=True)
                    for place in own
                ]
                scores = score_pairs(model, pairs)
                shards.write(start, start + len(some), scores)
            ends = np.cumsum([len(own) for own in places])
            for example, own, end in zip(some, places, ends, strict=True):
                yield example.query_id, [passages[place].id for place in own], scores[end - len(own) : end]
            advance(len(some))
