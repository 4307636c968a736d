"""The table in the terminal, at the end of the workflow."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from denseflow.report import words
from denseflow.report.rows import BETTER, WORSE, Row, read_rows

_STYLES = {BETTER: "green", WORSE: "bold red"}
_WIDTH = 120
"""Where the output is no terminal but a file or a pipe."""
_MEASURE_WIDTH = 34
"""Of a mean with its interval and a difference with its p; what does not fit beside each other goes below."""
_FRAME = 4
TABLE = "table.tsv"


def print_tables(tables: Iterable[Path]) -> None:
    """Print each table.tsv that is there, with its verdicts and where the readable files are."""
    for table in tables:
        if table.is_file():
            print_table(table.parent, name=table.name)


def print_table(folder: Path, console: Console | None = None, *, name: str = TABLE) -> None:
    """Print a report's table.tsv or similarity.tsv, its verdicts and where the readable files are."""
    console = console or _console()
    rows = list(read_rows(folder / name))
    for place, of_place in words.by_place(rows).items():
        title = f"{folder.name}: {words.heading(place, of_place)}"
        measures, systems = words.grid(of_place)
        at_once = max(1, (console.width - max(map(len, systems)) - _FRAME) // _MEASURE_WIDTH)
        for start in range(0, len(measures), at_once):
            some = measures[start : start + at_once]
            console.print(_table(title, some, systems, words.before_name(rows)))
    for verdict, sentence in words.sentences(rows):
        console.print(Text(sentence, style=_STYLES.get(verdict, "")))
    readable = (
        f"{folder / 'report.html'}, table.md, gains.md" if name == TABLE else f"{folder / name}".replace(".tsv", ".md")
    )
    console.print(Text(readable, style="dim"))


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _table(title: str, measures: Sequence[str], systems: dict[str, dict[str, Row]], before: str) -> Table:
    compared = any(row.compared for of in systems.values() for row in of.values())
    table = Table(title=Text(title), title_justify="left")
    table.add_column("system")
    for measure in measures:
        table.add_column(Text(measure), justify="right")
        if compared:
            table.add_column(Text(f"from {before}"), justify="right")
    for system, of in systems.items():
        cells = [Text(system)]
        for measure in measures:
            cells += _cells(of[measure], compared=compared)
        table.add_row(*cells)
    return table


def _cells(row: Row, *, compared: bool) -> list[Text]:
    mean = Text(f"{words.mean(row)}\n{words.interval(row.low, row.high)}".rstrip())
    if not compared:
        return [mean]
    if not row.compared:
        return [mean, Text("")]
    difference = f"{words.signed(row.difference)}\np {words.p_value(row.p_holm)}"
    return [mean, Text(difference, style=_STYLES.get(row.verdict, ""))]
