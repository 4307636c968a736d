"""The encode stage: the vectors of a collection's passages, and of the queries of its splits."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from denseflow.collection import read_corpus, read_queries
from denseflow.contract import passage_text
from denseflow.encode.ahead import one_ahead
from denseflow.encode.batches import encode_rows, encode_texts
from denseflow.encode.corpus_shards import SHARD_SIZE, CorpusShards, remove_leftovers
from denseflow.encode.job import FLOAT32, Job
from denseflow.encode.shards import write_vectors
from denseflow.encode.shares import await_shares, share_of
from denseflow.encode.sparse import encode_sparse_rows, encode_sparse_texts
from denseflow.encoder import dimensions
from denseflow.errors import DenseflowError
from denseflow.files import atomic_path
from denseflow.manifest import write_manifest
from denseflow.progress import progress
from denseflow.sparse_vectors import finite_rows, to_entries
from denseflow.token_rows import Row, tokenize_rows

LOG = logging.getLogger("denseflow")

Encoded: TypeAlias = np.ndarray | csr_array
"""Vectors of a batch or a shard, a row a text; those of a sparse encoder in SciPy's rows."""

PACKAGES = ("numpy", "sentence-transformers", "tokenizers", "torch", "transformers")


def encode_corpus(
    model_manifest: Path,
    dataset_manifest: Path,
    folder: Path,
    *,
    markers: Sequence[Path] = (),
    code: str = "",
    shard_size: int = SHARD_SIZE,
    **how: Any,
) -> dict[str, Any]:
    """Write corpus/00000.npy, corpus/00001.npy ..., corpus.ids and corpus.manifest.json.

    The rows are in the order of corpus.jsonl, ``shard_size`` in a shard of shape (rows, dimensions); a sparse encoder's
    shard has its entries (:data:`denseflow.sparse_vectors.ENTRY`), and the manifest says how many ``nonzeros`` there
    are. Shards that are finished already, by a run that was killed or by :func:`encode_share`, are used as they are.
    Memory holds one shard's vectors and two shards' tokens.

    Args:
        model_manifest: Of the train stage; the encoder is in ``model/`` beside it.
        dataset_manifest: Of the dataset stage.
        folder: Where the files go.
        markers: Of the jobs that have made all shards, see :func:`denseflow.encode.shares.await_shares`; nothing is
            encoded here then.
        code: The fingerprint of the code, so that no shard of other code is used.
        shard_size: Passages in a shard; a shard's texts are batched by length among themselves.
        how: The other attributes of :class:`denseflow.encode.job.Job`.

    Raises:
        DenseflowError: An input or another job's shard is missing or altered, the device has not what is asked for, or
            a vector is not finite or too large to be stored.
    """
    job = Job(model_manifest, dataset_manifest, **how)
    shards = _shards(job, folder, code, shard_size)
    if markers:
        await_shares(shards, markers)
    else:
        _encode_missing(job, shards, range(shards.count))
    shards.remove_others()
    records = shards.records()
    remove_leftovers(folder.glob(".corpus.*"))  # of a run that was killed while it wrote
    _write_ids(folder / "corpus.ids", (document.id for document in read_corpus(_corpus(job))))
    names = [shards.name(place) for place in range(shards.count)]
    return write_manifest(
        folder,
        "encode",
        [*names, "corpus.ids"],
        packages=PACKAGES,
        name="corpus.manifest.json",
        sums={name: record["sha256"] for name, record in zip(names, records, strict=True)},
        shards=[{"file": name, "rows": shards.rows(place)} for place, name in enumerate(names)],
        count=sum(map(shards.rows, range(shards.count))),
        dimensions=dimensions(job.model),
        **{fact: _all_of(fact, records) for fact in ("device", "precision")},
        storage=job.storage,
        **({"nonzeros": sum(record["nonzeros"] for record in records)} if job.sparse else {}),
        **job.facts(),
    )


def encode_share(
    model_manifest: Path,
    dataset_manifest: Path,
    folder: Path,
    *,
    share: int,
    shares: int,
    code: str = "",
    shard_size: int = SHARD_SIZE,
    **how: Any,
) -> None:
    """Write those shards that :func:`encode_corpus` would write, with the same arguments, that are one job's share.

    Args:
        model_manifest: Of the train stage.
        dataset_manifest: Of the dataset stage.
        folder: That of :func:`encode_corpus`.
        share: Which share, from 0 on.
        shares: How many shares there are; each is a contiguous range of shards.
        code: See :func:`encode_corpus`.
        shard_size: See :func:`encode_corpus`.
        how: See :func:`encode_corpus`.

    Raises:
        DenseflowError: See :func:`encode_corpus`.
    """
    job = Job(model_manifest, dataset_manifest, **how)
    shards = _shards(job, folder, code, shard_size)
    _encode_missing(job, shards, share_of(shards.count, share, shares))


