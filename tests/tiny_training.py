"""A training of seconds: a tiny base encoder, a dozen queries, and a recipe to change."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tiny import make_tiny_model

from denseflow.collection import QRELS_HEADER
from denseflow.config.kinds import PAIR_LOSSES
from denseflow.files import write_jsonl, write_text
from denseflow.manifest import write_manifest
from denseflow.train.cross_encoder.train import train_cross_encoder
from denseflow.train.train import train
from denseflow.train.where import Where

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


def make_collection(folder: Path, *, split: str = "dev", passages: int = 40) -> Path:
    """Write a collection whose queries are like those of :func:`make_training_file`, and return its manifest."""
    documents = [
        {
            "_id": f"d{number}",
            "title": WORDS[number % 10],
            "text": f"{WORDS[number % 10]} {WORDS[number % 7]} of {number}",
        }
        for number in range(passages)
    ]
    queries = [{"_id": f"q{number}", "text": f"who has {word}"} for number, word in enumerate(WORDS)]
    levels = [f"q{number}\td{number + 10 * n}\t{2 - n}" for number in range(len(WORDS)) for n in range(2)]
    write_jsonl(folder / "corpus.jsonl", documents)
    write_jsonl(folder / f"queries.{split}.jsonl", queries)
    write_text(folder / f"qrels.{split}.tsv", "\n".join([QRELS_HEADER, *levels]) + "\n")
    write_manifest(folder, "dataset", ["corpus.jsonl", f"queries.{split}.jsonl", f"qrels.{split}.tsv"])
    return folder / "manifest.json"


def passage(docid: str, title: str, text: str) -> dict[str, str]:
    return {"docid": docid, "title": title, "text": text}


def run(
    base: Path, training_file: Path, folder: Path, *, contract: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """Train in ``folder`` and return the results' folder; ``changes`` are of the recipe or ``train``'s arguments."""
    given, out = arguments(**changes), folder / "out"
    function = train_function(given["recipe"])
    function(base, training_file, folder=out, work=folder / "work", contract=contract or {}, **given)
    return out


def train_function(recipe: dict[str, Any]) -> Callable[..., Any]:
    """What trains with a recipe: its loss says whether it is one of vectors or of pairs."""
    return train_cross_encoder if recipe["loss"]["name"] in PAIR_LOSSES else train


def arguments(**changes: Any) -> dict[str, Any]:
    """``train``'s arguments but for paths, with changes: of the recipe, of :class:`Where`, or of the arguments."""
    where = {name: changes.pop(name) for name in list(changes) if name in Where.__dataclass_fields__}
    others = {name: changes.pop(name) for name in list(changes) if name in ("seed", "evaluation", "teacher_scores")}
    # A trial takes as long as a step; the tests of it ask for it.
    where = {"checkpoint_minutes": 60.0, "trial": False, **where}
    return {"recipe": {**RECIPE, **changes}, "where": Where(**where), "seed": 0, **others}


def weights(out: Path) -> dict[str, torch.Tensor]:
    """All weights of a trained model; those of a module's own folder have its name before theirs."""
    model = out / "model"
    return {
        ".".join([*file.parent.relative_to(model).parts, name]): tensor
        for file in sorted(model.rglob("model.safetensors"))
        for name, tensor in load_file(file).items()
    }


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def history(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
