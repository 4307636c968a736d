"""The report of an experiment: the table in several forms, the queries that changed most and, last, the manifest."""

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.evaluate.names import parse_measure
from denseflow.files import sha256, write_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.report.compare import compare_systems
from denseflow.report.exports import as_csv, as_latex, as_tsv, table_frame
from denseflow.report.gains import Gain, Passage, find_gains
from denseflow.report.markdown import gains_page, table_page
from denseflow.report.near_twins_file import read_near_twins
from denseflow.report.page_data import report_json, table_json
from denseflow.report.rows import ALL, COLUMNS, over
from denseflow.report.scores import Scores

DEFAULTS = {
    "before": "before",
    "compare": None,
    "after": None,
    "measure_for_gains": None,
    "confidence": 0.95,
    "bootstrap_resamples": 10_000,
    "permutations": 10_000,
    "power": 0.8,
    "seed": 0,
    "gains": 10,
}

_GAIN_COLUMNS = (
    "dataset",
    "split",
    "measure",
    "system",
    "direction",
    "query_id",
    "text",
    "before",
    "after",
    "difference",
    "relevant_before",
    "relevant_after",
    "top_before",
    "top_after",
)


def write_report(
    evaluation: Path,
    options: dict[str, Any],
    folder: Path,
    *,
    datasets: dict[str, Path],
    systems: Sequence[dict[str, Any]],
    near_twins: Path | None = None,
) -> dict[str, Any]:
    """Write the table that says what fine-tuning changed, and the queries that gained and lost most.

    The table is written for people (table.md), papers (table.tex) and programs (table.tsv, table.csv,
    table.json, and report.json with the values of each query), all from the same rows.

    Args:
        evaluation: The evaluate stage's manifest, beside scores.tsv.
        options: ``before`` (a system's name), ``compare`` (the systems compared with it; None: all others), ``after``
            (the systems whose gains are shown; None: the trained ones, whose variants are seeds), ``measure_for_gains``
            (None: the first measure), ``gains`` (how many queries), ``confidence``, ``bootstrap_resamples``,
            ``permutations``, ``power`` and ``seed``. What is missing has the value in :data:`DEFAULTS`.
        folder: Where the files go; its name is the report's title.
        datasets: Each dataset's manifest, beside corpus.jsonl, queries.SPLIT.jsonl and qrels.SPLIT.tsv.
        systems: The runs, as :func:`denseflow.evaluate.measures.evaluate_experiment` took them.
        near_twins: The manifest of what :mod:`denseflow.report.near_twins` found, where models were trained beside
            the evaluated splits.

    Returns:
        The manifest.

    Raises:
        DenseflowError: An option names no system or measure of the evaluation, or a file is missing or altered.
    """
    warnings = read_manifest(evaluation).get("warnings", [])
    for manifest in datasets.values():
        read_manifest(manifest)
    scores = Scores(evaluation.with_name("scores.tsv"))
    chosen = _options(options, scores, systems)
    twins = {} if near_twins is None else read_near_twins(near_twins)
    rows = compare_systems(scores, chosen, twins)
    gains = find_gains(scores, chosen, datasets, systems)
    warnings = [*warnings, *_words_on_twins(scores, twins)]
    title, frame = folder.name, table_frame(rows)
    texts = {
        "table.tsv": as_tsv(frame),
        "table.csv": as_csv(frame),
        "table.json": table_json(title, rows, chosen, warnings),
        "table.tex": as_latex(title, rows, chosen),
        "table.md": table_page(title, rows, chosen, warnings),
        "report.json": report_json(title, rows, chosen, warnings, scores, twins),
        "gains.tsv": _gains_tsv(gains),
        "gains.md": gains_page(title, gains),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return write_manifest(
        folder,
        "report",
        list(texts),
        packages=["scipy", "statsmodels", "pandas", "jinja2"],
        options=chosen,
        columns=list(COLUMNS),
        comparisons=sum(row.compared for row in over(rows, ALL)),
        inputs={
            "evaluation": sha256(evaluation),
            **{f"dataset {name}": sha256(manifest) for name, manifest in sorted(datasets.items())},
            **({} if near_twins is None else {"near-twins": sha256(near_twins)}),
        },
        warnings=warnings,
    )


def _words_on_twins(scores: Scores, twins: Mapping[tuple[str, str], Set[str]]) -> Iterator[str]:
    """What the rows cannot say: that no query has a near-twin in training, or that each one has."""
    for (dataset, split), ids in twins.items():
        queries = {id_ for task in scores.tasks if task[:2] == (dataset, split) for id_ in scores.queries(task)}
        if queries and not ids:
            yield f"no query of {dataset} {split} has a near-twin in training"
        elif queries and queries <= ids:
            yield f"every query of {dataset} {split} has a near-twin in training, so that none is left to show apart"


def _options(options: dict[str, Any], scores: Scores, systems: Sequence[dict[str, Any]]) -> dict[str, Any]:
    unknown = options.keys() - DEFAULTS.keys()
    if unknown:
        raise DenseflowError(f"report: options {sorted(unknown)} are unknown, expected some of {sorted(DEFAULTS)}")
    chosen = {**DEFAULTS, **options}
    trained = {system["name"] for system in systems if str(system["variant"]).startswith("seed")}
    others = [name for name in scores.systems if name != chosen["before"]]
    if chosen["compare"] is None:
        chosen["compare"] = others
    if chosen["after"] is None:
        chosen["after"] = [name for name in others if name in trained]
    for key in ("before", "compare", "after"):
        for name in [chosen[key]] if key == "before" else chosen[key]:
            if name not in scores.systems:
                raise DenseflowError(f"report: {key!r} names {name!r}, which is none of the systems {scores.systems}")
    measures = list(dict.fromkeys(task.measure for task in scores.tasks))
    wanted = chosen["measure_for_gains"]
    chosen["measure_for_gains"] = measures[0] if wanted is None else str(parse_measure(wanted))
    if chosen["measure_for_gains"] not in measures:
        raise DenseflowError(f"report: 'measure_for_gains' is {wanted!r}, which is none of the measures {measures}")
    return chosen


def _gains_tsv(gains: Sequence[Gain]) -> str:
    lines = [_GAIN_COLUMNS, *([_cell(getattr(gain, name)) for name in _GAIN_COLUMNS] for gain in gains)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _cell(value: str | float | tuple[Passage, ...]) -> str:
    if isinstance(value, tuple):
        return " | ".join(f"{'✓ ' if passage.relevant else ''}{passage.title.replace('|', '¦')}" for passage in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split())
