"""The table for papers and pipelines: one data frame, written as TSV, CSV, JSON and LaTeX."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from denseflow.report import words
from denseflow.report.rows import BETTER, COLUMNS, WORSE, Row

_DIGITS = "%.10g"
_COUNTS = ("seeds", "wins", "ties", "losses", "queries")
_MARKS = {BETTER: r"\textsuperscript{*}", WORSE: r"\textsuperscript{$\downarrow$}"}


def table_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows with :data:`denseflow.report.rows.COLUMNS`, numbers to ten digits, missing where they are undefined."""
    frame = pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))
    floats = frame.select_dtypes("float").columns.difference(_COUNTS)
    frame[floats] = frame[floats].map(lambda value: float(_DIGITS % value))
    return frame.astype(dict.fromkeys(_COUNTS, "Int64"))


def as_tsv(frame: pd.DataFrame) -> str:
    """The text of table.tsv: no quotes, as no cell has a tab."""
    return frame.to_csv(sep="\t", index=False, float_format=_DIGITS, quoting=csv.QUOTE_NONE, lineterminator="\n")


def as_csv(frame: pd.DataFrame) -> str:
    """The text of table.csv (RFC 4180, but for the line ends)."""
    return frame.to_csv(index=False, float_format=_DIGITS, lineterminator="\n")


def as_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows for JSON: null where a number is undefined."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def as_latex(title: str, rows: Sequence[Row], options: dict[str, Any]) -> str:
    r"""The text of table.tex: a table a place, with booktabs' rules, to be had by \input.

    The best mean of a measure is bold; a star or an arrow marks what is significantly better or worse.
    """
    lines = [
        f"% {title}: made by Denseflow from table.tsv's rows. In the preamble: \\usepackage{{booktabs}}",
        *(_latex_table(title, place, of_place, options) for place, of_place in words.by_place(rows).items()),
    ]
    return "\n".join(lines)


def _latex_table(title: str, place: words.Place, rows: Sequence[Row], options: dict[str, Any]) -> str:
    measures, systems = words.grid(rows)
    best = {name: max(row.mean for row in rows if row.measure == name) for name in measures}
    interval = f"{100 * options['confidence']:g}% interval"
    cells = {
        (measure, part): [_cell(of.get(measure), part, best[measure]) for of in systems.values()]
        for measure in measures
        for part in ("mean", interval)
    }
    frame = pd.DataFrame(cells, index=list(systems))
    return (
        frame.style.format_index(escape="latex", axis=0)
        .format_index(escape="latex", axis=1)
        .to_latex(
            hrules=True,
            column_format="l" + "rl" * len(measures),
            multicol_align="c",
            position="ht",
            position_float="centering",
            label="tab:" + "-".join([title, *place]).replace(" ", "-"),
            caption=_caption(place, rows, options),
        )
    )


def _cell(row: Row | None, part: str, best: float) -> str:
    if row is None:
        return ""
    if part != "mean":
        return words.interval(row.low, row.high)
    mean = words.mean(row).replace("±", r"$\pm$")
    return (rf"\textbf{{{mean}}}" if row.mean == best else mean) + _MARKS.get(row.verdict, "")


def _caption(place: words.Place, rows: Sequence[Row], options: dict[str, Any]) -> str:
    text = f"{words.heading(place, rows)}."
    if any(row.compared for row in rows):
        text += (
            f" *: better than {options['before']}, $\\downarrow$: worse, by a paired randomisation test with Holm's "
            f"correction ($p < {1 - options['confidence']:.3g}$)."
        )
    return text.replace("_", r"\_")
