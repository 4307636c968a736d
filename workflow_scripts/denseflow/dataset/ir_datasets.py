"""Any collection of ir_datasets, read by its own loader.

ir_datasets builds a document store in ``$IR_DATASETS_HOME`` on first use, and two processes that do so at once spoil it
silently. So nothing else touches ir_datasets, a lock keeps two exports apart, and documents are counted, not believed.
"""

import difflib
import fcntl
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from denseflow.collection import Document, Qrels
from denseflow.dataset.collection_source import QUICKSTART, SourceCollection, Split, examples
from denseflow.errors import DenseflowError

TITLES = ("title", "document_title", "page_title", "headline")
"""The fields that ir_datasets' document types have for a title."""

TEXTS = ("title", "text", "body", "abstract", "summary", "detailed_description", "code")
"""The fields to take where a type has no ``default_text``: all of them that are texts, joined."""

ANSWERS = "answers"
"""The field of the types of queries that have answers, such as those of dpr-w100."""


def has_answers(dataset_id: str) -> bool:
    """Whether a data set's type of queries has answers, which is known before anything is downloaded.

    True also where nothing is known of it; the export says what is wrong then.
    """
    import ir_datasets

    if dataset_id not in ir_datasets.registry or not ir_datasets.load(dataset_id).has_queries():
        return True
    return ANSWERS in getattr(ir_datasets.load(dataset_id).queries_cls(), "_fields", (ANSWERS,))


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """The collection of the ids ``source["splits"]`` (id by the split's name), which must share their documents.

    Args:
        source: ``splits``, for example ``{"train": "beir/nfcorpus/train", "test": "beir/nfcorpus/test"}``.
        work: Not used; ir_datasets keeps its files in ``$IR_DATASETS_HOME``.

    Raises:
        DenseflowError: An id is unknown or lacks documents, queries or judgements; the ids do not share their
            documents; or ir_datasets cannot download or read its files.
    """
    # Importing it makes its folder and reads its environment variables: only who exports from it wants that.
    import ir_datasets

    ids: Mapping[str, str] = source["splits"]
    with _locked(ir_datasets.util.home_path()):
        datasets = {split: _load(ir_datasets, dataset_id) for split, dataset_id in ids.items()}
        _check_shared_documents(ids, datasets)
        first = next(iter(ids))
        warnings: list[str] = []
        yield SourceCollection(
            origin=f"ir_datasets {ids[first]}",
            documents=partial(_documents, ids[first], datasets[first], warnings),
            splits={split: partial(_split, ids[split], datasets[split], warnings) for split in ids},
            warnings=warnings,
            packages=("ir_datasets",),
        )


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Keep other exports of this machine from ir_datasets' folder; the lock ends with the process, however it ends."""
    folder = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _load(ir_datasets: Any, dataset_id: str) -> Any:
    try:
        dataset = ir_datasets.load(dataset_id)
    except KeyError:
        close = difflib.get_close_matches(dataset_id, list(ir_datasets.registry), n=5, cutoff=0.5)
        raise DenseflowError(
            f"source ir_datasets: no data set {dataset_id!r} in ir_datasets {ir_datasets.__version__}; close to it: "
            f"{examples(close, 5) or 'none'}. The ids are listed at https://ir-datasets.com"
        ) from None
    lacking = [kind for kind in ("docs", "queries", "qrels") if not dataset.has(kind)]
    if lacking:
        parts = [name for name in ir_datasets.registry if name.startswith(f"{dataset_id}/")]
        whole = [
            name for name in parts if all(ir_datasets.load(name).has(kind) for kind in ("docs", "queries", "qrels"))
        ]
        raise DenseflowError(
            f"source ir_datasets: {dataset_id!r} has no {' and no '.join(lacking)}, and a split needs documents, "
            f"queries and judgements; ids below it that have them: {examples(whole, 10) or 'none'}"
        )
    return dataset


def _check_shared_documents(ids: Mapping[str, str], datasets: Mapping[str, Any]) -> None:
    first = next(iter(ids))
    for split, dataset in datasets.items():
        one, other = datasets[first].docs_handler(), dataset.docs_handler()
        if one is not other and (_kind(one) is None or _kind(one) != _kind(other)):
            raise DenseflowError(
                f"source ir_datasets: the splits must share their documents, but {ids[first]!r} (split {first}) and "
                f"{ids[split]!r} (split {split}) have different ones; make a data set of each"
            )


