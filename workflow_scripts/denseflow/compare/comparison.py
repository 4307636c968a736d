"""All that differs between two folders of results, experiment by experiment."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

from denseflow.compare.folder import Results
from denseflow.compare.numbers import Number, compare_numbers, missing, summary
from denseflow.compare.sentences import compare_sentences, missing_sentences
from denseflow.compare.steps import Difference, StepDifferences, compare_steps, flat_differences
from denseflow.errors import DenseflowError


@dataclass(frozen=True)
class Comparison:
    """An experiment in both folders."""

    experiment: str
    commits: tuple[str | None, str | None]
    """As the crates have them; None where none is recorded."""
    rules: list[Difference] | None
    """The Snakefile and the rules that are not the same; None where one folder has no record of them."""
    configuration: list[Difference] | None
    """Likewise."""
    steps: StepDifferences
    numbers: list[Number]
    only_a: list[str]
    """Numbers that B lacks."""
    only_b: list[str]
    summary: list[str]
    machines: tuple[list[str], list[str]]
    """That the steps ran on; none where it is not told."""


@dataclass(frozen=True)
class Comparisons:
    """Two folders."""

    a: str
    b: str
    only_a: list[str]
    """Experiments that B lacks."""
    only_b: list[str]
    experiments: list[Comparison]

    def as_json(self) -> dict[str, Any]:
        """For programs; what is not a number is null."""
        return _plain(asdict(self))


def compare_results(a: Results, b: Results, experiment: str | None, confidence: float) -> Comparisons:
    """Lay two folders beside each other.

    Args:
        a: One folder.
        b: The other.
        experiment: One experiment; None: all that both have.
        confidence: Of the verdicts.

    Raises:
        DenseflowError: They have no experiment in common, or not this one, or a file was altered.
    """
    shared = [name for name in a.experiments if name in b.experiments]
    for results in (a, b) if experiment is not None else ():
        if experiment not in results.experiments:
            raise DenseflowError(
                f"--experiment: {experiment!r} was not evaluated in {results.path}, which has "
                f"{', '.join(results.experiments)}"
            )
    if not shared:
        raise DenseflowError(
            f"{a.path} has {', '.join(a.experiments)} and {b.path} has {', '.join(b.experiments)}: no experiment in "
            "common, so that there is nothing to compare"
        )
    return Comparisons(
        a=str(a.path),
        b=str(b.path),
        only_a=[name for name in a.experiments if name not in shared],
        only_b=[name for name in b.experiments if name not in shared],
        experiments=[_compare(a, b, name, confidence) for name in ([experiment] if experiment else shared)],
    )


def _compare(a: Results, b: Results, experiment: str, confidence: float) -> Comparison:
    scores, sentences = (a.scores(experiment), b.scores(experiment)), (a.sentences(experiment), b.sentences(experiment))
    numbers = compare_numbers(*scores, confidence) + compare_sentences(*sentences, confidence)
    steps = compare_steps(a.steps(experiment), b.steps(experiment))
    said = summary(numbers, confidence)
    if steps.data:
        said.append("The collections are not the same: the numbers are of two different tests.")
    return Comparison(
        experiment=experiment,
        commits=(a.commit(experiment), b.commit(experiment)),
        rules=_recorded(of.rules(experiment) for of in (a, b)),
        configuration=_recorded(of.configuration(experiment) for of in (a, b)),
        steps=steps,
        numbers=numbers,
        only_a=missing(*scores) + missing_sentences(*sentences),
        only_b=missing(*reversed(scores)) + missing_sentences(*reversed(sentences)),
        summary=said,
        machines=(a.machines(experiment), b.machines(experiment)),
    )


def _recorded(records: Iterable[Mapping[str, Any]]) -> list[Difference] | None:
    """What differs between two records by file; None where one of them is empty."""
    a, b = records
    if not (a and b):
        return None
    names = dict.fromkeys([*a, *b])
    return [found for name in names for found in flat_differences(name, a.get(name, {}), b.get(name, {}))]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        if hasattr(value, "_asdict"):
            return _plain(value._asdict())
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and isnan(value) else value
