"""Forms of numbers that only the page has: bars of differences, times, sizes."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from denseflow.report.rows import BETTER, WORSE, Row

UNKNOWN = "\N{EN DASH}"


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``53 s``, ``20 min 12 s``, ``3 h 05 min``."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(count: float | None) -> str:
    """Bytes: ``512 B``, ``5.6 MB``."""
    if count is None:
        return UNKNOWN
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def energy(watt_hours: float | None) -> str:
    """``0.83 Wh``, ``1.2 kWh``."""
    if watt_hours is None:
        return UNKNOWN
    if watt_hours < 0.001:
        return "< 0.001 Wh"
    return f"{watt_hours / 1000:,.3g} kWh" if watt_hours >= 1000 else f"{watt_hours:.2g} Wh"


def number_columns(names: Iterable[str], *, texts: int = 0) -> list[tuple[str, str]]:
    """A table's headings, each with the class of its column: numbers, but for the first ``texts`` ones."""
    return [(name.replace("_", " "), "" if place < texts else "number") for place, name in enumerate(names)]


def recall_columns(names: Iterable[str]) -> list[str]:
    """The columns of indexes.tsv that are a recall."""
    return [name for name in names if name.startswith("recall@")]


def tone(verdict: str) -> str:
    """The class of a verdict's colour."""
    return {BETTER: "good", WORSE: "bad"}.get(verdict, "")


class Differences:
    """Differences with their intervals, all on one scale with 0 in the middle."""

    def __init__(self, rows: Sequence[Row]) -> None:
        ends = [abs(end) for row in rows if row.compared for end in (row.difference, row.diff_low, row.diff_high)]
        self._scale = 48 / max([end for end in ends if end == end and end > 0], default=1.0)

    def draw(self, row: Row) -> Markup:
        """A small picture of a row's difference."""
        low, middle, high = (50 + self._scale * value for value in (row.diff_low, row.difference, row.diff_high))
        line = f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="8" y2="8"/>' if low == low else ""
        return Markup(
            f'<svg class="forest {tone(row.verdict)}" viewBox="0 0 100 16" preserveAspectRatio="none" '
            'aria-hidden="true"><line class="zero" x1="50" x2="50" y1="0" y2="16"/>'
            f'{line}<rect x="{middle - 1.2:.1f}" y="4" width="2.4" height="8"/></svg>'
        )
