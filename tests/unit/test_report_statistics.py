import numpy as np
import pytest
from scipy import stats

from denseflow.report.statistics import compare, detectable_difference, holm, mean_interval

OPTIONS = {"confidence": 0.95, "resamples": 2000, "permutations": 2000, "seed": 0}


def normal(mean: float, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.1, size)


def against_zero(differences: np.ndarray, **options):
    return compare(np.asarray(differences), np.zeros(len(differences)), **{**OPTIONS, **options})


def test_no_difference_at_all_has_p_1_and_no_effect():
    found = against_zero(np.zeros(20))
    assert (found.difference, found.p, found.t_p, found.effect) == (0, 1, 1, 0)
    assert (found.wins, found.ties, found.losses) == (0, 20, 0)
    assert found.interval == (0, 0)


def test_a_clear_difference_has_a_small_p_and_an_interval_without_0():
    found = against_zero(normal(0.05, 300))
    assert found.p < 0.01
    assert found.t_p < 0.01
    assert 0 < found.interval.low < found.difference < found.interval.high
    assert found.wins + found.losses == 300


def test_under_the_null_hypothesis_p_is_below_5_percent_about_every_20th_time():
    p = [against_zero(normal(0, 30, seed), permutations=500, resamples=100).p for seed in range(200)]
    assert 2 <= sum(value < 0.05 for value in p) <= 20


def test_the_interval_of_the_mean_holds_the_truth_about_95_times_of_100():
    options = {"confidence": 0.95, "resamples": 500, "seed": 0}
    intervals = [mean_interval(normal(0.3, 50, seed), **options) for seed in range(200)]
    assert 180 <= sum(low <= 0.3 <= high for low, high in intervals) <= 198


def test_with_few_queries_all_sign_patterns_are_tried_and_p_is_exact():
    # Of 2^3 sign patterns only +++ and --- have a sum as far from 0 as the one seen.
    assert against_zero([0.1, 0.2, 0.3]).p == pytest.approx(2 / 8)


def test_the_test_is_two_sided_and_paired():
    up, down = against_zero(normal(0.02, 50)), against_zero(-normal(0.02, 50))
    assert up.p == pytest.approx(down.p, abs=0.03)
    assert up.difference == -down.difference
    # Scores that vary far more between queries than between systems: only a paired test sees it.
    difficulty = normal(0, 50, seed=1) * 10
    assert compare(difficulty + 0.05 + normal(0, 50) / 10, difficulty, **OPTIONS).p < 0.001


def test_queries_without_a_difference_do_not_change_p():
    differences = normal(0.03, 40)
    assert against_zero([*differences, *np.zeros(60)]).p == against_zero(differences).p


def test_differences_that_come_from_rounding_are_ties():
    found = compare(np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.4]), **OPTIONS)
    assert (found.wins, found.ties, found.losses) == (1, 1, 0)


def test_effect_is_the_mean_difference_in_standard_deviations():
    assert against_zero([0.1, 0.2, 0.3]).effect == pytest.approx(0.2 / 0.1)
    assert np.isnan(against_zero([0.1, 0.1, 0.1]).effect)


def test_the_detectable_difference_is_the_one_that_80_of_100_t_tests_find():
    deviation = 0.2
    sample = normal(0, 100) * deviation / normal(0, 100).std(ddof=1)
    found = detectable_difference(sample, alpha=0.05, power=0.8)
    assert found == pytest.approx(0.2829 * deviation, rel=1e-3)  # 2.8 standard errors, and a little for the t
    draws = np.random.default_rng(0).normal(found, deviation, (2000, 100))
    assert (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_more_queries_less_power_and_a_higher_alpha_make_smaller_differences_detectable():
    sample = normal(0, 50)
    plain = detectable_difference(sample, alpha=0.05, power=0.8)
    assert detectable_difference(np.tile(sample, 4), alpha=0.05, power=0.8) == pytest.approx(plain / 2, rel=0.05)
    assert (
        detectable_difference(sample, alpha=0.05, power=0.9)
        > plain
        > detectable_difference(sample, alpha=0.1, power=0.8)
    )
    assert against_zero(sample).detectable == plain


def test_without_a_deviation_to_go_by_nothing_is_said_of_detectable_differences():
    for differences in ([0.1], [0.1, 0.1, 0.1], np.zeros(5)):
        assert np.isnan(against_zero(differences).detectable)


def test_one_query_has_no_interval_and_p_1():
    found = against_zero([0.2])
    assert np.isnan(found.interval).all()
    assert (found.p, found.wins) == (1.0, 1)


def test_values_that_are_all_equal_have_an_interval_of_no_width():
    assert mean_interval(np.full(10, 0.5), confidence=0.95, resamples=200, seed=0) == (0.5, 0.5)


def test_the_seed_decides_and_the_same_one_gives_the_same_numbers():
    differences = normal(0.01, 60)
    assert against_zero(differences) == against_zero(differences)
    other = against_zero(differences, seed=1)
    assert (other.p, other.interval) != (against_zero(differences).p, against_zero(differences).interval)


def test_confidence_resamples_and_permutations_change_the_numbers():
    differences = normal(0.02, 60)
    plain = against_zero(differences)
    wide = against_zero(differences, confidence=0.99)
    assert wide.interval.low < plain.interval.low < plain.interval.high < wide.interval.high
    assert against_zero(differences, resamples=500).interval != plain.interval
    assert against_zero(differences, permutations=500).p != plain.p


def test_holm_multiplies_the_smallest_p_by_all_the_next_by_one_less():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
    assert holm([0.01, float("nan"), 0.04]) == pytest.approx([0.02, float("nan"), 0.04], nan_ok=True)
