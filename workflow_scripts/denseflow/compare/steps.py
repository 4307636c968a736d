"""What differs between the steps behind two experiments: options, versions, data, and where results begin to differ."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from denseflow.compare.folder import Step
from denseflow.report.digests import digests_in

DATA = "dataset"
_NOT_FACTS = ("files", "versions", "inputs", "warnings", "shards", "columns", "stage")
_COUNTS = ("counts", "count", "systems", "queries", "documents", "facts", "parameters", "pairs", "recall")
"""What a step found out, rather than was told."""
ABSENT = "absent"


class Difference(NamedTuple):
    """A value that is not the same in the two folders."""

    where: str
    key: str
    a: str
    b: str


class Origin(NamedTuple):
    """A step whose results differ, though all that it was made from is the same."""

    step: str
    reasons: tuple[str, ...]
    """What else of it differs: ``options``, ``versions``; empty: nothing that is recorded."""


class StepDifferences(NamedTuple):
    """What differs between two experiments' steps."""

    only_a: list[str]
    only_b: list[str]
    options: list[Difference]
    versions: list[Difference]
    data: list[Difference]
    same: int
    """Steps with the same results, to the bit."""
    different: int
    origins: list[Origin]


def compare_steps(a: Mapping[str, Step], b: Mapping[str, Step]) -> StepDifferences:
    """Lay two experiments' steps beside each other, as :meth:`denseflow.compare.folder.Results.steps` gives them."""
    both = [name for name in a if name in b]
    options = {name: list(_options(name, a[name], b[name])) for name in both}
    versions = {name: list(flat_differences(name, *(_versions(of[name]) for of in (a, b)))) for name in both}
    changed = {name for name in both if a[name].digests != b[name].digests}
    data = [
        difference
        for name in both
        if a[name].manifest["stage"] == DATA
        for difference in flat_differences(name, a[name].digests, b[name].digests)
    ]
    origins = []
    for name in both:
        parents = {*a[name].parents, *b[name].parents}
        if name in changed and not any(parent in changed or parent not in a or parent not in b for parent in parents):
            kinds = (("options", options[name]), ("versions", versions[name]))
            origins.append(Origin(name, tuple(kind for kind, found in kinds if found)))
    return StepDifferences(
        only_a=[name for name in a if name not in b],
        only_b=[name for name in b if name not in a],
        options=[one for found in options.values() for one in found],
        versions=_by_package(versions),
        data=data,
        same=len(both) - len(changed),
        different=len(changed),
        origins=origins,
    )


def flat_differences(where: str, a: Any, b: Any) -> Iterator[Difference]:
    """The keys, such as ``loss.name``, whose values two nested values of JSON do not share."""
    flat_a, flat_b = dict(_flat(a)), dict(_flat(b))
    for key in dict.fromkeys([*flat_a, *flat_b]):
        values = [str(flat.get(key, ABSENT)) for flat in (flat_a, flat_b)]
        if values[0] != values[1]:
            yield Difference(where, key, *values)


def _options(name: str, a: Step, b: Step) -> Iterator[Difference]:
    return flat_differences(name, *(dict(_told(step)) for step in (a, b)))


def _told(step: Step) -> Iterator[tuple[str, Any]]:
    """What a step was told, and where it ran: not what it was made from, nor what it counted."""
    for key, value in step.manifest.items():
        if key not in _NOT_FACTS and key not in _COUNTS and not any(digests_in(value)):
            yield key, value


def _versions(step: Step) -> Mapping[str, str]:
    return step.manifest.get("versions", {})


def _by_package(versions: Mapping[str, list[Difference]]) -> list[Difference]:
    """Each package once, with the stages where it differs."""
    stages: dict[tuple[str, str, str], dict[str, None]] = {}
    for name, found in versions.items():
        for one in found:
            stages.setdefault((one.key, one.a, one.b), {})[name.split("/")[0]] = None
    return [Difference(", ".join(where), *what) for what, where in stages.items()]


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value):
            yield from _flat(item, f"{key}[{place}]")
    else:
        yield key, value
