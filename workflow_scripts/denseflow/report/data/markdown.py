"""The page of a collection as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from denseflow.report.data import tables
from denseflow.report.data.cautions import Caution
from denseflow.report.data.tables import Table
from denseflow.report.data.tokens import Cut


def markdown(content: Mapping[str, Any], cautions: Sequence[Caution], cuts: Sequence[Cut]) -> str:
    """The text of NAME.md."""
    return "\n".join(_lines(content, cautions, cuts)) + "\n"


def _lines(content: Mapping[str, Any], cautions: Sequence[Caution], cuts: Sequence[Cut]) -> Iterator[str]:
    yield f"# {content['dataset']}: the collection"
    if content["description"]:
        yield f"\n{_plain(content['description'])}"
    yield f"\n{content['passages']['count']:,} passages."
    yield "\n## Mind this\n" if cautions else "\nNothing speaks against it."
    yield from (f"- {_plain(one.found[:1].upper() + one.found[1:])}. What to do: {one.advice}." for one in cautions)
    shown = [tables.split_table(content["splits"])] if content["splits"] else []
    shown += [tables.length_table(content)]
    shown += [tables.cut_table(cuts)] if cuts else []
    shown += [tables.repeated_table(content)]
    shown += [tables.common_table(content["between"])] if content["between"] else []
    shown += [tables.language_table(content)]
    for table in shown:
        yield f"\n## {table.title}\n"
        yield from _table(table)
    yield "\n## How this was counted\n"
    yield from (f"- {note}" for note in tables.notes(content))


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(table.columns) + " |"
    yield "| " + " | ".join("---" if place < table.texts else "---:" for place in range(len(table.columns))) + " |"
    for row in table.rows:
        yield "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in row) + " |"


def _plain(text: str) -> str:
    return " ".join(text.split())
