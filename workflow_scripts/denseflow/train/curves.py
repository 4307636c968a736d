"""A training's curves: what its log says of it, as a table in the long format and as a picture."""

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.files import atomic_path, write_jsonl, write_text
from denseflow.train.curve_names import SIMILARITIES, SIMILARITY
from denseflow.train.resumable import ResumableTrainer

LOG = logging.getLogger("denseflow")

HISTORY = "log.jsonl"
TABLE = "curves.tsv"
PICTURE = "curves.svg"

SPEED = "sequences_per_second"
"""In the log only: it differs each time, and the table shall be the same each time."""

_COLUMNS = 3
_FIRST = ("loss", SIMILARITIES, "learning_rate", "grad_norm")


class Point(NamedTuple):
    """A line of the table."""

    step: int
    epoch: float
    name: str
    value: float


def points(history: Iterable[dict[str, Any]]) -> list[Point]:
    """What was measured, line by line, and by name in a line, whose order a resumed training does not keep.

    Args:
        history: The lines of log.jsonl: ``step``, ``epoch``, and numbers by name.
    """
    return [
        Point(int(line["step"]), float(line["epoch"]), name, float(value))
        for line in history
        for name, value in sorted(line.items())
        if name not in ("step", "epoch", SPEED) and isinstance(value, int | float)
    ]


def write_history(history: Sequence[dict[str, Any]], folder: Path, *, title: str) -> None:
    """Write ``folder``/log.jsonl, curves.tsv and curves.svg. The same curves give the same bytes, but for log.jsonl's
    speeds.

    Args:
        history: As :func:`points` takes it; it may be empty.
        folder: Where the files go.
        title: What stands above the picture.
    """
    write_jsonl(folder / HISTORY, history)
    found = points(history)
    lines = ["\t".join(Point._fields), *(f"{p.step}\t{p.epoch!r}\t{p.name}\t{p.value!r}" for p in found)]
    write_text(folder / TABLE, "\n".join(lines) + "\n")
    _draw(found, folder / PICTURE, title)


@contextmanager
def history_kept(trainer: ResumableTrainer, folder: Path, *, title: str) -> Iterator[None]:
    """When the block ends by an error or a signal, write what ``trainer`` has logged so far into ``folder``."""
    try:
        yield
    except BaseException:
        history = trainer.state.log_history
        if history and trainer.processes.first:
            write_history(history, folder, title=title)
            LOG.warning("training: the log and the curves until step %d are in %s", history[-1]["step"], folder)
        raise


def _draw(found: Sequence[Point], path: Path, title: str) -> None:
    """One panel a name, over the steps, and one for all similarities."""
    # It takes a while to import, and only a training that has ended needs it.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels: dict[str, dict[str, list[Point]]] = {}
    for point in found:
        if math.isfinite(point.value):
            panel = SIMILARITIES if point.name.endswith(SIMILARITY) else point.name
            label = point.name.removesuffix(SIMILARITY)
            panels.setdefault(panel, {}).setdefault(label, []).append(point)
    order = {name: place for place, name in enumerate(_FIRST)}
    names = sorted(panels, key=lambda name: (not name.startswith("dev/"), order.get(name, len(order)), name))
    rows = max(1, math.ceil(len(names) / _COLUMNS))
    # Text as text and a fixed salt of the ids: the same curves give the same file.
    with rc_context({"svg.hashsalt": "denseflow", "svg.fonttype": "none", "font.size": 8}):
        height = 2.4 * rows + 0.4
        figure = Figure(figsize=(4 * _COLUMNS, height))
        # Set by hand, because matplotlib's own layout takes most of the time.
        figure.subplots_adjust(0.05, 0.5 / height, 0.99, 1 - 0.6 / height, wspace=0.2, hspace=0.45)
        figure.suptitle(title, y=1 - 0.15 / height)
        for place, name in enumerate(names, start=1):
            axes = figure.add_subplot(rows, _COLUMNS, place)
            for number, (label, curve) in enumerate(panels[name].items()):
                steps, values = [p.step for p in curve], [p.value for p in curve]
                # Few points, such as scores on dev, are hard to see in a line alone.
                marker = "o" if len(steps) <= 30 else ""
                axes.plot(steps, values, color=f"C{number}", linewidth=1.2, marker=marker, ms=3, label=label)
            if len(panels[name]) > 1:
                axes.legend(frameon=False)
            axes.set_title(name)
            axes.set_xlabel("step")
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})
