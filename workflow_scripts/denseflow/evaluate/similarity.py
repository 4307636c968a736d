"""A model's cosines of pairs of sentences, and what paraphrases it finds among all of them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from denseflow.encode.batches import encode_texts
from denseflow.encode.job import Job
from denseflow.encode.sparse import encode_sparse_texts
from denseflow.errors import DenseflowError
from denseflow.evaluate.pairs import Pair, load_pairs
from denseflow.evaluate.paraphrases import mine
from denseflow.files import write_text
from denseflow.manifest import write_manifest
from denseflow.progress import progress

LOG = logging.getLogger("denseflow")

PACKAGES = ("numpy", "sentence-transformers", "tokenizers", "torch", "transformers")
SCORES = "scores.tsv"


def score_similarity(
    model_manifest: Path,
    pairs_manifest: Path,
    folder: Path,
    *,
    options: Mapping[str, Any],
    dimensions: int | None = None,
    encode: Mapping[str, str] | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Write scores.tsv and, last, manifest.json.

    With the type ``sts`` it has a line a pair, ``value`` (people's score) and ``cosine``; with ``paraphrases`` a line a
    measure, ``measure`` and ``value``.

    Args:
        model_manifest: Of the train stage.
        pairs_manifest: Beside pairs.jsonl.
        folder: Where the files go.
        options: A section of :mod:`denseflow.config.similarity`.
        dimensions: So many first dimensions of the vectors are compared; None: all.
        encode: ``precision`` of the model's section ``encode``, where it is not neutral.
        how: The other attributes of :class:`denseflow.encode.job.Job`.

    Raises:
        DenseflowError: An input is missing or altered, a vector is not finite, or has not as many dimensions.
    """
    job = Job(model_manifest, pairs_manifest, options=encode or {}, **how)
    pairs = load_pairs(pairs_manifest.parent)
    rows = {sentence: row for row, sentence in enumerate(dict.fromkeys(one for pair in pairs for one in pair[:2]))}
    side = options.get("side", "query")
    precision = job.prepare()
    with progress("sentences encoded", len(rows)) as advance:
        if job.sparse:
            found = encode_sparse_texts(job.model, list(rows), side, precision=precision, advance=advance)
            vectors = found[:, np.unique(found.indices)].toarray()  # a term that nothing has changes no cosine
        else:
            vectors = encode_texts(job.model, list(rows), side, precision=precision, advance=advance)
    vectors = _unit(vectors, dimensions, job)
    if options["type"] == "sts":
        lines = [("value", "cosine"), *_cosines(pairs, rows, vectors)]
    else:
        mined = mine(vectors, _same(pairs, rows), top_k=options["top_k"], max_pairs=options["max_pairs"])
        LOG.info("paraphrases: %s", mined)
        lines = [("measure", "value"), *((name, f"{value:.9g}") for name, value in mined._asdict().items())]
    write_text(folder / SCORES, "".join("\t".join(line) + "\n" for line in lines))
    return write_manifest(
        folder,
        "evaluate",
        [SCORES],
        packages=PACKAGES,
        options={**options, "dimensions": dimensions},
        counts={"pairs": len(pairs), "sentences": len(rows)},
        device=job.model.device.type,
        precision=precision,
        **job.facts(),
    )


def _unit(vectors: np.ndarray, dimensions: int | None, job: Job) -> np.ndarray:
    """The vectors, or their first dimensions, scaled to length 1; float32."""
    model = job.model_manifest.parent / "model"
    if not np.isfinite(vectors).all():
        raise DenseflowError(f"{model}: a sentence's vector holds NaN or infinity; the weights are broken")
    if dimensions is not None and dimensions > vectors.shape[1]:
        raise DenseflowError(
            f"{model}: {dimensions} dimensions are asked for, but the vectors have {vectors.shape[1]}; lower the "
            "system's `dimensions`"
        )
    cut = vectors[:, :dimensions].astype(np.float64)
    lengths = np.linalg.norm(cut, axis=1, keepdims=True)
    return np.divide(cut, lengths, out=np.zeros_like(cut), where=lengths > 0).astype(np.float32)


def _cosines(pairs: Sequence[Pair], rows: Mapping[str, int], vectors: np.ndarray) -> list[tuple[str, str]]:
    first = vectors[[rows[pair.first] for pair in pairs]].astype(np.float64)
    second = vectors[[rows[pair.second] for pair in pairs]].astype(np.float64)
    cosines = (first * second).sum(axis=1)
    return [(f"{pair.value:.9g}", f"{cosine:.9g}") for pair, cosine in zip(pairs, cosines, strict=True)]


def _same(pairs: Sequence[Pair], rows: Mapping[str, int]) -> set[tuple[int, int]]:
    """The pairs of rows that mean the same; a sentence that stands on both sides is no pair."""
    found = {(rows[pair.first], rows[pair.second]) for pair in pairs if pair.value}
    return {(min(pair), max(pair)) for pair in found if pair[0] != pair[1]}
