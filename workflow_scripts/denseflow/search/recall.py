"""How much of an exact search's results an approximate one finds."""

from collections.abc import Sequence

from denseflow.run_file import RunFile


class Recall:
    """The share of the first K documents of an exact run that are among the first K of another one, for some K."""

    def __init__(self, exact: RunFile, cutoffs: Sequence[int]) -> None:
        """Args:
        exact: The run of an exact search.
        cutoffs: The values of K; those beyond the last, the depth of the runs, are left out.
        """
        self._exact = exact
        self._shares: dict[int, list[float]] = {cutoff: [] for cutoff in sorted(set(cutoffs)) if cutoff <= cutoffs[-1]}

    def add(self, query: str, documents: Sequence[str]) -> None:
        """Compare a query's documents, best first."""
        exact = list(self._exact.ranking(query))
        for cutoff, shares in self._shares.items():
            wanted = set(exact[:cutoff])
            if wanted:
                shares.append(len(wanted.intersection(documents[:cutoff])) / len(wanted))

    def means(self) -> dict[str, float]:
        """Over the queries, rounded, by cutoff."""
        return {str(cutoff): round(sum(of) / len(of), 6) for cutoff, of in self._shares.items() if of}
