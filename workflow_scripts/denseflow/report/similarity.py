"""similarity.tsv and similarity.md: an experiment's models on sets of sentences, with the pairs' uncertainty."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from denseflow.files import sha256, write_text
from denseflow.manifest import NAME, read_manifest, write_manifest
from denseflow.report.correlations import MEASURES, Correlations
from denseflow.report.exports import as_tsv, table_frame
from denseflow.report.markdown import escape, means_table, short_differences_table
from denseflow.report.rows import ALL, BEFORE, NAN, Row, verdict
from denseflow.report.statistics import holm

PLACES = {"sts": "pairs", "paraphrases": "mining"}
"""What stands in the column split, by a set's type."""

MINING = {"AP": "average_precision", "F1": "f1"}

DEFAULTS = {"confidence": 0.95, "bootstrap_resamples": 10_000, "seed": 0}


@dataclass(frozen=True)
class Scored:
    """A set of sentences, and the scores.tsv of each system, one a variant."""

    name: str
    type: str
    files: Mapping[str, Sequence[Path]]


def write_similarity(sets: Sequence[Scored], options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write the table of correlations and of paraphrase mining: similarity.tsv, similarity.md and a manifest.

    Args:
        sets: In the order of the table.
        options: ``before`` (a system's name), and those in :data:`DEFAULTS`.
        folder: The experiment's; its name is the title.

    Raises:
        DenseflowError: A file is missing or altered.
    """
    inputs = {}
    for one in sets:
        for system, files in one.files.items():
            for file in files:
                read_manifest(file.with_name(NAME))
                inputs[f"{one.name}/{system}/{file.parent.name}"] = sha256(file.with_name(NAME))
    options = {**DEFAULTS, **options}
    rows = compare_similarity(sets, options)
    write_text(folder / "similarity.tsv", as_tsv(table_frame(rows)))
    write_text(folder / "similarity.md", similarity_page(folder.name, rows, options))
    return write_manifest(
        folder,
        "report",
        ["similarity.tsv", "similarity.md"],
        packages=["scipy", "statsmodels", "pandas"],
        name="similarity.manifest.json",
        options=options,
        inputs=inputs,
    )


def compare_similarity(sets: Sequence[Scored], options: dict[str, Any]) -> list[Row]:
    """A row a set, measure and system.

    Correlations have their intervals and their differences from ``before``, corrected by Holm's method over all of the
    table. Paraphrase mining has neither: what it scores are pairs among all sentences, which are not independent.
    """
    rows = [row for one in sets for row in (_sts_rows if one.type == "sts" else _mining_rows)(one, options)]
    compared = [row for row in rows if row.compared]
    corrected = iter(holm([row.p for row in compared]))
    return [_judged(row, next(corrected), options) if row.compared else row for row in rows]


def similarity_page(title: str, rows: Sequence[Row], options: dict[str, Any]) -> str:
    """The text of similarity.md."""
    parts = [f"# {escape(title)}: similarity of sentences\n"]
    for (dataset, split), of_set in _by_set(rows).items():
        parts += [f"## {escape(dataset)}, {split}: {of_set[0].queries:,} pairs\n", means_table(of_set)]
        if any(row.compared for row in of_set):
            parts += [f"What changed from {escape(options['before'])}:\n", short_differences_table(of_set)]
    lines = [
        "Vectors are compared by their cosine, as sentence-transformers and MTEB do. Seeds: means over them.",
        f"Spearman and Pearson: correlation with people's scores; [low, high]: {100 * options['confidence']:g} % "
        f"bootstrap interval over pairs (percentiles, {options['bootstrap_resamples']:,} samples, the same for all "
        "systems); p: two-sided, from the same samples, corrected by Holm's method over all comparisons of this page.",
        "AP and F1: average precision, and best F1 over all thresholds, of the pairs that mean the same among the "
        "nearest pairs of all sentences, as sentence-transformers' ParaphraseMiningEvaluator defines them; the AP "
        "divides by all such pairs, found or not.",
    ]
    return "\n".join([*parts, "## How to read it\n", "".join(f"- {escape(line)}\n" for line in lines)])


def _by_set(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    sets: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        sets.setdefault((row.dataset, row.split), []).append(row)
    return sets


def _judged(row: Row, p_holm: float, options: dict[str, Any]) -> Row:
    return replace(row, p_holm=p_holm, verdict=verdict(row.difference, p_holm, options["confidence"]))


def _mining_rows(one: Scored, options: dict[str, Any]) -> Iterator[Row]:
    found = {system: [_read(file).set_index("measure")["value"] for file in of] for system, of in one.files.items()}
    pairs = _counted(one)
    for measure, name in MINING.items():
        for system, of_seeds in found.items():
            yield _row(one, system, measure, np.array([values[name] for values in of_seeds]), pairs, options)


def _sts_rows(one: Scored, options: dict[str, Any]) -> Iterator[Row]:
    frames = {system: [_read(file) for file in files] for system, files in one.files.items()}
    people = next(iter(frames.values()))[0]["value"].to_numpy()
    cosines = {system: np.array([frame["cosine"] for frame in of_seeds]) for system, of_seeds in frames.items()}
    before = options["before"]
    for measure in MEASURES:
        found = Correlations(
            measure,
            people,
            cosines,
            confidence=options["confidence"],
            resamples=options["bootstrap_resamples"],
            seed=options["seed"],
        )
        for system in cosines:
            low, high = found.interval(system)
            row = replace(_row(one, system, measure, found.by_seed[system], len(people), options), low=low, high=high)
            if system != before and before in cosines:
                difference, (low, high), p = found.difference(system, before)
                row = replace(row, difference=difference, diff_low=low, diff_high=high, p=p)
            yield row


def _row(one: Scored, system: str, measure: str, by_seed: np.ndarray, pairs: int, options: dict[str, Any]) -> Row:
    several = len(by_seed) > 1
    return Row(
        dataset=one.name,
        split=PLACES[one.type],
        subset=ALL,
        system=system,
        measure=measure,
        mean=float(by_seed.mean()),
        low=NAN,
        high=NAN,
        sd=float(by_seed.std(ddof=1)) if several else NAN,
        seeds=len(by_seed),
        seed_min=float(by_seed.min()) if several else NAN,
        seed_max=float(by_seed.max()) if several else NAN,
        queries=pairs,
        verdict=BEFORE if system == options["before"] else "",
    )


def _counted(one: Scored) -> int:
    file = next(iter(one.files.values()))[0]
    return int(read_manifest(file.with_name(NAME), check=False)["counts"]["pairs"])


def _read(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, sep="\t")
