"""A query's rankings side by side in the terminal."""

from collections.abc import Sequence

from rich.cells import get_character_cell_size
from rich.console import Console, Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from denseflow.look.answers import answer_spans, pieces
from denseflow.look.view import DOWN, LOST, NEW, UP, Column, Hit, View

_WIDTH = 120
"""Where the output is no terminal but a file or a pipe."""
_LEAST = 32
"""Cells that a system's column needs; with fewer the systems come below each other."""
_LINES = 3
"""Of a passage's text."""
_BEFORE_ANSWER = 30
_MOVES = {NEW: "cyan", UP: "green", DOWN: "yellow", LOST: "magenta"}
_ANSWER = "black on bright_yellow"
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), " ")


def print_view(view: View, console: Console | None = None) -> None:
    """Print a view; texts of double width, such as Korean, are counted as they are shown."""
    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH)
    console.print(_heading(view))
    width = (console.width - 5) // len(view.columns) - 3
    if width >= _LEAST:
        console.print(_side_by_side(view.columns, width))
    else:
        for column in view.columns:
            console.print(_side_by_side([column], console.width - 8))
    if view.relevant:
        console.print(_relevant(view))


def _heading(view: View) -> Group:
    query = view.query
    told = "not one of the split's queries, so that no judgements are known"
    if query.id is not None:
        told = f"query {_plain(query.id)}; {view.relevant_count} relevant"
    lines = [Text(_plain(query.text), style="bold"), Text(told, style="dim")]
    if query.answers:
        lines.append(Text("answers: ").append(_plain("; ".join(query.answers)), style=_ANSWER))
    return Group(Rule(style="dim"), *lines)


def _side_by_side(columns: Sequence[Column], width: int) -> Table:
    table = Table(show_lines=True, expand=False)
    table.add_column("", justify="right", style="dim")
    for column in columns:
        table.add_column(Text(column.system).append(f"\n{column.note}", style="dim not bold"), width=width)
    for row in range(max(len(column.hits) for column in columns)):
        cells = [_cell(column.hits[row], width) if row < len(column.hits) else "" for column in columns]
        table.add_row(str(row + 1), *cells)
    return table


def _cell(hit: Hit, width: int) -> Text:
    cell = Text(f"{hit.score:.4f}", style="dim")
    if hit.relevance:
        cell.append(f"  {hit.relevance}", style="bold green not dim" if hit.level else "not dim")
    if hit.move is not None:
        cell.append(f"  {hit.move.text(hit.rank)}", style=f"{_MOVES.get(hit.move.kind, 'dim')} not dim")
    if hit.spans:
        cell.append("  has the answer", style=f"{_ANSWER} not dim")
    title = _plain(hit.document.title)
    cell.append(f"\n{_plain(hit.document.id)}", style="dim")
    if title:
        cell.append(f" {_cut(title, width)}", style="bold not dim")
    cell.append("\n")
    for piece, is_answer in _passage(hit, width * _LINES):
        cell.append(piece, style=f"{_ANSWER} not dim" if is_answer else "not dim")
    return cell


def _passage(hit: Hit, cells: int) -> list[tuple[str, bool]]:
    """A passage cut to so many cells, around its first answer, in pieces with whether they are answers."""
    answers = [_plain(hit.document.text[slice(*span)]) for span in hit.spans]
    text, start = _plain(hit.document.text), 0
    spans = answer_spans(text, answers)
    if spans and _cells(text[: spans[0][1]]) > cells:
        start = max(0, spans[0][0] - _BEFORE_ANSWER)
    shown = _cut(("…" if start else "") + text[start:], cells)
    return pieces(shown, answer_spans(shown, answers))


def _relevant(view: View) -> Table:
    more = f", the first {len(view.relevant)} of {view.relevant_count}"
    title = f"Ranks of the relevant documents{more if view.relevant_count > len(view.relevant) else ''}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("document", overflow="fold")
    table.add_column("relevance", justify="right")
    for column in view.columns:
        table.add_column(Text(column.system), justify="right")
    for one in view.relevant:
        title = _plain(one.document.title or one.document.text)
        name = Text(_plain(one.document.id), style="dim").append(f" {_cut(title, 60)}", style="not dim")
        table.add_row(name, str(one.level), *("not found" if rank is None else str(rank) for rank in one.ranks))
    return table


def _plain(text: str) -> str:
    """A text on one line, without what would steer the terminal."""
    return " ".join(text.translate(_CONTROL).split())


def _cells(text: str) -> int:
    return sum(map(get_character_cell_size, text))


def _cut(text: str, cells: int) -> str:
    """As much of a text as goes into so many cells."""
    taken = 0
    for place, character in enumerate(text):
        taken += get_character_cell_size(character)
        if taken > cells:
            return text[: place - 1] + "…"
    return text
