"""Paired statistics: their properties on any scores, and figures that are known from elsewhere."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from denoisebench import statistics

DECIBELS = st.floats(-20, 60)


def differences(least: int = 1) -> st.SearchStrategy[np.ndarray]:
    return arrays(float, st.integers(least, 12), elements=DECIBELS)


def tables(methods: int = 4) -> st.SearchStrategy[np.ndarray]:
    """Scores, (methods, frames)."""
    shapes = st.tuples(st.integers(2, methods), st.integers(2, 8))
    return shapes.flatmap(lambda shape: arrays(float, shape, elements=DECIBELS))


@given(differences())
@settings(max_examples=40, deadline=None)
def test_an_interval_holds_the_mean_lies_within_the_data_and_is_always_the_same(
    values: np.ndarray,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = statistics.mean_interval(values)
    assert found.mean == pytest.approx(values.mean())
    assert values.min() - 1e-9 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high <= values.max() + 1e-9
    assert statistics.mean_interval(values) == found


@given(differences(), st.sampled_from([-4.0, -1.0, 0.5, 2.0]))
@settings(max_examples=20, deadline=None)
def test_an_interval_scales_with_its_differences(values: np.ndarray, factor: float) -> None:
    one, other = statistics.mean_interval(values), statistics.mean_interval(factor * values)
    scaled = sorted([factor * one.low, factor * one.high])
    # The BCa correction of a mirrored sample is the mirrored correction, up to resampling.
    assert [other.low, other.high] == pytest.approx(scaled, abs=0.05 * abs(factor) * np.ptp(values))


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    samples = np.random.default_rng(7).normal(0.3, 1, (200, 20))
    held = [i.low <= 0.3 <= i.high for i in map(statistics.mean_interval, samples)]
    assert 0.88 <= np.mean(held) <= 0.98


def test_the_interval_is_efrons() -> None:
    """His formulas for the bias and the acceleration, on a skewed sample."""
    generator = np.random.default_rng(1)
    sample = generator.gamma(2, 1, 20) - 1.5
    means = sample[generator.integers(0, 20, (100_000, 20))].mean(axis=1)
    bias = stats.norm.ppf(np.mean(means < sample.mean()))
    influence = sample - sample.mean()
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    tails = bias + stats.norm.ppf([0.025, 0.975])
    shares = stats.norm.cdf(bias + tails / (1 - acceleration * tails))
    found = statistics.mean_interval(sample)
    assert [found.low, found.high] == pytest.approx(np.quantile(means, shares), abs=0.05)


@pytest.mark.parametrize("frames", [2, 20, 333, 2000])
def test_the_interval_is_that_of_scipys_own_resamples(frames: int) -> None:
    """The draws come by blocks, and are kept: they are the same draws."""
    values = np.random.default_rng(frames).gamma(2.0, size=frames)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=statistics._RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(statistics._SEED),
    ).confidence_interval
    found = statistics.mean_interval(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_seeds_of_a_frame_are_no_further_frames() -> None:
    one_draw = np.random.default_rng(3).normal(0, 1, (8, 1))
    alike = np.repeat(one_draw, 5, axis=1)  # five noise draws that say the same
    narrow, honest = (
        statistics.mean_interval(statistics.over_seeds(scores)) for scores in (alike, one_draw)
    )
    assert (narrow.low, narrow.high) == pytest.approx((honest.low, honest.high), abs=0.01)


@given(tables(methods=2), arrays(float, 8, elements=DECIBELS))
@settings(max_examples=30, deadline=None)
def test_how_hard_a_frame_is_does_not_matter_for_a_difference(
    scores: np.ndarray, hardness: np.ndarray
) -> None:
    harder = scores + hardness[: scores.shape[1]]
    assert statistics.paired_differences(harder[0], harder[1]) == pytest.approx(
        statistics.paired_differences(scores[0], scores[1]),
        abs=2e-9,  # one of them may be rounded to 0, the other not
    )


def test_what_differs_by_rounding_is_equal() -> None:
    third = [30.1, 30.1 + 1e-13, 0.0]
    assert statistics.paired_differences(third, [30.1, 30.1, math.inf]).tolist() == [
        0,
        0,
        -math.inf,
    ]


def test_perfect_estimates_differ_by_nothing_and_from_others_without_bound() -> None:
    found = statistics.paired_differences([math.inf, math.inf, 40], [math.inf, 50, 39])
    assert found.tolist() == [0, math.inf, 1]
    assert statistics.mean_interval(found) == statistics.Interval(math.inf, -math.inf, math.inf)
    lost = statistics.mean_interval([-math.inf, -math.inf])
    assert (lost.mean, lost.high) == (-math.inf, -math.inf)
    assert math.isnan(statistics.mean_interval([math.inf, -math.inf]).mean)


@pytest.mark.parametrize(("scores", "complaint"), [([], "no frame"), ([math.nan], "missing")])
def test_what_cannot_be_compared_is_refused(scores: list[float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        statistics.paired_differences(scores, scores)


@given(differences())
def test_win_rates_of_two_methods_add_up_to_one(values: np.ndarray) -> None:
    assert statistics.win_rate(values) + statistics.win_rate(-values) == pytest.approx(1)
    assert statistics.win_rate(np.abs(values) + 1) == 1


def test_wilcoxon_is_the_exact_test_on_few_frames() -> None:
    # All n signs agree in 2 of 2**n assignments of signs.
    assert statistics.wilcoxon([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 2**6)
    assert statistics.wilcoxon(np.arange(1, 11)) == pytest.approx(2 / 2**10)
    assert statistics.wilcoxon([0, 0, 0]) == 1


def test_wilcoxon_counts_the_signs_that_are_as_one_sided() -> None:
    """C4.5 with and without a parameter chosen, Demšar 2006, Table 2: tied ranks and two zeros."""
    rises = [0.005, 0.017, 0.033, 0.006, 0.007, 0.063, 0.022, 0.047, 0.009, 0.021]
    differences = np.array([*rises, -0.008, -0.005, 0, 0])
    differing = differences[differences != 0]
    ranks = stats.rankdata(np.abs(differing))
    signs = np.array(list(itertools.product([-1, 1], repeat=len(ranks))))
    as_one_sided = np.abs(signs @ ranks) >= abs(np.sign(differing) @ ranks) - 1e-9
    assert statistics.wilcoxon(differences) == pytest.approx(as_one_sided.mean())
    assert statistics.wilcoxon(differences) < 0.05  # as there


@given(arrays(float, st.integers(1, 9), elements=st.floats(0, 1)))
def test_holm_never_lowers_a_pvalue_and_keeps_their_order(pvalues: np.ndarray) -> None:
    corrected = statistics.holm(pvalues)
    assert (corrected >= pvalues).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(pvalues, kind="stable")]) >= 0).all()
    assert corrected.min() == pytest.approx(min(1, len(pvalues) * pvalues.min()))


def test_holm_on_a_worked_example() -> None:
    # Four hypotheses: 0.005 · 4, 0.01 · 3, then 0.03 · 2, which the last cannot undercut.
    corrected = statistics.holm([0.01, 0.04, 0.03, 0.005])
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(tables())
@settings(deadline=None)
def test_ranks_add_up_and_follow_the_scores(scores: np.ndarray) -> None:
    methods = len(scores)
    average = statistics.ranking(scores).average
    assert average.sum() == pytest.approx(methods * (methods + 1) / 2)
    assert statistics.ranking(-scores).average == pytest.approx(methods + 1 - average)


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_has_the_quantiles_that_are_printed(methods: int, q: float) -> None:
    """Demšar 2006, Table 5 (a), alpha 0.05."""
    scores = np.random.default_rng(0).normal(size=(methods, 14))
    expected = q * math.sqrt(methods * (methods + 1) / (6 * 14))
    assert statistics.ranking(scores).critical_difference == pytest.approx(expected, rel=1e-3)


def test_average_ranks_and_the_critical_difference_are_those_of_a_published_example() -> None:
    """Demšar 2006, Table 6 and Sec. 3.2.2: four variants of C4.5 on 14 data sets."""
    ranks = [
        [4, 1, 4, 4, 4, 1, 3, 2.5, 4, 2.5, 4, 3, 4, 3],
        [3, 2, 1, 1, 2, 2.5, 2, 2.5, 3, 2.5, 2.5, 2, 1, 1],
        [2, 3, 2, 3, 3, 4, 4, 4, 2, 2.5, 1, 4, 2, 4],
        [1, 4, 3, 2, 1, 2.5, 1, 1, 1, 2.5, 2.5, 1, 3, 2],
    ]
    found = statistics.ranking(-np.array(ranks))
    assert found.average == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)


@given(tables())
@settings(max_examples=20, deadline=None)
def test_the_best_is_not_worse_and_the_order_of_methods_does_not_matter(
    scores: np.ndarray,
) -> None:
    found = statistics.not_worse(scores)
    means = scores.mean(axis=1)
    assert found[np.argmax(means)]
    if len(set(means)) == len(means):
        assert statistics.not_worse(scores[::-1]).tolist() == found[::-1].tolist()


def test_ties_are_told_from_losses() -> None:
    generator = np.random.default_rng(5)
    best = generator.normal(30, 3, 20)  # frames differ much more than methods
    tied = best + np.tile([-0.3, 0.2, -0.2, 0.29], 5)
    worse = tied - 0.3
    assert statistics.not_worse([best, tied, worse, best]).tolist() == [True, True, False, True]


def test_methods_that_are_equal_are_seldom_told_apart() -> None:
    generator = np.random.default_rng(11)
    apart = [not statistics.not_worse(generator.normal(0, 1, (5, 20))).all() for _ in range(60)]
    assert np.mean(apart) < 0.2


@given(arrays(float, 6, elements=DECIBELS))
def test_gains_make_greater_better(scores: np.ndarray) -> None:
    assert (statistics.gains(scores, "higher") == scores).all()
    assert np.argmax(statistics.gains(scores, "lower")) == np.argmin(scores)
    assert np.argmax(statistics.gains(scores, "zero")) == np.argmin(np.abs(scores))
