"""A training of seconds: a tiny base encoder, a dozen queries, and a recipe to change."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tiny import make_tiny_model

from denseflow.manifest import write_manifest
from denseflow.train.train import train

RECIPE: dict[str, Any] = {
    "loss": {"name": "infonce", "temperature": 0.1, "in_batch_negatives": True},
    "batch_size": 4,
    "negatives_per_query": 1,
    "epochs": 1.0,
    "max_steps": None,
    "learning_rate": 1e-3,
    "warmup_ratio": 0.0,
    "weight_decay": 0.0,
    "schedule": "linear",
    "max_grad_norm": 1.0,
    "accumulation": 1,
    "precision": "fp32",
    "gradient_checkpointing": False,
    "positive": "random",
    "positives_per_query": 1,
    "dropout": None,
}
WORDS = ["study", "health", "disease", "cancer", "heart", "diet", "food", "fruit", "meat", "milk"]


def make_base(folder: Path, **options: Any) -> Path:
    """Write a tiny encoder as a train stage would, and return its manifest."""
    model = make_tiny_model(folder / "model", **options)
    files = [str(path.relative_to(folder)) for path in model.rglob("*") if path.is_file()]
    write_manifest(folder, "train", files)
    return folder / "manifest.json"


def make_training_file(path: Path, *, negatives: int = 3, positives: int = 2) -> Path:
    """Write ten queries, which the batch size of 4 does not divide."""
    rows = [
        {
            "query_id": f"q{number}",
            "query": f"what is {word}",
            "positive_passages": [passage(f"p{number}{n}", word, f"{word} and risk {n}") for n in range(positives)],
            "negative_passages": [passage(f"n{number}{n}", "", f"not {word} with {n}") for n in range(negatives)],
        }
        for number, word in enumerate(WORDS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def passage(docid: str, title: str, text: str) -> dict[str, str]:
    return {"docid": docid, "title": title, "text": text}


def run(
    base: Path, training_file: Path, folder: Path, *, contract: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """Train in ``folder`` and return the results' folder; ``changes`` are of the recipe or ``train``'s arguments."""
    arguments = {"seed": 0, "micro_batch": None, "checkpoint_minutes": 60.0, "checkpoint_steps": None}
    arguments |= {name: changes.pop(name) for name in list(changes) if name in arguments}
    recipe = {**RECIPE, **changes}
    train(
        base,
        training_file,
        recipe,
        folder / "out",
        folder / "work",
        granted_gpus=0,
        threads=1,
        contract=contract or {},
        **arguments,
    )
    return folder / "out"


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def history(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
