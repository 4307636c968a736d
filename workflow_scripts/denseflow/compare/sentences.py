"""Whether scores on sets of sentences differ by more than noise: the same system's cosines, paired by pair."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from denseflow.compare.numbers import BETTER, IDENTICAL, NOISE, WORSE, Number
from denseflow.report.correlations import MEASURES, Correlations
from denseflow.report.rows import NAN
from denseflow.report.similarity import MINING, PLACES
from denseflow.report.statistics import holm

UNTESTED = "differs, not tested"
"""Of paraphrase mining, whose pairs among all sentences are not independent."""

_RESAMPLES, _SEED = 10_000, 0
_SAME = 1e-9


@dataclass(frozen=True)
class ScoredSet:
    """One system's scores on one set, by variant (a seed).

    Attributes:
        type: ``sts`` or ``paraphrases``.
        people: People's scores of the pairs; empty for paraphrases.
        cosines: Of each variant, the pairs' cosines; empty for paraphrases.
        found: Of each variant, the measures of paraphrase mining; empty for sts.
    """

    type: str
    people: np.ndarray
    cosines: Mapping[str, np.ndarray]
    found: Mapping[str, Mapping[str, float]]

    @property
    def variants(self) -> list[str]:
        """Their names."""
        return list(self.cosines or self.found)


Sets = Mapping[tuple[str, str], ScoredSet]
"""By set and system."""


def compare_sentences(a: Sets, b: Sets, confidence: float) -> list[Number]:
    """Compare all scores on sentences that two results of an experiment share.

    Correlations are tested by the bootstrap over pairs, as the table of similarity has it, and corrected by Holm's
    method over all of them; mining is compared only. A set whose pairs are not the same is left out.
    """
    shared = [key for key in a if key in b and _same_pairs(a[key], b[key])]
    numbers = [number for key in shared for number in _numbers(*key, a[key], b[key], confidence)]
    corrected = iter(holm([number.p for number in numbers if number.p == number.p]))
    return [_judged(number, next(corrected) if number.p == number.p else NAN, confidence) for number in numbers]


def missing_sentences(a: Sets, b: Sets) -> list[str]:
    """The sets and systems of ``a`` that ``b`` lacks or has with other pairs, in words."""
    return [
        f"{system} on the sentences {name}" + (", with these pairs" if (name, system) in b else "")
        for name, system in a
        if (name, system) not in b or not _same_pairs(a[name, system], b[name, system])
    ]


def _same_pairs(a: ScoredSet, b: ScoredSet) -> bool:
    return a.type == b.type and np.array_equal(a.people, b.people)


def _numbers(name: str, system: str, a: ScoredSet, b: ScoredSet, confidence: float) -> Iterator[Number]:
    if a.type == "paraphrases":
        for measure, key in MINING.items():
            seeds = [[of[key] for of in one.found.values()] for one in (a, b)]
            yield _number(name, system, measure, a, b, seeds)
        return
    of_a, of_b = (np.array(list(one.cosines.values())) for one in (a, b))
    changed = int((np.abs(of_a.mean(axis=0) - of_b.mean(axis=0)) >= _SAME).sum())
    for measure in MEASURES:
        resamples = _RESAMPLES if changed else 100
        found = Correlations(
            measure, a.people, {"A": of_a, "B": of_b}, confidence=confidence, resamples=resamples, seed=_SEED
        )
        difference, (low, high), p = found.difference("B", "A")
        number = _number(name, system, measure, a, b, [found.by_seed["A"].tolist(), found.by_seed["B"].tolist()])
        yield replace(
            number,
            difference=difference,
            low=low if changed else 0.0,
            high=high if changed else 0.0,
            p=p if changed else 1.0,
            changed=changed,
            queries=len(a.people),
        )


def _number(
    name: str, system: str, measure: str, a: ScoredSet, b: ScoredSet, seeds: Sequence[Sequence[float]]
) -> Number:
    means = [float(np.mean(of)) for of in seeds]
    return Number(
        dataset=name,
        split=PLACES[a.type],
        system=system,
        measure=measure,
        a=means[0],
        b=means[1],
        difference=means[1] - means[0],
        low=NAN,
        high=NAN,
        p=NAN,
        detectable=NAN,
        changed=int(abs(means[1] - means[0]) >= _SAME),
        queries=1,
        only_a=0,
        only_b=0,
        seeds_a=tuple(map(float, seeds[0])),
        seeds_b=tuple(map(float, seeds[1])),
        trained=any(variant.startswith("seed") for one in (a, b) for variant in one.variants),
    )


def _judged(number: Number, p: float, confidence: float) -> Number:
    if not number.changed:
        verdict = IDENTICAL
    elif p != p:
        verdict = UNTESTED
    elif p < round(1 - confidence, 12):
        verdict = BETTER if number.difference > 0 else WORSE
    else:
        verdict = NOISE
    return replace(number, p_holm=p, verdict=verdict)
