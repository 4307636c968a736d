"""The parts of a model card, each a function from facts to Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import yaml

from denseflow.negatives.audit_text import audit_text
from denseflow.report import words
from denseflow.report.markdown import (
    differences_table,
    escape,
    markdown_table,
    means_table,
    short_differences_table,
)
from denseflow.report.rows import Row

MOST_LOOKS = 30
"""Scores during training that are shown; of more, some between are left out."""

Facts = Mapping[str, dict[str, Any]]
"""The manifests of ``model``, ``base``, ``report`` and ``dataset``, and the negatives' ``audit``."""

_KINDS = {
    "encoder": "dense retriever: it turns queries and passages into vectors that are compared",
    "sparse_encoder": "sparse retriever (SPLADE): it gives queries and passages weights of the terms of its vocabulary",
    "cross_encoder": "cross-encoder: it reads a query and a passage together and scores the pair, to rerank results",
}
_FACTS = {
    "steps": "optimizer steps planned",
    "warmup_steps": "of these with a rising learning rate",
    "epochs": "epochs",
    "queries_per_step": "queries a step",
    "examples": "training queries",
    "passages": "passages in the training file",
    "examples_lacking_negatives": "queries with fewer negatives than asked for",
    "parameters": "parameters",
    "trained_parameters": "of these trained",
}


def title(options: dict[str, Any], facts: Facts) -> str:
    """What the model is."""
    lines = [f"# {escape(options['model'])}, seed {options['seed']}\n"]
    if options.get("description"):
        lines.append(f"{escape(options['description'])}\n")
    lines.append(
        f"A {_KINDS[options['kind']]}. Fine-tuned from {escape(options['base'])}{_source(facts['base'])} on "
        f"{_data_name(options)} with Denseflow, for the experiment {escape(options['experiment'])}.\n"
    )
    return "\n".join(lines)


def before_and_after(
    options: dict[str, Any], table: Sequence[Row], means: Sequence[dict[str, str]], report: dict[str, Any]
) -> str:
    """The table's rows of this model and of the one before, and this seed's own means."""
    rows = [row for row in table if row.system in (options["before"], *options["systems"])]
    if not any(row.system in options["systems"] for row in rows):
        return f"Not compared itself in the experiment {escape(options['experiment'])}, where others need it.\n"
    parts = []
    for place, of_place in words.by_place(rows).items():
        parts.append(f"{escape(words.heading(place, of_place))}:\n")
        parts.append(means_table(of_place))
        if any(row.compared for row in of_place):
            parts.append(differences_table(of_place))
    own = ", ".join(f"{mean['measure']} {words.score(float(mean['mean']))} ({_place(mean)})" for mean in means)
    parts.append(f"This seed alone: {escape(own)}.\n")
    parts.append("".join(f"- {escape(line)}\n" for line in words.caption(table, report["options"], [])))
    return "\n".join(parts)


def on_sentences(options: dict[str, Any], table: Sequence[Row]) -> str:
    """The rows of this model and of the one before in the table of similarity, where nothing was searched."""
    rows = [row for row in table if row.system in (options["before"], *options["systems"])]
    if not any(row.system in options["systems"] for row in rows):
        return f"Not compared itself in the experiment {escape(options['experiment'])}, where others need it.\n"
    parts = []
    for place, of_set in words.by_place(rows).items():
        parts += [f"{escape(place.dataset)}, {of_set[0].queries:,} pairs of sentences:\n", means_table(of_set)]
        if any(row.compared for row in of_set):
            parts.append(short_differences_table(of_set))
    parts.append("[low, high]: bootstrap intervals over pairs; p is corrected by Holm's method.\n")
    return "\n".join(parts)


def data(options: dict[str, Any], facts: Facts) -> str:
    """The collection, its counts, and the audit of the negatives."""
    parts = [f"Training data: {_data_name(options)}.\n"]
    dataset, audit = facts["dataset"], facts["audit"]
    if dataset:
        counts, split = dataset["counts"], options["data"].get("split") or "train"
        # Where each passage is a query, there is no split of that name.
        of_split = {"split": {split: counts["splits"][split]}} if split in counts["splits"] else {}
        parts.append(_yaml({**dataset["options"], "documents": counts["documents"], **of_split}))
    negatives = (options.get("data") or {}).get("negatives")
    if audit:
        parts.append(f"Negatives: {escape(str(negatives))}. Their audit:\n")
        parts.append(f"```text\n{audit_text(audit)}\n```\n")
    teacher = (options.get("data") or {}).get("teacher")
    if teacher:
        share = (facts["model"].get("teacher") or {}).get("scored_share")
        scored = "" if share is None else f", which scored {100 * share:.1f}% of the pairs"
        parts.append(f"Teacher: {escape(teacher)}{scored}.\n")
    return "\n".join(parts)


