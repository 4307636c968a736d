"""The real collections beside the project, laid out as the dataset stage lays them out."""

import ast
import csv
import gzip
import json
import re
import shutil
from pathlib import Path

from denseflow.files import write_jsonl
from denseflow.manifest import write_manifest


def lay_out_nfcorpus(shared: Path, folder: Path, splits: tuple[str, ...]) -> Path:
    source = shared / "data" / "nfcorpus"
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(source / "corpus.jsonl.gz", "rb") as packed, (folder / "corpus.jsonl").open("wb") as file:
        shutil.copyfileobj(packed, file)
    _write_queries_and_qrels(source, folder, splits)
    return folder


def lay_out_scifact(shared: Path, folder: Path, splits: tuple[str, ...] = ("test",)) -> Path:
    source = shared / "data" / "scifact"
    folder.mkdir(parents=True, exist_ok=True)
    csv.field_size_limit(10**7)
    with gzip.open(source / "corpus_train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        documents = list(csv.DictReader(file))
    write_jsonl(
        folder / "corpus.jsonl",
        ({"_id": row["doc_id"], "title": row["title"], "text": _sentences(row["abstract"])} for row in documents),
    )
    _write_queries_and_qrels(source / "beir", folder, splits)
    return folder


def _sentences(printed: str) -> str:
    """The sentences of an abstract kept as numpy prints an array of strings: literals with no comma between."""
    literals = re.findall(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", printed, flags=re.DOTALL)
    return " ".join(ast.literal_eval(literal) for literal in literals)


def _write_queries_and_qrels(source: Path, folder: Path, splits: tuple[str, ...]) -> None:
    queries = [json.loads(line) for line in (source / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    for split in splits:
        plain, packed = source / "qrels" / f"{split}.tsv", source / "qrels" / f"{split}.tsv.gz"
        qrels = plain.read_bytes() if plain.is_file() else gzip.decompress(packed.read_bytes())
        (folder / f"qrels.{split}.tsv").write_bytes(qrels)
        judged = {line.split("\t")[0] for line in qrels.decode().splitlines()[1:]}
        rows = ({"_id": row["_id"], "text": row["text"]} for row in queries if row["_id"] in judged)
        write_jsonl(folder / f"queries.{split}.jsonl", rows)
    files = ["corpus.jsonl"] + [name for split in splits for name in (f"queries.{split}.jsonl", f"qrels.{split}.tsv")]
    write_manifest(folder, "dataset", files)
