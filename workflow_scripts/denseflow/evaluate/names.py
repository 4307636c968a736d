"""Names of measures, as ir_measures writes them: ``nDCG@10``, ``R@100``, ``AP``, ``P(rel=2)@5``; ``Answer@20``."""

import re
from difflib import get_close_matches
from typing import Any

import ir_measures
from ir_measures import measures

from denseflow.errors import DenseflowError
from denseflow.evaluate.own_measures import ANSWER, is_own, needs_answers, without_cutoff

_ADVICE = (
    "Write it as ir_measures does, for example nDCG@10, R@100, AP, RR@10, P@5, Success@5, Rprec, Bpref, P(rel=2)@10, "
    "or Answer@20; docs/measures.md has them all"
)

_REFUSED = ("NumQ", "NumRet", "NumRel", "NumRelRet")
"""Numbers of queries and documents, whose mean says nothing of a system's quality."""


def parse_measure(name: str) -> Any:
    """The ir_measures measure of a name; ``str`` of it is the measure's one spelling (``MRR@10`` becomes ``RR@10``).

    Raises:
        DenseflowError: As :func:`check_measure`.
    """
    try:
        return _parse(name)
    except ValueError as error:
        raise DenseflowError(str(error)) from None


def check_measure(name: str) -> None:
    """Refuse what is no measure; raises the kind of error that pydantic collects.

    Raises:
        ValueError: The name is unknown, lacks its cutoff, or is a measure that trec_eval does not compute.
    """
    _parse(name)


def looks_for_answers(name: str) -> bool:
    """Whether a measure's name means one that needs the queries' answers."""
    return needs_answers(parse_measure(name))


def _parse(name: str) -> Any:
    try:
        measure = ir_measures.parse_measure(name)
        computed, _ = without_cutoff(measure)
        supported = is_own(measure) or (measure.NAME not in _REFUSED and ir_measures.pytrec_eval.supports(computed))
    except (NameError, ValueError, AssertionError, TypeError) as error:
        reason = "it lacks its cutoff, as in R@100" if "cutoff=<object" in str(error) else str(error)
        raise ValueError(f"unknown measure {name!r}: {reason}. {_closest(name)}{_ADVICE}") from None
    if not supported:
        raise ValueError(f"measure {name!r} is none of those taken from trec_eval. {_ADVICE}")
    cutoff = measure.params.get("cutoff", 1)
    if type(cutoff) is not int or cutoff < 1:
        raise ValueError(f"measure {name!r}: cutoff {cutoff}, expected a whole number from 1 on. {_ADVICE}")
    recall = measure.params.get("recall", 0.0)
    if not 0 <= recall <= 1:
        raise ValueError(f"measure {name!r}: recall {recall}, expected a share from 0.0 to 1.0. {_ADVICE}")
    return measure


def _closest(name: str) -> str:
    by_lower = {known.lower(): known for known in sorted(_supported_names())}
    letters = re.match(r"[^\W\d_]*", name)
    close = get_close_matches(letters.group().lower() if letters else "", by_lower, n=2, cutoff=0.6)
    numbers = re.findall(r"\d+", name)
    cutoff = f"@{numbers[-1]}" if numbers else ""
    matches = [
        by_lower[match] + (cutoff if measures.registry[by_lower[match]].AT_PARAM == "cutoff" else "") for match in close
    ]
    return f"Did you mean {' or '.join(matches)}? " if matches else ""


def _supported_names() -> set[str]:
    """All spellings of the measures that there are, ``MRR`` for ``RR`` and the like included."""
    names = {ANSWER, *(measure.NAME for measure in ir_measures.pytrec_eval.SUPPORTED_MEASURES)}.difference(_REFUSED)
    return {alias for alias, kind in measures.registry.items() if kind.NAME in names}
