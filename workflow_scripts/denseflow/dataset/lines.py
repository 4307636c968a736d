"""Plain text, a passage a line."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from denseflow.collection import Document
from denseflow.dataset.collection_source import SourceCollection
from denseflow.dataset.data_files import at_hand
from denseflow.dataset.row_collection import collection_of_documents
from denseflow.dataset.tables import open_queries
from denseflow.files import read_lines


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """The lines of a source's files that are not left out; a line's number is its id.

    Args:
        source: The options of :class:`denseflow.config.sources.lines.LinesSource`.
        work: A folder to download and unpack into.

    Raises:
        DenseflowError: A file is missing, empty or not UTF-8.
    """
    files = [at_hand(file, work / str(number)) for number, file in enumerate(source["files"])]
    queries, judgements = open_queries(source, work)

    def documents() -> Iterator[Document]:
        return _documents(files, source, collection.facts)

    collection = collection_of_documents(documents, str(files[0]), queries, judgements)
    yield collection


def _documents(files: Sequence[Path], source: Mapping[str, Any], facts: dict[str, Any]) -> Iterator[Document]:
    """What was left out stands in ``facts`` at the end; of the lines only hashes are kept."""
    seen: set[bytes] = set()
    short = repeated = 0
    for file_number, file in enumerate(files, start=1):
        for number, line in read_lines(file):
            text = line.removeprefix("\ufeff").strip()
            if len(text) < source["min_characters"]:
                short += 1
                continue
            if source["repeated"] == "leave_out":
                key = hashlib.blake2b(text.encode(), digest_size=12).digest()
                if key in seen:
                    repeated += 1
                    continue
                seen.add(key)
            yield Document(f"{file_number}-{number}" if len(files) > 1 else str(number), "", text)
    facts["lines_left_out"] = {"short": short, "repeated": repeated}
