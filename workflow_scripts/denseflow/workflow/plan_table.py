"""The plan as tables in the terminal."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from denseflow.files import write_text
from denseflow.workflow.plan import Plan, Step

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph

_WIDTH = 120
_LARGEST = 12
"""Steps that are shown one by one."""
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def print_plan(graph: "Graph", cores: int, copy: Path) -> None:
    """Print what the chosen experiments will take: a line a stage, the longest steps, what is assumed; keep a copy."""
    console = Console(highlight=False, record=True)
    if not console.is_terminal:
        console.width = _WIDTH
    _print(console, graph, cores)
    write_text(copy, console.export_text())


def _print(console: Console, graph: "Graph", cores: int) -> None:
    plan = Plan(graph, cores)
    steps = plan.steps()
    title = f"{', '.join(graph.registry.experiments)}: what is left to make, on {cores} cores"
    console.print(_table(title, [*_stages(steps), ("all", steps)]))
    left = sorted((step for step in steps if not step.made), key=lambda step: -(step.cpu or 0))[:_LARGEST]
    if left:
        console.print(_table("The longest steps", [(f"{step.stage}: {step.what}", [step]) for step in left]))
    console.print(Text("Assumed:"))
    for sentence in plan.assumptions():
        console.print(Text(f"- {sentence}", style="dim"))
    for sentence in _differences(steps):
        console.print(Text(f"- {sentence}", style="dim"))


def _stages(steps: Sequence[Step]) -> list[tuple[str, list[Step]]]:
    stages = dict.fromkeys(step.stage for step in steps)
    return [(stage, [step for step in steps if step.stage == stage]) for stage in stages]


def _table(title: str, rows: Iterable[tuple[str, Sequence[Step]]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for name in ("jobs", "made", "disk", "memory", "time, CPU", "time, GPU"):
        table.add_column(name, justify="right")
    for name, steps in rows:
        left = [step for step in steps if not step.made]
        memory = [step.memory_mb for step in left if step.memory_mb is not None]
        table.add_row(
            name,
            str(sum(step.jobs for step in left)),
            str(sum(step.jobs for step in steps if step.made)),
            _total([step.bytes for step in left], size),
            size(max(memory) * 1e6) if memory else "-",
            _total([step.cpu for step in left], duration),
            _total([step.gpu for step in left], duration),
        )
    return table


def _total(values: Sequence[float | None], show: Callable[[float], str]) -> str:
    """The sum of what is known, and a mark where something is not."""
    known = [value for value in values if value is not None]
    mark = " + ?" if len(known) < len(values) else ""
    return f"{show(sum(known))}{mark}" if known else mark.removeprefix(" + ") or "-"


def size(count: float) -> str:
    """Bytes as people read them, such as 13.6 GB."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """Seconds as people read them, such as 2 h 05 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours / 24:.1f} days"


def _differences(steps: Sequence[Step]) -> Iterable[str]:
    if any(step.stage in ("train", "encode") for step in steps):
        yield (
            "training and encoding take the GPUs that were granted (--resources gpu=N), as many jobs at once as there "
            "are; `time, GPU` shares an encoding among its run.encode_jobs, a training among its run.processes"
        )
    if any(step.stage == "search" for step in steps):
        yield (
            "search takes GPUs only where the dataset's run.search_gpus says so; with fp16 or bf16, a CPU computes as "
            "slowly as in fp32, or slower; vectors and rankings differ between CPU and GPU in the last digits only"
        )