def encode_queries(
    model_manifest: Path,
    dataset_manifest: Path,
    folder: Path,
    *,
    split: str,
    timed: Callable[[int, float], None] = lambda queries, seconds: None,
    **how: Any,
) -> dict[str, Any]:
    """Write queries.SPLIT.npy (float32, shape (queries, dimensions)), queries.SPLIT.ids, queries.SPLIT.manifest.json.

    A sparse encoder's file has its entries, and its manifest ``nonzeros``, as for the passages.

    Arguments and errors are those of :func:`encode_corpus`; the rows are in the order of queries.SPLIT.jsonl. ``timed``
    is told how many queries were encoded in how many seconds, once the vectors are written.
    """
    job = Job(model_manifest, dataset_manifest, **how)
    precision = job.prepare()
    queries = read_queries(dataset_manifest.parent / f"queries.{split}.jsonl")
    started = time.perf_counter()
    with progress("queries encoded", len(queries)) as advance:
        vectors: Encoded = (encode_sparse_texts if job.sparse else encode_texts)(
            *(job.model, list(queries.values()), "query"),
            precision=precision,
            batch_tokens=job.batch_tokens,
            advance=advance,
        )
    seconds = time.perf_counter() - started
    _refuse_not_finite(vectors, list(queries), job)
    name = f"queries.{split}"
    write_vectors(folder / f"{name}.npy", _stored(vectors, list(queries), job, FLOAT32))
    timed(len(queries), seconds)
    _write_ids(folder / f"{name}.ids", queries)
    return write_manifest(
        folder,
        "encode",
        [f"{name}.npy", f"{name}.ids"],
        packages=PACKAGES,
        name=f"{name}.manifest.json",
        shards=[{"file": f"{name}.npy", "rows": vectors.shape[0]}],
        count=vectors.shape[0],
        dimensions=vectors.shape[1],
        device=job.model.device.type,
        precision=precision,
        split=split,
        **_nonzeros(vectors),
        **job.facts(),
    )


class _Shard(NamedTuple):
    """A shard's texts, tokenised."""

    place: int
    ids: list[str]
    rows: list[Row]
    common: Mapping[str, Any]


def _corpus(job: Job) -> Path:
    return job.dataset_manifest.parent / "corpus.jsonl"


def _shards(job: Job, folder: Path, code: str, size: int) -> CorpusShards:
    return CorpusShards(folder, job.key(code), _count_lines(_corpus(job)), size)


def _encode_missing(job: Job, shards: CorpusShards, places: range) -> None:
    """Encode those shards of ``places`` that are not there yet, and nothing where all are."""
    missing = shards.missing(places)
    LOG.info("%d of %d shards left to encode", len(missing), len(places))
    if not missing:
        return
    precision = job.prepare()
    total, left = (sum(map(shards.rows, some)) for some in (places, missing))
    with progress("passages encoded", total, done=total - left) as advance:
        for shard in one_ahead(_tokenized(job, shards, missing)):
            vectors: Encoded = (encode_sparse_rows if job.sparse else encode_rows)(
                *(job.model, shard.rows, shard.common, "passage"),
                precision=precision,
                batch_tokens=job.batch_tokens,
                advance=advance,
            )
            _refuse_not_finite(vectors, shard.ids, job)
            facts = {"device": job.model.device.type, "precision": precision, **_nonzeros(vectors)}
            shards.write(shard.place, _stored(vectors, shard.ids, job, job.storage), facts)


def _tokenized(job: Job, shards: CorpusShards, places: Sequence[int]) -> Iterator[_Shard]:
    """The texts of some shards, in order."""
    wanted, contract = set(places), job.contract
    documents = read_corpus(_corpus(job))
    for place in range(places[-1] + 1):
        piece = list(islice(documents, shards.size))
        if place in wanted:
            rows, common = tokenize_rows(job.model, [passage_text(document, contract) for document in piece], "passage")
            yield _Shard(place, [document.id for document in piece], rows, common)


def _all_of(fact: str, records: Sequence[Mapping[str, Any]]) -> str:
    """What the shards' records say, where they were made in several ways all of it."""
    return ", ".join(sorted({record[fact] for record in records}))


def _nonzeros(vectors: Encoded) -> dict[str, Any]:
    """How many entries of a sparse encoder's vectors are not 0, for records and manifests."""
    return {} if isinstance(vectors, np.ndarray) else {"nonzeros": vectors.nnz}


def _stored(vectors: Encoded, ids: Sequence[str], job: Job, storage: str) -> np.ndarray:
    """Vectors as they are kept."""
    if not isinstance(vectors, np.ndarray):
        return to_entries(vectors)
    if storage == FLOAT32:
        return vectors
    limit = float(np.finfo(np.float16).max)
    large = np.abs(vectors).max(axis=1) > limit
    if large.any():
        raise DenseflowError(
            f"{job.model_manifest.parent / 'model'}: the vector of {ids[int(np.argmax(large))]!r} has a value beyond "
            f"{limit:.0f}, the largest that encode.storage: float16 can hold; set it to float32"
        )
    return vectors.astype(np.float16)


def _refuse_not_finite(vectors: Encoded, ids: Sequence[str], job: Job) -> None:
    dense = isinstance(vectors, np.ndarray)
    finite = np.asarray(np.isfinite(vectors).all(axis=1) if dense else finite_rows(vectors))
    if finite.all():
        return
    reason = "the weights are broken, as fp16 training can leave them. Train the model again with bf16 or fp32"
    if job.precision == "fp16":
        reason = "encode.precision is fp16, whose range this model may leave: set it to bf16 or fp32. Else " + reason
    raise DenseflowError(
        f"{job.model_manifest.parent / 'model'}: the vector of {ids[int(np.argmin(finite))]!r} holds NaN or infinity "
        f"({int((~finite).sum())} of {len(finite)} vectors do); {reason}"
    )


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _write_ids(path: Path, ids: Iterable[str]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{name}\n" for name in ids)
