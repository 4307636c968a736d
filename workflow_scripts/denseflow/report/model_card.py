"""The card of a trained model: what it is, what it was made from and how, what it changed, how to load it.

Everything is read from manifests and results, so that the same results give the same card, without dates or speeds.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from denseflow.files import write_text
from denseflow.manifest import read_manifest
from denseflow.report import card_parts
from denseflow.report.card_usage import usage
from denseflow.report.rows import read_rows

CURVES = "curves.tsv"
_TASKS = {"encoder": "sentence-similarity", "sparse_encoder": "feature-extraction", "cross_encoder": "text-ranking"}


@dataclass(frozen=True)
class CardInputs:
    """The manifests that a card is made from.

    Attributes:
        model: The trained model's.
        base: Of the model that it started from.
        report: The experiment's, beside table.tsv; beside similarity.tsv where nothing was searched.
        evaluation: The experiment's, beside means.tsv, or None where nothing was searched.
        dataset: Of the collection that it was trained on, or None.
        negatives: Of its training file, beside audit.json, or None.
    """

    model: Path
    base: Path
    report: Path
    evaluation: Path | None = None
    dataset: Path | None = None
    negatives: Path | None = None


def write_model_card(inputs: CardInputs, options: dict[str, Any], path: Path) -> None:
    """Write a model card with Hugging Face's metadata.

    Args:
        inputs: The manifests.
        options: ``model``, ``seed``, ``experiment``, ``kind`` (that of the model's file), ``base`` (a model's name),
            ``systems`` (the experiment's systems that have the model), ``before`` (the one they are compared with);
            and ``data`` (dataset, split, negatives, teacher or file), ``description`` and ``language``, where known.
        path: The card.

    Raises:
        DenseflowError: A file is missing, or is not what its manifest says.
    """
    facts: dict[str, dict[str, Any]] = {
        "model": read_manifest(inputs.model),
        "base": read_manifest(inputs.base, check=False),
        "report": read_manifest(inputs.report),
        "dataset": {} if inputs.dataset is None else read_manifest(inputs.dataset, check=False),
        "audit": {} if inputs.negatives is None else _json(inputs.negatives.with_name("audit.json")),
        "settings": _json(inputs.model.parent / "model" / "denseflow.json"),
    }
    if inputs.evaluation is not None:
        read_manifest(inputs.evaluation)
        rows = list(read_rows(inputs.report.with_name("table.tsv")))
        means = _own_means(inputs.evaluation.with_name("means.tsv"), options)
        compared = card_parts.before_and_after(options, rows, means, facts["report"])
    else:
        means = []
        compared = card_parts.on_sentences(options, list(read_rows(inputs.report.with_name("similarity.tsv"))))
    curve = _dev_curve(inputs.model.with_name(CURVES))
    parts = [
        card_parts.title(options, facts),
        "## How to load it\n",
        usage(options["kind"], facts["model"], facts["settings"]),
        "## Before and after\n",
        compared,
        "## What it was trained on\n",
        card_parts.data(options, facts),
        "## How it was trained\n",
        card_parts.training(options, facts),
        "## Its learning curve\n",
        card_parts.learning_curve(curve, facts["model"]),
        "## Limits\n",
        card_parts.limits(options, facts),
        "## Files and versions\n",
        card_parts.files_and_versions(options, facts["model"]),
    ]
    metadata = _metadata(options, facts, means).to_yaml()
    write_text(path, str(ModelCard(f"---\n{metadata}\n---\n\n" + "\n".join(parts), ignore_metadata_errors=True)))


def _metadata(options: dict[str, Any], facts: dict[str, Any], means: list[dict[str, str]]) -> ModelCardData:
    dataset = (options.get("data") or {}).get("dataset")
    results = [
        EvalResult(
            task_type="information-retrieval",
            task_name="Information Retrieval",
            dataset_type=mean["dataset"],
            dataset_name=f"{mean['dataset']} {mean['split']}",
            dataset_split=mean["split"],
            metric_type=mean["measure"],
            metric_name=mean["measure"],
            metric_value=float(mean["mean"]),
        )
        for mean in means
        if mean["system"] == options["systems"][0]
    ]
    return ModelCardData(
        model_name=f"{options['model']} seed {options['seed']}",
        library_name="sentence-transformers",
        pipeline_tag=_TASKS[options["kind"]],
        base_model=facts["base"].get("source", {}).get("hub") or options["base"],
        datasets=[dataset] if dataset else None,
        language=options.get("language"),
        tags=["sentence-transformers", options["kind"].replace("_", "-"), "retrieval", "denseflow"],
        eval_results=results or None,
    )


def _own_means(path: Path, options: dict[str, Any]) -> list[dict[str, str]]:
    """The lines of means.tsv of this very seed."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        variant = f"seed{options['seed']}"
        return [line for line in lines if line["system"] in options["systems"] and line["variant"] == variant]


def _dev_curve(path: Path) -> list[tuple[int, str, float]]:
    """(step, measure, value) of each score during training."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            (int(line["step"]), line["name"].removeprefix("dev/"), float(line["value"]))
            for line in lines
            if line["name"].startswith("dev/")
        ]


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