def training(options: dict[str, Any], facts: Facts) -> str:
    """Recipe, contract and counts."""
    model = facts["model"]
    counts = model["counts"]
    lines = [[text, f"{counts[name]:,}"] for name, text in _FACTS.items() if name in counts]
    for kind in ("positives", "negatives"):
        of = counts.get(f"{kind}_per_query")
        if of:
            lines.append([f"{kind} a query", f"{of['min']} to {of['max']}, median {of['median']}"])
    lines += [
        [f"{name.removesuffix('_cut')} cut at the maximum length", f"{100 * share:.1f}%"]
        for name, share in counts.items()
        if name.endswith("_cut")
    ]
    lines += [["seed", str(options["seed"])], ["precision", model["precision"]], ["device", model["device"]]]
    return "\n".join(
        [
            "The recipe:\n",
            _yaml(model["recipe"]),
            "The contract, saved with the model:\n",
            _yaml(model["contract"]),
            markdown_table(["", "before training"], "lr", lines),
        ]
    )


def learning_curve(curve: Sequence[tuple[int, str, float]], model: dict[str, Any]) -> str:
    """The scores during training, and the picture."""
    parts = []
    if curve:
        scoring = model.get("evaluation") or {}
        decides = scoring.get("measure")
        measures = sorted({measure for _, measure, _ in curve}, key=lambda measure: (measure != decides, measure))
        by_step: dict[int, dict[str, float]] = {}
        for step, measure, value in curve:
            by_step.setdefault(step, {})[measure] = value
        best = scoring.get("best", {}).get("step")
        lines = [
            [
                f"**{step}**" if step == best else str(step),
                *(words.score(found.get(name, float("nan"))) for name in measures),
            ]
            for step, found in _some(by_step, best)
        ]
        split = (model["recipe"].get("evaluate") or {}).get("split", "dev")
        of = ", ".join(f"{scoring[what]:,} {what}" for what in ("queries", "passages") if what in scoring)
        parts.append(f"On {escape(split)}{f' ({of})' if of else ''}, by steps; the best is bold:\n")
        parts.append(markdown_table(["step", *map(escape, measures)], "r" * (1 + len(measures)), lines))
    else:
        parts.append("It was not scored during training.\n")
    parts.append("![loss, learning rate and other curves by step](curves.svg)\n")
    return "\n".join(parts)


def limits(options: dict[str, Any], facts: Facts) -> str:
    """What the model's numbers do not say, and what training warned of."""
    lines = [
        "Its scores are known for the collections and splits above only; on other texts, languages or kinds of query "
        "it may be worse than the model that it started from. Score it there first.",
        "Collections are judged in part: a passage without judgement counts as not relevant.",
        "The licences of the base model and of the training data apply.",
        *(f"Training warned: {warning}." for warning in facts["model"].get("warnings", [])),
    ]
    dataset = facts["dataset"]
    lines += [f"The collection: {warning}." for warning in dataset.get("warnings", [])]
    return "".join(f"- {escape(line)}\n" for line in lines)


def files_and_versions(options: dict[str, Any], model: dict[str, Any]) -> str:
    """The digests of the weights, and what they were made with."""
    weights = [
        [f"`{name}`", f"`{file['sha256']}`"]
        for name, file in model["files"].items()
        if name.startswith("model/") and name.endswith(".safetensors")
    ]
    versions = ", ".join(f"{package} {version}" for package, version in model["versions"].items())
    inputs = [[escape(name), f"`{digest}`"] for name, digest in model["inputs"].items()]
    return "\n".join(
        [
            markdown_table(["weights", "SHA-256"], "ll", weights),
            markdown_table(["made from", "SHA-256"], "ll", inputs),
            f"{escape(versions)}. The same inputs, recipe, seed and versions give the same weights on the same kind of "
            "device.\n",
        ]
    )


def _data_name(options: dict[str, Any]) -> str:
    of = options.get("data") or {}
    if of.get("dataset"):
        return escape(f"{of['dataset']} {of.get('split') or 'train'}")
    return f"the file {escape(str(of.get('file')))}"


def _source(base: dict[str, Any]) -> str:
    source = base.get("source") or {}
    for kind in ("hub", "package", "path"):
        if source.get(kind):
            version = source.get("commit") or source.get("version") or source.get("revision")
            name = PurePath(source[kind]).name if kind == "path" else source[kind]
            return f" ({kind} {escape(name)}{f', {escape(str(version))}' if version else ''})"
    return " (trained too)" if "recipe" in base else ""


def _place(mean: dict[str, str]) -> str:
    return f"{mean['system']}, {mean['dataset']} {mean['split']}"


def _some(by_step: dict[int, dict[str, float]], best: int | None) -> list[tuple[int, dict[str, float]]]:
    """At most about :data:`MOST_LOOKS`, evenly spaced, with the first, the best and the last one."""
    steps = sorted(by_step)
    every = -(-len(steps) // MOST_LOOKS)
    chosen = {*steps[::every], steps[-1], *([best] if best in by_step else [])}
    return [(step, by_step[step]) for step in steps if step in chosen]


def _yaml(value: Any) -> str:
    return f"```yaml\n{yaml.safe_dump(value, sort_keys=True, allow_unicode=True)}```\n"
