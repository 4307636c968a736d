"""What the steps took: Snakemake's benchmark files, and the energy that is estimated from them."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from denseflow.report.step_files import StepFiles

CPU_WATTS = 10.0
"""Of a busy hardware thread, its share of the rest of the machine included: an assumption."""

MEMORY_WATTS = 0.375
"""A GB: 3 W for 8 GB, as CodeCarbon assumes."""

GPU_WATTS = 250.0
"""Of a GPU while a step on it runs: an assumption."""

FORMULA = (
    f"Wh = (CPU seconds * {CPU_WATTS:g} W + peak memory in GB * {MEMORY_WATTS:g} W * seconds"
    f" + {GPU_WATTS:g} W * seconds where a GPU was used) / 3600"
)


@dataclass(frozen=True)
class Usage:
    """What a step took, the last time it ran."""

    seconds: float
    cpu_seconds: float
    memory_mb: float
    """The most at one time."""

    def watt_hours(self, *, gpu: bool) -> float:
        """The energy by :data:`FORMULA`: an estimate, nothing was measured."""
        watts = MEMORY_WATTS * self.memory_mb / 1000 + (GPU_WATTS if gpu else 0)
        return (CPU_WATTS * self.cpu_seconds + watts * self.seconds) / 3600

    @classmethod
    def of_shares(cls, shares: Iterable["Usage"]) -> "Usage | None":
        """That of a step whose work several jobs shared: times add up, memory is that of the largest."""
        found = list(shares)
        if not found:
            return None
        seconds, cpu = sum(one.seconds for one in found), sum(one.cpu_seconds for one in found)
        return cls(seconds, cpu, max(one.memory_mb for one in found))


class Benchmarks:
    """The benchmark files below results/benchmarks, found by a step's manifest."""

    def __init__(self, results: Path) -> None:
        """Look for the files."""
        self._files = StepFiles(results, "benchmarks", ".tsv")

    def of(self, manifest: Path) -> Usage | None:
        """What the step of a manifest took, the jobs that shared its work included; None where no file says it."""
        return Usage.of_shares(usage for usage in map(_read, self._files.of(manifest)) if usage is not None)


def _read(file: Path) -> Usage | None:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    if not rows:
        return None
    seconds, cpu, memory = (_number(rows[-1].get(name)) for name in ("s", "cpu_time", "max_rss"))
    return Usage(seconds, cpu, memory)


def _number(cell: str | None) -> float:
    """0 where Snakemake could not measure, because a step was too quick."""
    try:
        return float(cell or 0)
    except ValueError:
        return 0.0