def _kind(handler: Any) -> tuple[str, type] | None:
    """The namespace and the type of a handler's documents, if it says them."""
    try:
        namespace = handler.docs_namespace()
        return None if namespace is None else (namespace, handler.docs_cls())
    except (TypeError, ValueError, AssertionError):  # declared without self, or not yet written, for a few data sets
        return None


def _documents(dataset_id: str, dataset: Any, warnings: list[str]) -> Iterator[Document]:
    count = 0
    for row in _read(dataset_id, dataset.docs_iter):
        count += 1
        yield document(row)
    expected = ((dataset.docs_metadata() if hasattr(dataset, "docs_metadata") else None) or {}).get("count")
    if expected is not None and expected != count:
        warnings.append(
            f"{dataset_id}: {count} documents read, but {expected} in ir_datasets' own metadata: another version of "
            "the files, or a spoilt document store (delete the data set's folder in $IR_DATASETS_HOME and run again)"
        )


def document(row: Any) -> Document:
    """The title and the text of a document of any of ir_datasets' types.

    The text is the type's own ``default_text()``, without the title at its beginning if that is where it stands.
    """
    row = row._replace(**{name: "" for name in row._fields if getattr(row, name) is None})
    text = _default_text(row)
    title = next((value for name in TITLES if isinstance(value := getattr(row, name, None), str)), None)
    if title is None or not text.startswith(title):
        return Document(row.doc_id, "", text)
    rest = text[len(title) :]
    return Document(row.doc_id, title, rest[1:] if rest[:1].isspace() else rest)


def _default_text(row: Any) -> str:
    if hasattr(row, "default_text"):
        return row.default_text()
    texts = [getattr(row, name) for name in TEXTS if isinstance(getattr(row, name, None), str)]
    if not texts:
        raise DenseflowError(
            f"source ir_datasets: the type {type(row).__name__} has no text that could be searched (fields: "
            f"{', '.join(row._fields)}); choose another data set"
        )
    return " ".join(texts)


def _split(dataset_id: str, dataset: Any, warnings: list[str]) -> Split:
    queries: dict[str, str] = {}
    answers: dict[str, list[str]] = {}
    for row in _read(dataset_id, dataset.queries_iter):
        if row.query_id in queries:
            raise DenseflowError(
                f"source ir_datasets: {dataset_id} has query {row.query_id!r} twice; ids must be unique"
            )
        queries[row.query_id] = _default_text(row)
        answers[row.query_id] = [answer for answer in getattr(row, ANSWERS, None) or () if answer.strip()]
    qrels: Qrels = {}
    repeated = 0
    for row in _read(dataset_id, dataset.qrels_iter):
        judged = qrels.setdefault(row.query_id, {})
        repeated += row.doc_id in judged
        judged[row.doc_id] = max(row.relevance, judged.get(row.doc_id, row.relevance))
    if repeated:
        warnings.append(f"{dataset_id}: {repeated} judgements of a pair judged before; the highest level was kept")
    answers = {query_id: found for query_id, found in answers.items() if found}
    return Split(queries, qrels, f"ir_datasets {dataset_id}", answers)


def _read(dataset_id: str, start: Any) -> Iterable[Any]:
    """Iterate over what ``start`` gives, turning ir_datasets' errors into one that says what to do."""
    try:
        yield from start()
    except Exception as error:
        raise DenseflowError(_failure(dataset_id, error)) from error


def _failure(dataset_id: str, error: Exception) -> str:
    from ir_datasets.util import Download, home_path

    reason = f"{type(error).__name__}: {error}"
    failed = [
        owner
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if isinstance(owner := frame.f_locals.get("self"), Download)
    ]
    if not failed:
        return (
            f"source ir_datasets: {dataset_id} cannot be read ({reason}). If its file in {home_path()} was placed by "
            f"hand or is truncated, replace it, delete what was built from it beside it, and run again. {QUICKSTART}"
        )
    urls = [str(mirror.url) for mirror in failed[-1].mirrors if hasattr(mirror, "url")]
    md5 = failed[-1].expected_md5
    place = failed[-1].path(force=False) if failed[-1]._cache_path else home_path() / "downloads" / str(md5)
    return (
        f"source ir_datasets: {dataset_id} cannot be downloaded. Tried: {', '.join(urls) or 'a local file'} "
        f"({reason}). To place the file by hand, download it elsewhere (md5 {md5}) and put it at {place}; the folder "
        f"is $IR_DATASETS_HOME, or ~/.ir_datasets. {QUICKSTART}"
    )
