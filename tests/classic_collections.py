"""The classic collections beside the project, laid out as the dataset stage lays them out.

Each SOURCE.md there says how its files are to be read; what is odd in them is handled as it says.
"""

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from denseflow.collection import QRELS_HEADER
from denseflow.files import write_jsonl, write_text
from denseflow.manifest import write_manifest

Judgement = tuple[str, str, int]


class Classic(NamedTuple):
    """A collection: (id, title, text) of each document, text by query id, and (query, document, level)."""

    documents: list[tuple[str, str, str]]
    queries: dict[str, str]
    judgements: list[Judgement]


def lay_out_classic(shared: Path, name: str, folder: Path) -> Path:
    """Write a collection's one split, test: its judged queries."""
    documents, queries, judgements = CLASSIC[name](shared / "data" / name)
    judged = {query for query, _, _ in judgements}
    write_jsonl(folder / "corpus.jsonl", ({"_id": id, "title": title, "text": text} for id, title, text in documents))
    rows = ({"_id": query, "text": text} for query, text in queries.items() if query in judged)
    write_jsonl(folder / "queries.test.jsonl", rows)
    lines = [QRELS_HEADER, *("\t".join(map(str, judgement)) for judgement in judgements)]
    write_text(folder / "qrels.test.tsv", "\n".join(lines) + "\n")
    write_manifest(folder, "dataset", ["corpus.jsonl", "queries.test.jsonl", "qrels.test.tsv"])
    return folder


def _adi(folder: Path) -> Classic:
    return _smart(folder / "ADI.ALL", folder / "ADI.QRY", folder / "ADI.REL")


def _cacm(folder: Path) -> Classic:
    return _smart(folder / "cacm.all.gz", folder / "query.text", folder / "qrels.text")


def _cisi(folder: Path) -> Classic:
    return _smart(folder / "CISI.ALL.gz", folder / "CISI.QRY", folder / "CISI.REL")


def _cranfield(folder: Path) -> Classic:
    """The text repeats the title; the judgements number the queries by position; code 1 is the best, -1 is left out."""
    documents = [(id, "", fields.get("W", "")) for id, fields in _records(folder / "cran.all.1400.gz")]
    texts = [fields["W"] for _, fields in _records(folder / "cran.qry")]
    rows = [map(int, line.split()) for line in _read(folder / "cran.qrels").splitlines() if line.strip()]
    judgements = [(str(query), str(document), 5 - code) for query, document, code in rows if code > 0]
    return Classic(documents, {str(place): text for place, text in enumerate(texts, start=1)}, judgements)


def _npl(folder: Path) -> Classic:
    documents = [(id, "", text) for id, text in _slashed(folder / "doc-text.gz")]
    pairs = _slashed(folder / "rlv-ass")
    judgements = [(query, document, 1) for query, numbers in pairs for document in numbers.split()]
    return Classic(documents, dict(_slashed(folder / "query-text")), judgements)


def _time(folder: Path) -> Classic:
    """The judgements number the articles by position in a file that had two more, between 371 and 377."""
    articles = [part.partition("\n")[2] for part in _read(folder / "TIME.ALL.gz").split("*TEXT")[1:]]
    articles[-1] = articles[-1].partition("*STOP")[0]
    documents = [(str(place), "", _line(text)) for place, text in enumerate(articles, start=1)]
    parts = [part.split("*STOP")[0].split(maxsplit=1) for part in _read(folder / "TIME.QUE").split("*FIND")[1:]]
    rows = [line.split() for line in _read(folder / "TIME.REL").splitlines() if line.strip()]
    judgements = [
        (query, str(number if number <= 370 else number - 2), 1) for query, *found in rows for number in map(int, found)
    ]
    return Classic(documents, {number: _line(text) for number, text in parts}, judgements)


CLASSIC: dict[str, Callable[[Path], Classic]] = {
    "adi": _adi,
    "cacm": _cacm,
    "cisi": _cisi,
    "cranfield": _cranfield,
    "npl": _npl,
    "time": _time,
}


def _smart(documents: Path, queries: Path, judgements: Path) -> Classic:
    rows = [line.split() for line in _read(judgements).splitlines() if line.strip()]
    return Classic(
        [(id, fields.get("T", ""), fields.get("W", "")) for id, fields in _records(documents)],
        {id: fields["W"] for id, fields in _records(queries) if "W" in fields},
        [(query, document, 1) for query, document in dict.fromkeys((str(int(r[0])), r[1]) for r in rows)],
    )


def _records(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """SMART's records: their number, and their fields' texts by letter."""
    for record in re.split(r"^\.I\s+", _read(path), flags=re.MULTILINE)[1:]:
        number, _, rest = record.partition("\n")
        parts = re.split(r"^\.([A-Z])\s*$", rest, flags=re.MULTILINE)
        yield number.strip(), {letter: _line(text) for letter, text in zip(parts[1::2], parts[2::2], strict=True)}


def _slashed(path: Path) -> list[tuple[str, str]]:
    """A number on a line, then text, then a line with a slash."""
    parts = re.split(r"^\s*/\s*$", _read(path), flags=re.MULTILINE)
    pairs = [part.split(maxsplit=1) for part in parts if part.strip()]
    return [(number, _line(text)) for number, text in (pair for pair in pairs if len(pair) == 2)]


def _read(path: Path) -> str:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data.decode("latin-1").replace("\r\n", "\n").replace("\x1a", "")


def _line(text: str) -> str:
    return " ".join(text.split())
