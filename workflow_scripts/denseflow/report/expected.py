"""Scores that an experiment is expected to give: a reproduction that is off fails loudly."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.evaluate.names import parse_measure
from denseflow.files import write_text
from denseflow.manifest import NAME, read_manifest
from denseflow.report.rows import ALL, over, read_rows

HEADER = ("dataset", "split", "system", "measure", "expected", "tolerance", "found", "difference")
_ROUNDING = 1e-9

Key = tuple[str, str, str, str]
"""Dataset, split, system and measure; a set of sentences stands for a dataset, without a split."""


def check_expected(tables: Sequence[Path], expected: Sequence[dict[str, Any]], path: Path) -> None:
    """Compare the means of an experiment's tables with those expected, and write what was compared.

    Args:
        tables: Their manifests: manifest.json beside table.tsv, similarity.manifest.json beside similarity.tsv.
        expected: ``dataset`` and ``split``, or ``similarity``, and ``system``, ``measure``, ``value`` and ``tolerance``
            of each.
        path: The TSV to write where all are as expected; a set of sentences stands in the column dataset.

    Raises:
        DenseflowError: A mean is off by more than its tolerance; all that are off are listed.
    """
    means = {key: mean for table in tables for key, mean in _means(table)}
    lines: list[tuple[str, ...]] = [HEADER]
    off = []
    for one in expected:
        key = _key(one)
        if key not in means:
            raise DenseflowError(
                f"{tables[0].parent}: no row for {' '.join(filter(None, key))}, whose score is expected; see `expected`"
            )
        difference = means[key] - one["value"]
        numbers = (*(f"{one[name]:.10g}" for name in ("value", "tolerance")), f"{means[key]:.6f}", f"{difference:+.6f}")
        lines.append((*key, *numbers))
        if not abs(difference) <= one["tolerance"] + _ROUNDING:
            off.append(
                f"  {key[2]}, {key[3]} on {' '.join(filter(None, key[:2]))}: expected {one['value']:g} "
                f"\N{PLUS-MINUS SIGN} {one['tolerance']:g}, found {means[key]:.4f} (difference {difference:+.4f})"
            )
    if off:
        raise DenseflowError(
            f"{tables[0].parent}: {len(off)} of {len(expected)} scores are not as the experiment's `expected` says:\n"
            + "\n".join(off)
            + "\nThe results are kept. Compare versions, data and hardware in the manifests with those of the run that "
            "gave the expected scores, or change `expected` in the experiment's file if the new ones are right"
        )
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))


def _key(one: dict[str, Any]) -> Key:
    if one.get("similarity") is not None:
        return one["similarity"], "", one["system"], one["measure"]
    return one["dataset"], one["split"], one["system"], str(parse_measure(one["measure"]))


def _means(manifest: Path) -> Iterator[tuple[Key, float]]:
    """The means of the table beside a manifest."""
    read_manifest(manifest)
    if manifest.name == NAME:
        for row in over(read_rows(manifest.with_name("table.tsv")), ALL):
            yield (row.dataset, row.split, row.system, row.measure), row.mean
    else:
        for row in read_rows(manifest.with_name("similarity.tsv")):
            yield (row.dataset, "", row.system, row.measure), row.mean
