"""The uncertainty of means and of paired differences, query by query."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

_TIE = 1e-9
"""Differences below this come from rounding."""

_CELLS = 2_000_000
"""Numbers of a batch of resamples: 16 MB."""


class Interval(NamedTuple):
    """A confidence interval; NaN where one query only leaves it undefined."""

    low: float
    high: float


class Comparison(NamedTuple):
    """What one system has over another on the same queries."""

    difference: float
    """Mean of the differences."""
    interval: Interval
    """Of the difference."""
    p: float
    """Two-sided paired randomisation test."""
    t_p: float
    """Two-sided paired t-test, as a second opinion."""
    effect: float
    """Cohen's d_z for pairs: the mean difference in standard deviations of the differences (Cohen, 1988, 2.3.5)."""
    detectable: float
    """The smallest true difference that so many queries would show, see :func:`detectable_difference`."""
    wins: int
    ties: int
    losses: int


def mean_interval(values: np.ndarray, *, confidence: float, resamples: int, seed: int) -> Interval:
    """The bootstrap interval of the mean over queries (BCa; Efron, 1987; percentiles where BCa is degenerate).

    Args:
        values: Shape (queries,).
        confidence: Level, such as 0.95.
        resamples: Number of resamples.
        seed: Seed of the resampling.
    """
    if len(values) < 2:
        return Interval(float("nan"), float("nan"))
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = stats.bootstrap(
                (values,),
                np.mean,
                n_resamples=resamples,
                batch=_batch(values),
                confidence_level=confidence,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite([found.low, found.high]).all():
            break
    return Interval(float(found.low), float(found.high))


def compare(
    after: np.ndarray,
    before: np.ndarray,
    *,
    confidence: float,
    resamples: int,
    permutations: int,
    seed: int,
    power: float = 0.8,
) -> Comparison:
    """Compare two systems on the same queries.

    Args:
        after: Shape (queries,).
        before: Shape (queries,), in the same order.
        confidence: Level of the difference's bootstrap interval.
        resamples: Resamples of that bootstrap.
        permutations: Permutations of the randomisation test.
        seed: Seed of both.
        power: How probably the detectable difference is shown.
    """
    differences = after - before
    differences = np.where(np.abs(differences) < _TIE, 0.0, differences)
    return Comparison(
        difference=float(differences.mean()),
        interval=mean_interval(differences, confidence=confidence, resamples=resamples, seed=seed),
        p=_randomisation_p(differences, permutations, seed),
        t_p=_t_p(differences),
        effect=_effect(differences),
        detectable=detectable_difference(differences, alpha=round(1 - confidence, 12), power=power),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
    )


def detectable_difference(differences: np.ndarray, *, alpha: float, power: float) -> float:
    """The smallest true mean difference that a two-sided paired t-test of so many queries finds with this power.

    It is d_z times the standard deviation of the differences, where d_z solves the power of the noncentral t
    distribution for n queries (Cohen, 1988, chapter 2; Sakai, 2018, "Laboratory Experiments in Information Retrieval").
    NaN where there is no deviation to go by, or one query only.

    Args:
        differences: Shape (queries,).
        alpha: Level of the test, such as 0.05, for one comparison alone.
        power: Such as 0.8.
    """
    deviation = _deviation(differences)
    if deviation <= _TIE:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an effect too large for the noncentral t, where 2 or 3 queries are left
        d_z = TTestPower().solve_power(nobs=len(differences), alpha=alpha, power=power, alternative="two-sided")
    return float(np.squeeze(d_z)) * deviation


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979) of the p-values of one family of comparisons; NaN, no test, stays NaN."""
    known = [p for p in p_values if p == p]
    corrected = iter(multipletests(known, method="holm")[1] if known else ())
    return [float(next(corrected)) if p == p else float("nan") for p in p_values]


def _randomisation_p(differences: np.ndarray, permutations: int, seed: int) -> float:
    """Fisher's paired randomisation test: under the null hypothesis each difference has either sign.

    Queries without a difference change no sum and are left out, which saves time. With few queries all sign patterns
    are tried, and the p-value is exact.
    """
    changed = differences[differences != 0]
    if len(changed) < 2:  # either sign of a single difference is equally far from 0
        return 1.0
    found = stats.permutation_test(
        (changed,),
        lambda sample, axis: sample.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=permutations,
        batch=_batch(changed),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _t_p(differences: np.ndarray) -> float:
    if not differences.any():
        return 1.0
    if len(differences) < 2:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all differences equal: the statistic is infinite and p is 0
        return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _effect(differences: np.ndarray) -> float:
    if not differences.any():
        return 0.0
    deviation = _deviation(differences)
    return float(differences.mean() / deviation) if deviation > _TIE else float("nan")


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _batch(values: np.ndarray) -> int:
    return max(1, _CELLS // len(values))
