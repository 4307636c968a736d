"""The encode stage: the vectors of a collection's passages, and of the queries of its splits."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from denseflow.collection import Document, read_corpus, read_queries
from denseflow.device import choose_device, make_deterministic, set_threads
from denseflow.encode.batches import encode_texts
from denseflow.encode.shards import Shards, write_vectors
from denseflow.encoder import dimensions, load_encoder, passage_text, read_contract
from denseflow.errors import DenseflowError
from denseflow.files import atomic_path, sha256, sha256_text, write_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.progress import progress

LOG = logging.getLogger("denseflow")

PACKAGES = ("numpy", "sentence-transformers", "tokenizers", "torch", "transformers")


def encode_corpus(
    model_manifest: Path,
    dataset_manifest: Path,
    folder: Path,
    *,
    work: Path,
    granted_gpus: int,
    threads: int,
    shard_size: int,
    code: str = "",
    batch_tokens: int | None = None,
) -> dict[str, Any]:
    """Write corpus.npy (float32, shape (documents, dimensions)), corpus.ids and corpus.manifest.json.

    The rows are in the order of corpus.jsonl. The work is done shard by shard, and memory holds one shard; a rerun
    after a kill uses the shards that are finished.

    Args:
        model_manifest: Of the train stage; the encoder is in ``model/`` beside it.
        dataset_manifest: Of the dataset stage.
        folder: Where the three files go.
        work: Where unfinished work is kept until the end.
        granted_gpus: 0 computes on the CPU.
        threads: How many threads torch may use.
        shard_size: Passages in a shard; a shard's texts are batched by length among themselves.
        code: The fingerprint of the code, so that no shard of other code is used.
        batch_tokens: See :func:`denseflow.encode.batches.encode_texts`.

    Raises:
        DenseflowError: An input is missing or altered, or a vector is not finite.
    """
    model, facts = _open(model_manifest, dataset_manifest, granted_gpus, threads)
    corpus = dataset_manifest.parent / "corpus.jsonl"
    contract = read_contract(model)
    shards = Shards(work, sha256_text(facts["inputs"]["model"] + facts["inputs"]["dataset"] + code))
    ids: list[str] = []
    with progress("passages encoded", _count_lines(corpus)) as advance:
        for start, documents in _pieces(read_corpus(corpus), shard_size):
            stop = start + len(documents)
            ids += [document.id for document in documents]
            if shards.read(start, stop) is not None:
                advance(len(documents))
                continue
            texts = [passage_text(document, contract) for document in documents]
            vectors = encode_texts(model, texts, "passage", batch_tokens=batch_tokens, advance=advance)
            _refuse_not_finite(vectors, ids[start:], model_manifest)
            shards.write(start, stop, vectors)

    for leftover in folder.glob(".corpus.*"):  # of a run that was killed while it wrote
        leftover.unlink()
    shape = (len(ids), dimensions(model))
    with atomic_path(folder / "corpus.npy") as temporary:
        _assemble(temporary, shape, shard_size, shards)
    _write_ids(folder / "corpus.ids", ids)
    manifest = _write_manifest(folder, "corpus", shape, facts)
    shards.remove()
    return manifest


def encode_queries(
    model_manifest: Path,
    dataset_manifest: Path,
    folder: Path,
    *,
    split: str,
    granted_gpus: int,
    threads: int,
    batch_tokens: int | None = None,
) -> dict[str, Any]:
    """Write queries.SPLIT.npy (float32, shape (queries, dimensions)), queries.SPLIT.ids, queries.SPLIT.manifest.json.

    Arguments and errors are those of :func:`encode_corpus`; the rows are in the order of queries.SPLIT.jsonl.
    """
    model, facts = _open(model_manifest, dataset_manifest, granted_gpus, threads)
    queries = read_queries(dataset_manifest.parent / f"queries.{split}.jsonl")
    with progress("queries encoded", len(queries)) as advance:
        vectors = encode_texts(model, list(queries.values()), "query", batch_tokens=batch_tokens, advance=advance)
    _refuse_not_finite(vectors, list(queries), model_manifest)
    name = f"queries.{split}"
    write_vectors(folder / f"{name}.npy", vectors)
    _write_ids(folder / f"{name}.ids", list(queries))
    return _write_manifest(folder, name, vectors.shape, {**facts, "split": split})


def _open(
    model_manifest: Path, dataset_manifest: Path, granted_gpus: int, threads: int
) -> tuple[SentenceTransformer, dict[str, Any]]:
    """Check the inputs and load the encoder; return it with what the manifest says of the work."""
    read_manifest(dataset_manifest)
    read_manifest(model_manifest)
    device = choose_device(granted_gpus)
    set_threads(threads)
    make_deterministic()
    model = load_encoder(model_manifest.parent / "model", device=device)
    contract = read_contract(model)
    LOG.info("encoding on %s with %d threads: %s", device, threads, contract)
    return model, {
        "contract": contract.as_dict(),
        "similarity": contract.similarity,
        "device": device,
        "inputs": {"model": sha256(model_manifest), "dataset": sha256(dataset_manifest)},
    }


def _pieces(documents: Iterable[Document], size: int) -> Iterator[tuple[int, list[Document]]]:
    """Yield (place of the first, documents) of ``size`` documents a time."""
    iterator = iter(documents)
    start = 0
    while piece := list(islice(iterator, size)):
        yield start, piece
        start += len(piece)


def _assemble(path: Path, shape: tuple[int, int], shard_size: int, shards: Shards) -> None:
    """Copy all shards into one .npy file without holding more than one in memory."""
    whole = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, shape[0], shard_size):
        stop = min(start + shard_size, shape[0])
        shard = shards.read(start, stop)
        if shard is None:
            raise DenseflowError(
                f"the shard of passages {start} to {stop} was altered or deleted while the others were encoded; run "
                "the workflow again, which encodes that shard alone"
            )
        whole[start:stop] = shard
    whole.flush()


def _refuse_not_finite(vectors: np.ndarray, ids: Sequence[str], model_manifest: Path) -> None:
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise DenseflowError(
            f"{model_manifest.parent / 'model'}: the vector of {ids[int(np.argmin(finite))]!r} holds NaN or infinity "
            f"({int((~finite).sum())} of {len(finite)} vectors do); the weights are broken, as fp16 training can leave "
            "them. Train the model again with bf16 or fp32"
        )


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _write_ids(path: Path, ids: Sequence[str]) -> None:
    write_text(path, "".join(f"{name}\n" for name in ids))


def _write_manifest(folder: Path, name: str, shape: tuple[int, ...], facts: dict[str, Any]) -> dict[str, Any]:
    return write_manifest(
        folder,
        "encode",
        [f"{name}.npy", f"{name}.ids"],
        packages=PACKAGES,
        name=f"{name}.manifest.json",
        count=shape[0],
        shards=[{"file": f"{name}.npy", "rows": shape[0]}],
        dimensions=shape[1],
        **facts,
    )
