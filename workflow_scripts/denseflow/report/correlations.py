"""Correlations of systems with people's scores on the same pairs, and their uncertainty."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import stats

from denseflow.report.statistics import Interval

MEASURES = ("Spearman", "Pearson")

_CELLS = 2_000_000
"""Numbers of a batch of resamples: 16 MB."""


class Difference(NamedTuple):
    """What one system's correlation has over another's."""

    difference: float
    interval: Interval
    p: float
    """Two-sided, from the bootstrap."""


class Correlations:
    """Each system's correlation, a mean over its seeds, on all pairs and on bootstrap samples of them (Efron, 1979).

    Ranks are made anew in each sample. All systems have the same samples, so that differences are paired.
    """

    def __init__(
        self,
        measure: str,
        people: np.ndarray,
        cosines: Mapping[str, np.ndarray],
        *,
        confidence: float,
        resamples: int,
        seed: int,
    ) -> None:
        """Draw the samples.

        Args:
            measure: One of :data:`MEASURES`.
            people: Shape (pairs,).
            cosines: By system, shape (seeds, pairs).
            confidence: Level of the intervals, such as 0.95.
            resamples: Number of samples.
            seed: Of the draws.
        """
        self._tails = 100 * np.array([1 - confidence, 1 + confidence]) / 2
        everything = np.arange(len(people))[np.newaxis]
        self.by_seed = {system: _correlate(measure, people, of, everything)[:, 0] for system, of in cosines.items()}
        parts: dict[str, list[np.ndarray]] = {system: [] for system in cosines}
        rng = np.random.default_rng(seed)
        batch = max(1, _CELLS // len(people))
        for start in range(0, resamples, batch):
            drawn = rng.integers(len(people), size=(min(batch, resamples - start), len(people)))
            for system, of_seeds in cosines.items():
                parts[system].append(_correlate(measure, people, of_seeds, drawn).mean(axis=0))
        self._samples = {system: np.concatenate(of_batches) for system, of_batches in parts.items()}

    def interval(self, system: str) -> Interval:
        """Between the percentiles of the samples."""
        return self._between(self._samples[system])

    def difference(self, after: str, before: str) -> Difference:
        """One system's correlation less another's; p is twice the lesser share of the samples on a side of 0."""
        samples = self._samples[after] - self._samples[before]
        samples = samples[np.isfinite(samples)]
        lesser = min((samples <= 0).sum(), (samples >= 0).sum())
        return Difference(
            difference=float(self.by_seed[after].mean() - self.by_seed[before].mean()),
            interval=self._between(samples),
            p=float(min(1.0, 2 * (lesser + 1) / (len(samples) + 1))),
        )

    def _between(self, samples: np.ndarray) -> Interval:
        samples = samples[np.isfinite(samples)]  # a sample of one score alone has no correlation
        if not len(samples):
            return Interval(float("nan"), float("nan"))
        return Interval(*map(float, np.percentile(samples, self._tails)))


def _correlate(measure: str, people: np.ndarray, of_seeds: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Shape (seeds, samples), of the pairs ``drawn``, shape (samples, pairs); NaN where one side is constant."""
    scores = _unit(people[drawn], measure)
    return np.array([(scores * _unit(cosines[drawn], measure)).sum(axis=1) for cosines in of_seeds])


def _unit(values: np.ndarray, measure: str) -> np.ndarray:
    """Each row's values, or for Spearman's correlation their ranks, around 0 and of length 1."""
    values = stats.rankdata(values, axis=1) if measure == "Spearman" else values
    centred = values - values.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return centred / np.linalg.norm(centred, axis=1, keepdims=True)
