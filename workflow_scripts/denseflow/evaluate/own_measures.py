"""The measures that are computed here, because pytrec_eval lacks them: ``Answer@20``, ``IPrec@0.1``, ``RR@10``."""

from typing import Any

import ir_measures
from ir_measures.measures import Measure, ParamInfo, register, registry

MATCHES = ("dpr", "korquad", "regex")
"""How :mod:`denseflow.evaluate.answers` finds an answer in a passage; the first is meant where none is said."""


class _Answer(Measure):  # type: ignore[misc]  # ir_measures has no types
    """1 if one of the first passages contains an answer, else 0, whatever the judgements say."""

    __name__ = "Answer"
    NAME = __name__
    PRETTY_NAME = "Top-k accuracy by answer"
    SHORT_DESC = "Whether one of the first k passages contains an answer."
    SUPPORTED_PARAMS = {  # noqa: RUF012
        "cutoff": ParamInfo(dtype=int, required=True, desc="how many passages are looked at"),
        "match": ParamInfo(dtype=str, choices=MATCHES, default=MATCHES[0], desc="how texts are compared"),
    }


ANSWER, INTERPOLATED, RECIPROCAL_RANK = "Answer", "IPrec", "RR"

if ANSWER not in registry:
    register(_Answer())


def needs_answers(measure: Any) -> bool:
    """Whether a measure looks for answers in the passages' texts instead of for judgements."""
    return bool(measure.NAME == ANSWER)


def is_own(measure: Any) -> bool:
    """Whether a measure is computed here; its parameters are checked as it is asked.

    Raises:
        AssertionError: A parameter is missing, unknown or has no such value.
    """
    if measure.NAME not in (ANSWER, INTERPOLATED):
        return False
    measure.validate_params()
    return True


def without_cutoff(measure: Any) -> tuple[Any, int | None]:
    """Part RR@k, which trec_eval lacks, into trec_eval's RR and k; other measures stay whole, with None."""
    if measure.NAME == RECIPROCAL_RANK and "cutoff" in measure.params:
        kept = {key: value for key, value in measure.params.items() if key != "cutoff"}
        return ir_measures.RR(**kept), measure.params["cutoff"]
    return measure, None
