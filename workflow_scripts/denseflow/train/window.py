"""What happened in a training since the last line of its log."""

import math
import time
from collections import defaultdict


class Window:
    """Counts and measures of the batches since the last line.

    Attributes:
        started: The monotonic clock's time; whoever takes time that is none of the training's adds it.
    """

    def __init__(self) -> None:
        self._start()

    def count(self, sequences: int) -> None:
        """Count the sequences of a batch."""
        self.sequences += sequences

    def measure(self, measures: dict[str, float]) -> None:
        """Take what was measured of a batch, by name."""
        for name, value in measures.items():
            self.measures[name].append(value)

    def read(self) -> dict[str, float]:
        """The speed and the means for a line of the log; the next window begins."""
        seconds = time.monotonic() - self.started
        found = {"sequences_per_second": round(self.sequences / max(seconds, 1e-9), 3)}
        found |= {name: math.fsum(values) / len(values) for name, values in self.measures.items()}
        self._start()
        return found

    def _start(self) -> None:
        self.started = time.monotonic()
        self.sequences = 0
        self.measures: defaultdict[str, list[float]] = defaultdict(list)
