"""Scores that an experiment is expected to give: a reproduction that is off fails loudly."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from denseflow.errors import DenseflowError
from denseflow.evaluate.names import parse_measure
from denseflow.files import write_text
from denseflow.manifest import read_manifest
from denseflow.report.rows import ALL, over, read_rows

HEADER = ("dataset", "split", "system", "measure", "expected", "tolerance", "found", "difference")
_ROUNDING = 1e-9


def check_expected(report: Path, expected: Sequence[dict[str, Any]], path: Path) -> None:
    """Compare the means of a table with those expected, and write what was compared.

    Args:
        report: The report's manifest, beside table.tsv.
        expected: ``dataset``, ``split``, ``system``, ``measure``, ``value`` and ``tolerance`` of each.
        path: The TSV to write where all are as expected.

    Raises:
        DenseflowError: A mean is off by more than its tolerance; all that are off are listed.
    """
    read_manifest(report)
    table = report.with_name("table.tsv")
    means = {(row.dataset, row.split, row.system, row.measure): row.mean for row in over(read_rows(table), ALL)}
    lines: list[tuple[str, ...]] = [HEADER]
    off = []
    for one in expected:
        key = (one["dataset"], one["split"], one["system"], str(parse_measure(one["measure"])))
        if key not in means:
            raise DenseflowError(f"{table}: no row for {' '.join(key)}, whose score is expected; see `expected`")
        difference = means[key] - one["value"]
        numbers = (*(f"{one[name]:.10g}" for name in ("value", "tolerance")), f"{means[key]:.6f}", f"{difference:+.6f}")
        lines.append((*key, *numbers))
        if not abs(difference) <= one["tolerance"] + _ROUNDING:
            off.append(
                f"  {key[2]}, {key[3]} on {key[0]} {key[1]}: expected {one['value']:g} \N{PLUS-MINUS SIGN} "
                f"{one['tolerance']:g}, found {means[key]:.4f} (difference {difference:+.4f})"
            )
    if off:
        raise DenseflowError(
            f"{table}: {len(off)} of {len(expected)} scores are not as the experiment's `expected` says:\n"
            + "\n".join(off)
            + "\nThe results are kept. Compare versions, data and hardware in the manifests with those of the run that "
            "gave the expected scores, or change `expected` in the experiment's file if the new ones are right"
        )
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))
