"""What mining found, in numbers: the content of audit.json."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

EXAMPLES = 20
"""How many query ids are named where queries have too few negatives."""

BINS = 10
"""How many equal ranges of ranks the histogram has."""


@dataclass
class SourceAudit:
    """The account of one source; ``options`` are the source's own."""

    options: dict[str, Any]
    queries: int = 0
    found: int = 0
    queries_with_fewer: int = 0
    queries_with_none: int = 0
    queries_without_ranking: int = 0
    queries_without_positive: int = 0
    """Queries none of whose positives has a score, so that filters by score keep all."""
    examples_with_fewer: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    ranks: Counter[int] = field(default_factory=Counter)

    def add(self, query_id: str, found: int) -> None:
        """Note how many negatives the source found for a query."""
        self.queries += 1
        self.found += found
        if found < self.options["count"]:
            self.queries_with_fewer += 1
            self.queries_with_none += found == 0
            if len(self.examples_with_fewer) < EXAMPLES:
                self.examples_with_fewer.append(query_id)

    def summary(self) -> dict[str, Any]:
        """The source's part of audit.json; ranks only where the source has ranks."""
        summary: dict[str, Any] = {
            "source": self.options,
            "asked": self.queries * self.options["count"],
            "found": self.found,
            "queries": self.queries,
            "queries_with_enough": self.queries - self.queries_with_fewer,
            "queries_with_fewer": self.queries_with_fewer,
            "queries_with_none": self.queries_with_none,
            "examples_with_fewer": self.examples_with_fewer,
            "dropped": dict(sorted(self.dropped.items())),
        }
        if "last_rank" in self.options:
            summary["queries_without_ranking"] = self.queries_without_ranking
            summary["queries_without_positive_score"] = self.queries_without_positive
            summary["ranks"] = quantiles(sorted(self.ranks.elements()))
            summary["histogram"] = self._histogram()
        return summary

    def warnings(self) -> list[str]:
        """A sentence if some queries have too few negatives."""
        if not self.queries_with_fewer:
            return []
        name = " ".join(self.options[key] for key in ("type", "model") if key in self.options)
        return [
            f"{name}: {self.queries_with_fewer} of {self.queries} queries have fewer than the "
            f"{self.options['count']} negatives asked for, {self.queries_with_none} have none"
        ]

    def _histogram(self) -> dict[str, int]:
        first, last = self.options["first_rank"], self.options["last_rank"]
        width = -(-(last - first + 1) // BINS)
        return {
            f"{low}-{min(low + width - 1, last)}": sum(self.ranks[rank] for rank in range(low, low + width))
            for low in range(first, last + 1, width)
        }


@dataclass
class QueryAudit:
    """The account of the queries and their positives."""

    in_split: int = 0
    written: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    positives_dropped: Counter[str] = field(default_factory=Counter)
    positives: list[int] = field(default_factory=list)
    other_relevant: int = 0

    def summary(self) -> dict[str, Any]:
        """The parts ``queries`` and ``positives`` of audit.json."""
        return {
            "queries": {
                "in_split": self.in_split,
                "written": self.written,
                "skipped": dict(sorted(self.skipped.items())),
            },
            "positives": {
                "written": sum(self.positives),
                "a_query": quantiles(sorted(self.positives)),
                "dropped": dict(sorted(self.positives_dropped.items())),
                "other_known_relevant": self.other_relevant,
            },
        }


def quantiles(values: Sequence[int]) -> dict[str, int]:
    """Least, quartiles and greatest of sorted numbers (the lower one where a quartile lies between two)."""
    if not values:
        return {}
    names = ("min", "q25", "median", "q75", "max")
    return {name: values[(len(values) - 1) * quarter // 4] for quarter, name in enumerate(names)}
