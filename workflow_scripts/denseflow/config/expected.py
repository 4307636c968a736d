"""The scores that an experiment is expected to give, checked against its systems and measures."""

from typing import TYPE_CHECKING

from denseflow.config.section import Name, Section, SplitName, Text, option, required
from denseflow.evaluate.names import check_measure, parse_measure

if TYPE_CHECKING:
    from denseflow.config.experiment import Experiment


class Expected(Section):
    """A score that the workflow must give, or it fails after everything is written."""

    system: Name = required("A system of this experiment")
    measure: Text = required("One of its measures")
    value: float = required("The mean that its table must show")
    tolerance: float = required("How far off the mean may be, to either side", ge=0)
    dataset: Name | None = option(None, "One of the datasets evaluated on; without it the first")
    split: SplitName | None = option(None, "With `dataset`: its split; without it the first that is evaluated")


def check_expected(experiment: "Experiment") -> None:
    """Refuse expected scores that the table will not have; raises the kind of error that pydantic collects.

    Raises:
        ValueError: An unknown system, measure, dataset or split, or one that is not evaluated here.
    """
    measures = [str(parse_measure(name)) for name in experiment.measures]
    for number, one in enumerate(experiment.expected):
        where = f"`expected[{number}]`"
        if one.system not in experiment.systems:
            raise ValueError(f"{where}: system {one.system!r} is none of the systems {sorted(experiment.systems)}")
        check_measure(one.measure)
        if str(parse_measure(one.measure)) not in measures:
            raise ValueError(f"{where}: measure {one.measure!r} is none of the `measures` {measures}; add it there")
        expected_place(experiment, number)


def expected_place(experiment: "Experiment", number: int) -> tuple[str, str]:
    """The dataset and split that an expected score is about.

    Raises:
        ValueError: They are not evaluated on.
    """
    one, evaluated = experiment.expected[number], [(on.dataset, on.split) for on in experiment.evaluate_on]
    for dataset, split in evaluated:
        if one.dataset in (None, dataset) and one.split in (None, split):
            return dataset, split
    raise ValueError(
        f"`expected[{number}]`: dataset {one.dataset!r}, split {one.split!r} are none of `evaluate_on`, which has "
        + ", ".join(f"{dataset} {split}" for dataset, split in evaluated)
    )
