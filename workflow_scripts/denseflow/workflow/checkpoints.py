"""Which scores of kept models there are: those that the target checkpoints makes, and those that a page shows."""

from itertools import chain
from pathlib import Path

from denseflow.config.kept_models import keeping_models
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
        _table(graph, model, seed, on.dataset, on.split, None): None
        for experiment in experiments.values()
        for model in keeping_models(experiment, graph.registry.models)
        for seed in experiment.seeds
        for on in experiment.evaluate_on
    }
    if not tables:
        raise DenseflowError(
            f"checkpoints: no model of {', '.join(experiments) or 'no experiment'} keeps models along the way; set "
            "`trained.recipe.keep_models` in the model's file, such as {every_epochs: 1}, or choose other experiments"
        )
    return [*dict.fromkeys([*tables, *chain.from_iterable(shown_checkpoints(graph, name) for name in experiments)])]


def shown_checkpoints(graph: Graph, experiment: str) -> list[Path]:
    """The scores of kept models that an experiment's page shows: those on its `checkpoints`."""
    chosen = graph.registry.experiments[experiment]
    return [
        _table(graph, model, seed, on.dataset, on.split, on.passages)
        for model in keeping_models(chosen, graph.registry.models)
        for seed in chosen.seeds
        for on in chosen.checkpoints
    ]


def checkpoint_options(graph: Graph, model: str, split: str, part: str) -> str:
    """What defines the scores of a training's kept models: the split, the measures, the depth, how much is searched.

    Args:
        graph: The graph.
        model: The model that kept others along the way.
        split: The split.
        part: "-of" and the number of passages beside the judged ones; empty where all are searched.
    """
    registry = graph.registry
    experiments = [one for one in registry.experiments.values() if model in keeping_models(one, registry.models)]
    experiments = experiments or list(registry.experiments.values())
    measures = list(dict.fromkeys(chain.from_iterable(experiment.measures for experiment in experiments)))
    depth = max(experiment.depth for experiment in experiments)
    passages = int(part.removeprefix("-of")) if part else None
    return canonical({"split": split, "measures": measures, "depth": depth, "passages": passages})


def _table(graph: Graph, model: str, seed: int, dataset: str, split: str, passages: int | None) -> Path:
    part = "" if passages is None else f"-of{passages}"
    return graph.model(model, f"seed{seed}").with_name(f"checkpoints{part}.{dataset}.{split}.tsv")
