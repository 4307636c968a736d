"""BM25 on the collections beside the project, with the figures of others: writes docs/results/bm25.md.

python benchmarks/bm25.py [SHARED] [COLLECTION ...]
"""

import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from classic_collections import lay_out_classic
from real_collections import lay_out_nfcorpus, lay_out_scifact

from denseflow.bm25.analyzers import CHARACTER_BIGRAMS
from denseflow.bm25.index import build_index
from denseflow.bm25.search import search
from denseflow.collection import read_qrels
from denseflow.dataset.export import export
from denseflow.evaluate.measures import evaluate
from denseflow.manifest import read_manifest
from denseflow.report.markdown import markdown_table
from denseflow.run_file import read_run

PROJECT = Path(__file__).resolve().parents[1]
MEASURES = ("nDCG@10", "R@100", "RR", "AP", "P@30")
SETTINGS = ((0.9, 0.4), (1.5, 0.75))
ANSERINI, ANOTHER = "Anserini", "another BM25, k1 1.5, b 0.75"

PUBLISHED: dict[str, list[tuple[str, dict[str, float]]]] = {
    "nfcorpus": [
        (f"{ANSERINI} and Pyserini, flat, k1 0.9, b 0.4", {"nDCG@10": 0.3218, "R@100": 0.2457}),
        ("bm25s, in MTEB's results", {"nDCG@10": 0.3208, "R@100": 0.2581}),
        (ANOTHER, {"nDCG@10": 0.3210, "R@100": 0.2466, "RR": 0.5291, "AP": 0.1485}),
    ],
    "scifact": [
        (f"{ANSERINI} and Pyserini, flat, k1 0.9, b 0.4", {"nDCG@10": 0.6789, "R@100": 0.9253}),
        ("bm25s, in MTEB's results", {"nDCG@10": 0.6874, "R@100": 0.9127}),
        (ANOTHER, {"nDCG@10": 0.6863, "R@100": 0.9127, "RR": 0.6530}),
    ],
    "cranfield": [(ANOTHER, {"nDCG@10": 0.3650, "R@100": 0.7349, "RR": 0.5316, "AP": 0.3013})],
    "cacm": [
        (f"{ANSERINI}, over web pages of the same records", {"AP": 0.3123, "P@30": 0.1942}),
        (ANOTHER, {"nDCG@10": 0.4935, "R@100": 0.6774, "RR": 0.7479, "AP": 0.3391}),
    ],
    "cisi": [(ANOTHER, {"nDCG@10": 0.3858, "R@100": 0.4402, "RR": 0.6412, "AP": 0.2146})],
    "npl": [
        ("Terrier", {"AP": 0.2965}),
        (ANOTHER, {"nDCG@10": 0.4280, "R@100": 0.5966, "RR": 0.6881, "AP": 0.2803}),
    ],
    "time": [(ANOTHER, {"nDCG@10": 0.7467, "R@100": 0.9535, "RR": 0.7905, "AP": 0.6852})],
    "adi": [(ANOTHER, {"nDCG@10": 0.4938, "R@100": 0.9103, "RR": 0.6460, "AP": 0.4185})],
}


class Questions(NamedTuple):
    """A file of questions on passages, in SQuAD's JSON, searched in its own passages."""

    file: str
    language: str
    bigrams: dict[str, float]
    """What a BM25 over character bigrams gives, by the collection's SOURCE.md."""
    title_separator: str | None = None


QUESTIONS = {
    "korquad": Questions("korquad/KorQuAD_v1.0_dev.json.gz", "ko", {"nDCG@10": 0.9432, "R@100": 0.9993, "RR": 0.9275}),
    "jaquad": Questions("jaquad/jaquad-dev.zip", "ja", {"nDCG@10": 0.9050, "R@100": 0.9982, "RR": 0.8802}),
    "jsquad": Questions("jglue/jsquad-valid-v1.3.json.gz", "ja", {"nDCG@10": 0.9369, "RR": 0.9257}, " [SEP] "),
    "cmrc2018": Questions("cmrc2018/cmrc2018_dev.json.gz", "zh", {"nDCG@10": 0.9810, "RR": 0.9754}),
    "drcd": Questions("drcd/DRCD_test.json.gz", "zh", {"nDCG@10": 0.9668, "RR": 0.9576}),
}
OF_QUESTIONS = ("nDCG@10", "R@100", "RR")

