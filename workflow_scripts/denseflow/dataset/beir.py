"""A collection in BEIR's form: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, each of them gzipped or not."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from denseflow.collection import Qrels, read_answers, read_corpus, read_qrels, read_queries
from denseflow.dataset.archive import unpack
from denseflow.dataset.collection_source import SourceCollection, Split, examples
from denseflow.dataset.download import download
from denseflow.errors import DenseflowError
from denseflow.files import read_lines

FORM = "expected corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, as they are or gzipped (.gz)"


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """A folder, an archive or a download in BEIR's form.

    The queries of a split are those that its qrels name, in the order of queries.jsonl; their ``answers`` are kept.

    Args:
        source: ``path`` (a folder, or a zip or tar archive with the files at its top or in one folder), or ``url`` and
            ``sha256`` of such an archive; ``splits``, a list of names.
        work: A folder to download and unpack into.

    Raises:
        DenseflowError: A file or split is missing, or the download, the archive or a file is broken.
    """
    folder = find_collection(_fetched(source, work), work)
    corpus, queries_file = _find(folder, "corpus.jsonl"), _find(folder, "queries.jsonl")
    qrels = _qrels_files(folder, source["splits"])
    queries, answers = read_queries(queries_file), read_answers(queries_file)
    yield SourceCollection(
        origin=str(folder),
        documents=lambda: read_corpus(corpus),
        splits={split: partial(_split, queries, answers, queries_file, qrels[split]) for split in source["splits"]},
    )


def _fetched(source: Mapping[str, Any], work: Path) -> Path:
    """The folder or archive on this machine, downloaded if need be."""
    if source.get("path") is not None:
        return Path(source["path"])
    path = work / "download"
    download(source["url"], source["sha256"], path)
    return path


def find_collection(path: Path, work: Path) -> Path:
    """The folder that holds the corpus file: ``path`` itself, or one inside the archive ``path``, unpacked in ``work``.

    Raises:
        DenseflowError: The path does not exist, or no folder or more than one holds a corpus file.
    """
    if path.is_dir():
        return path
    if not path.is_file():
        raise DenseflowError(
            f"{path.absolute()}: no such file or folder; correct `path` in the data set's file ({FORM})"
        )
    unpacked = work / "unpacked"
    unpacked.mkdir(parents=True)
    unpack(path, unpacked)
    # What macOS puts beside the files is no part of the collection.
    found = {file.parent for file in unpacked.rglob("corpus.jsonl*") if "__MACOSX" not in file.parts}
    if len(found) != 1:
        folders = examples(sorted(str(folder.relative_to(unpacked)) for folder in found)) or "none"
        raise DenseflowError(f"{path}: folders with a corpus.jsonl in the archive: {folders}; expected one ({FORM})")
    return found.pop()


def _find(folder: Path, name: str) -> Path:
    """``folder/name`` or ``folder/name.gz``, whichever is there."""
    found = [file for file in (folder / name, folder / f"{name}.gz") if file.is_file()]
    if not found:
        there = examples(sorted(file.name for file in folder.iterdir()), 8) or "nothing"
        raise DenseflowError(f"{folder}: no {name}; there is {there}; {FORM}")
    if len(found) > 1:
        raise DenseflowError(f"{folder}: both {name} and {name}.gz are there; delete the one that is not meant")
    return found[0]


def _qrels_files(folder: Path, splits: list[str]) -> dict[str, Path]:
    files = sorted(file.name for pattern in ("*.tsv", "*.tsv.gz") for file in (folder / "qrels").glob(pattern))
    there = list(dict.fromkeys(name.removesuffix(".gz").removesuffix(".tsv") for name in files))
    for split in splits:
        if split not in there:
            raise DenseflowError(
                f"{folder / 'qrels'}: no split {split!r}; splits that exist: {examples(there, 20) or 'none'}. Correct "
                f"`splits` in the data set's file, or add qrels/{split}.tsv"
            )
    return {split: _find(folder / "qrels", f"{split}.tsv") for split in splits}


def _split(queries: dict[str, str], answers: dict[str, list[str]], queries_file: Path, qrels_file: Path) -> Split:
    qrels = read_qrels(qrels_file)
    for query_id in qrels:
        if query_id not in queries:
            raise DenseflowError(
                f"{qrels_file}, line {_line(qrels_file, query_id)}: query {query_id!r} is not in {queries_file.name}; "
                "add the query, or take out its judgements"
            )
    named: Qrels = {query_id: qrels[query_id] for query_id in queries if query_id in qrels}
    return Split(
        {query_id: queries[query_id] for query_id in named},
        named,
        str(qrels_file),
        {query_id: answers[query_id] for query_id in named if query_id in answers},
    )


def _line(qrels_file: Path, query_id: str) -> int:
    return next(number for number, line in read_lines(qrels_file) if line.split("\t")[0] == query_id)
