"""The target checkpoints: which scores of kept models the chosen experiments ask for."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from denseflow.config.experiment import Experiment
from denseflow.config.registry import Registry
from denseflow.errors import DenseflowError
from denseflow.workflow.canonical import canonical
from denseflow.workflow.graph import Graph


def checkpoint_tables(graph: Graph) -> list[Path]:
    """The scores of the models that the chosen experiments' trainings keep along the way, on the experiments' splits.

    Raises:
        DenseflowError: None of their models keeps any.
    """
    experiments = graph.registry.experiments
    tables = {
        graph.model(model, f"seed{seed}").with_name(f"checkpoints.{on.dataset}.{on.split}.tsv"): None
        for experiment in experiments.values()
        for model in _keeping(experiment, graph.registry)
        for seed in experiment.seeds
        for on in experiment.evaluate_on
    }
    if not tables:
        raise DenseflowError(
            f"checkpoints: no model of {', '.join(experiments) or 'no experiment'} keeps models along the way; set "
            "`trained.recipe.keep_models` in the model's file, such as {every_epochs: 1}, or choose other experiments"
        )
    return list(tables)


def checkpoint_options(graph: Graph, split: str) -> str:
    """What defines the scores of kept models: the split, all chosen experiments' measures, the greatest depth."""
    experiments = graph.registry.experiments.values()
    measures = list(dict.fromkeys(chain.from_iterable(experiment.measures for experiment in experiments)))
    depth = max(experiment.depth for experiment in experiments)
    return canonical({"split": split, "measures": measures, "depth": depth})


def _keeping(experiment: Experiment, registry: Registry) -> Iterator[str]:
    """The models of an experiment that keep others along the way, those that they start from included."""
    for system in experiment.systems.values():
        name = system.model
        while name is not None and (trained := registry.models[name].trained) is not None:
            if trained.recipe.keep_models is not None:
                yield name
            name = trained.base