PAGE = """\
# BM25, measured

Made by `python benchmarks/bm25.py` from the collections beside the project; do not edit. BM25 is Anserini's as the bm25
stage has it, 1,000 documents a query. Means are over all judged queries (`trec_eval -c`). The figures of others are
those of the collections' SOURCE.md and of reference-scores.md.

The collections in English have English analysis (Porter's stemmer, Lucene's stop words), title and text in one field;
"another BM25" has other tokens, stop words and stemmer (Snowball's). The classic collections are read as their files in
config/datasets say: Cranfield is graded, 5 less the code, without code -1, and the title that its texts repeat is read
once; TIME's articles are numbered as its judgements count them; CACM is title and abstract.

The questions in Korean, Japanese and Chinese are searched in the passages of their own file, without titles but for
JSQuAD's, once with Lucene's analyser of the language and once over [character bigrams](../bm25.md).
"""


def main(shared: Path, names: Sequence[str]) -> None:
    """Write the page, or print the part of some collections alone."""
    parts = [
        (_of_questions if name in QUESTIONS else _part)(shared, name) for name in names or [*PUBLISHED, *QUESTIONS]
    ]
    if names:
        print("\n".join(parts))
        return
    (PROJECT / "docs" / "results" / "bm25.md").write_text("\n".join([PAGE, *parts]), encoding="utf-8")


def _part(shared: Path, name: str) -> str:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        dataset = _lay_out(shared, name, folder / "dataset")
        build_index(dataset / "corpus.jsonl", dataset / "manifest.json", folder / "index", analyzer="en")
        documents = read_manifest(folder / "index" / "manifest.json")["documents"]
        qrels = read_qrels(dataset / "qrels.test.tsv")
        rows = [(f"**Denseflow, k1 {k1}, b {b}**", _scores(dataset, folder, k1, b)) for k1, b in SETTINGS]
    return _table(f"{name}: {documents:,} documents, {len(qrels)} judged queries", [*rows, *PUBLISHED[name]], MEASURES)


def _of_questions(shared: Path, name: str) -> str:
    asked = QUESTIONS[name]
    source = {"type": "squad", "files": {"all": {"path": str(shared / "data" / asked.file)}}}
    titles = {"titles": asked.title_separator is not None, "title_separator": asked.title_separator}
    rows = []
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        dataset = folder / "dataset"
        export({**source, **titles, "splits": {"test": [{"file": "all"}]}, "seed": 0}, dataset)
        for analyzer in (asked.language, CHARACTER_BIGRAMS):
            index = folder / "index"
            build_index(dataset / "corpus.jsonl", dataset / "manifest.json", index, analyzer=analyzer)
            documents = read_manifest(index / "manifest.json")["documents"]
            label = f"Lucene's {analyzer}" if analyzer == asked.language else "character bigrams"
            rows += [(f"**{label}, k1 {k1}, b {b}**", _scores(dataset, folder, k1, b)) for k1, b in SETTINGS]
        queries = len(read_qrels(dataset / "qrels.test.tsv"))
    rows.append(("character bigrams, by its SOURCE.md", asked.bigrams))
    return _table(f"{name}: {documents:,} documents, {queries:,} questions", rows, OF_QUESTIONS)


def _table(heading: str, rows: Sequence[tuple[str, dict[str, float]]], measures: Sequence[str]) -> str:
    lines = [
        [label, *(f"{scores[measure]:.4f}" if measure in scores else "" for measure in measures)]
        for label, scores in rows
    ]
    return f"## {heading}\n\n" + markdown_table(["system", *measures], "l" + "r" * len(measures), lines)


def _lay_out(shared: Path, name: str, folder: Path) -> Path:
    if name == "nfcorpus":
        return lay_out_nfcorpus(shared, folder, ("test",))
    return lay_out_scifact(shared, folder) if name == "scifact" else lay_out_classic(shared, name, folder)


def _scores(dataset: Path, folder: Path, k1: float, b: float) -> dict[str, float]:
    run = folder / "test.trec"
    index = folder / "index" / "manifest.json"
    how = {"k1": k1, "b": b, "depth": 1000, "threads": 1, "dataset_manifest": dataset / "manifest.json"}
    search(index, dataset / "queries.test.jsonl", run, **how)
    values: dict[str, list[float]] = {}
    for score in evaluate(read_qrels(dataset / "qrels.test.tsv"), read_run(run), MEASURES):
        values.setdefault(score.measure, []).append(score.value)
    return {measure: math.fsum(each) / len(each) for measure, each in values.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT.parent / "shared", sys.argv[2:])
