"""indexes.tsv and indexes.md: what each search of vectors finds of an exact one, the bytes it holds, its speed."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from denseflow.files import read_lines, write_text
from denseflow.manifest import read_manifest
from denseflow.report.markdown import escape, markdown_table
from denseflow.search.speed import read_speed

COLUMNS = ("dataset", "split", "system", "variant", "search", "dimensions", "bytes", "bytes_per_passage")
SPEED = ("queries_per_second", "exact_queries_per_second")
_BYTES = {"float32": 4, "float16": 2}
_CAPTION = """\
- Recall: the share of the first K documents of an exact search of the same dimensions that are among the first K here.
- bytes: of the index, or of the vectors where each is compared; what rescoring reads of the vectors comes on top.
- queries/s: of the search alone, on the machine and with the threads it ran with; a busy machine shows in it.
"""


def write_indexes(systems: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write the table, a line a system's run.

    Args:
        systems: ``system``, ``variant``, ``dataset``, ``split``, ``search`` (its kind and options in short, or
            ``exact``), ``run`` (the TREC file, with its manifest and speed file beside it) and ``vectors`` (the
            corpus's manifest).
        folder: Where the files go.

    Raises:
        DenseflowError: A manifest is missing.
    """
    lines = [_line(system) for system in systems]
    recalls = sorted({int(name.removeprefix("recall@")) for line in lines for name in line if "@" in name})
    columns = [*COLUMNS, *(f"recall@{cutoff}" for cutoff in recalls), *SPEED]
    tsv = [columns, *([_cell(line.get(name)) for name in columns] for line in lines)]
    write_text(folder / "indexes.tsv", "".join("\t".join(line) + "\n" for line in tsv))
    header = ["system", "search", "dimensions", "MB", "bytes a passage"]
    header += [*(f"recall@{cutoff}" for cutoff in recalls), "queries/s", "exact, queries/s"]
    parts = [f"# {escape(folder.name)}: the searches of vectors\n"]
    places = dict.fromkeys((line["dataset"], line["split"]) for line in lines)
    for dataset, split in places:
        parts.append(f"## {escape(dataset)}, {escape(split)}\n")
        rows = [_words(line, recalls) for line in lines if (line["dataset"], line["split"]) == (dataset, split)]
        parts.append(markdown_table(header, "ll" + "r" * (len(header) - 2), rows))
    write_text(folder / "indexes.md", "\n".join([*parts, _CAPTION]))


def print_indexes(tables: Iterable[Path]) -> None:
    """Print each indexes.tsv that is there."""
    console = Console(highlight=False)
    for path in tables:
        if path.is_file():
            header, *lines = (line.split("\t") for _, line in read_lines(path))
            shown = [name for name in header if name not in ("dataset", "split", "bytes_per_passage", SPEED[1])]
            table = Table(title=Text(f"{path.parent.name}: the searches of vectors"), title_justify="left")
            for name in shown:
                table.add_column(Text(name.replace("_", " ")))
            for line in lines:
                cells = dict(zip(header, line, strict=True))
                table.add_row(*(Text(cells[name]) for name in shown))
            console.print(table)
            console.print(Text(f"{path.with_suffix('.md')}", style="dim"))


def _line(system: dict[str, Any]) -> dict[str, Any]:
    run = Path(system["run"])
    facts = read_manifest(run.with_suffix(".manifest.json"), check=False)
    vectors = read_manifest(Path(system["vectors"]), check=False)
    number = _BYTES[vectors.get("storage", "float32")]
    size = facts.get("index_bytes", facts["documents"] * facts["dimensions"] * number)
    speed = read_speed(run)
    return {
        **{name: system[name] for name in ("dataset", "split", "system", "variant", "search")},
        "dimensions": facts["dimensions"],
        "bytes": size,
        "bytes_per_passage": round(size / facts["documents"], 1),
        **{f"recall@{cutoff}": share for cutoff, share in facts.get("recall", {}).items()},
        SPEED[0]: speed,
        SPEED[1]: read_speed(run, SPEED[1]) if "recall" in facts else speed,
    }


def _words(line: dict[str, Any], recalls: Sequence[int]) -> list[str]:
    shares = [line.get(f"recall@{cutoff}") for cutoff in recalls]
    variant = f" ({line['variant']})" if line["variant"].startswith("seed") else ""
    return [
        escape(line["system"] + variant),
        escape(line["search"]),
        str(line["dimensions"]),
        f"{line['bytes'] / 1e6:,.1f}",
        f"{line['bytes_per_passage']:,g}",
        *("" if share is None else f"{share:.4f}" for share in shares),
        *("" if (speed := line[name]) is None else f"{speed:,.0f}" for name in SPEED),
    ]


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
