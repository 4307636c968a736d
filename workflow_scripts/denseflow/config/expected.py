"""The scores that an experiment is expected to give, checked against its systems and measures."""

from typing import TYPE_CHECKING

from denseflow.config.section import Name, Section, SplitName, Text, option, required
from denseflow.evaluate.names import check_measure, parse_measure

if TYPE_CHECKING:
    from denseflow.config.experiment import Experiment


SIMILARITY_MEASURES = {"sts": ("Spearman", "Pearson"), "paraphrases": ("AP", "F1")}
"""What scores on sentences are called in their table, by the type of their set."""


class Expected(Section):
    """A score that the workflow must give, or it fails after everything is written."""

    system: Name = required("A system of this experiment")
    measure: Text = required("One of its measures; with `similarity` Spearman or Pearson, of paraphrases AP or F1")
    value: float = required("The mean that its table must show")
    tolerance: float = required("How far off the mean may be, to either side", ge=0)
    dataset: Name | None = option(None, "One of the datasets evaluated on; without it the first")
    split: SplitName | None = option(None, "With `dataset`: its split; without it the first that is evaluated")
    similarity: Name | None = option(None, "A set of `similarity` that it is about, instead of a dataset")


def check_expected(experiment: "Experiment") -> None:
    """Refuse expected scores that no table will have; raises the kind of error that pydantic collects.

    Raises:
        ValueError: An unknown system, measure, set, dataset or split, or one that is not evaluated here.
    """
    for number, one in enumerate(experiment.expected):
        where = f"`expected[{number}]`"
        if one.system not in experiment.systems:
            raise ValueError(f"{where}: system {one.system!r} is none of the systems {sorted(experiment.systems)}")
        if one.similarity is not None:
            _check_similarity(experiment, one, where)
            continue
        check_measure(one.measure)
        measures = [str(parse_measure(name)) for name in experiment.measures]
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
        + (", ".join(f"{dataset} {split}" for dataset, split in evaluated) or "none; a set is named by `similarity`")
    )


def _check_similarity(experiment: "Experiment", one: Expected, where: str) -> None:
    if one.dataset is not None or one.split is not None:
        raise ValueError(f"{where}: `similarity` is given, and `dataset` or `split` too; a score is of one of them")
    if one.similarity not in experiment.similarity:
        known = sorted(experiment.similarity) or "none"
        raise ValueError(f"{where}: similarity {one.similarity!r} is none of the sets in `similarity`: {known}")
    measures = SIMILARITY_MEASURES[experiment.similarity[one.similarity].type]
    if one.measure not in measures:
        raise ValueError(
            f"{where}: measure {one.measure!r}, expected {' or '.join(measures)}, which {one.similarity!r} gives"
        )
    system = experiment.systems[one.system]
    if system.model is None or system.index is not None:
        raise ValueError(
            f"{where}: {one.system!r} is no model whose vectors are compared as they are, and so has no score on "
            "sentences; name another system"
        )
