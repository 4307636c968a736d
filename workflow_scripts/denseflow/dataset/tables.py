"""One's own tables: CSV, TSV and JSON, of documents, queries and judgements or of pairs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from denseflow.dataset.collection_source import SourceCollection
from denseflow.dataset.data_files import at_hand
from denseflow.dataset.row_collection import Table, collection_of_documents, documents_of
from denseflow.dataset.row_pairs import collection_of_pairs
from denseflow.table_rows import kind_of, read_rows


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """The collection of a source's files.

    Args:
        source: The options of :class:`denseflow.config.sources.tables.TablesSource`.
        work: A folder to download and unpack into.

    Raises:
        DenseflowError: A file is missing or broken, or lacks a column.
    """
    pairs = {split: open_table(one, work / f"pairs.{split}") for split, one in source["pairs"].items()}
    if pairs:
        yield collection_of_pairs(pairs, next(iter(pairs.values())).place)
        return
    documents = [open_table(one, work / f"documents.{number}") for number, one in enumerate(source["documents"])]
    queries, judgements = open_queries(source, work)
    yield collection_of_documents(lambda: documents_of(documents), documents[0].place, queries, judgements)


def open_queries(source: Mapping[str, Any], work: Path) -> tuple[list[Table], dict[str, Table]]:
    """The tables of queries, and those of each split's judgements."""
    queries = [open_table(one, work / f"queries.{number}") for number, one in enumerate(source["queries"])]
    judgements = {split: open_table(one, work / f"judgements.{split}") for split, one in source["judgements"].items()}
    return queries, judgements


def open_table(options: Mapping[str, Any], work: Path) -> Table:
    """A file's rows; it has a header where its columns are named."""
    file = at_hand(options["file"], work)
    name = options["file"].get("path") or options["file"]["url"]
    kind = f".{options['format']}" if options.get("format") else kind_of(name)
    named = options.get("query", (options.get("text") or [""])[0])
    return Table(name, lambda: read_rows(file, kind, header=isinstance(named, str)), options)
