"""What stands around an experiment's table: near-twins in training, expected scores, and the provenance crate."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from denseflow.config.expected import expected_place
from denseflow.workflow.canonical import canonical
from denseflow.workflow.cards import needed_models, trained_models
from denseflow.workflow.mining import PASSAGES, Mining

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph


def near_twin_places(graph: "Graph", experiment: str) -> list[dict[str, Any]]:
    """The evaluated splits beside which models of the experiment were trained: dataset, split, training splits.

    Those are the splits of the same dataset whose queries trained a system, what it started from or learnt from.
    """
    splits: dict[str, set[str]] = {}
    for model in trained_models(graph, experiment):
        trained = graph.registry.models[model].trained
        assert trained is not None
        if trained.data.dataset is not None:
            split = Mining.of(graph, trained.data, "seed0").split
            if split != PASSAGES:
                splits.setdefault(trained.data.dataset, set()).add(split)
    return [
        {"dataset": on.dataset, "split": on.split, "training_splits": sorted(splits[on.dataset])}
        for on in graph.registry.experiments[experiment].evaluate_on
        if on.dataset in splits
    ]


def near_twins(graph: "Graph", experiment: str) -> list[Path]:
    """The manifest of the near-twins in training, or nothing where nothing was trained beside an evaluated split."""
    manifest = graph.results / "experiments" / experiment / "near_twins.manifest.json"
    return [manifest] if near_twin_places(graph, experiment) else []


def near_twins_inputs(graph: "Graph", experiment: str) -> list[Path]:
    """The manifests of the datasets that are looked at for near-twins."""
    return list(dict.fromkeys(graph.dataset(place["dataset"]) for place in near_twin_places(graph, experiment)))


def near_twins_options(graph: "Graph", experiment: str) -> str:
    """Where near-twins are looked for."""
    places = near_twin_places(graph, experiment)
    datasets = {place["dataset"]: str(graph.dataset(place["dataset"])) for place in places}
    return canonical({"places": places, "datasets": datasets})


def expected_checks(graph: "Graph") -> list[Path]:
    """What is made where an experiment gives the scores that it is expected to give."""
    return [
        graph.results / "experiments" / name / "expected.tsv"
        for name, experiment in graph.registry.experiments.items()
        if experiment.expected
    ]


def expected_options(graph: "Graph", name: str) -> str:
    """The expected scores, each with its dataset and split."""
    experiment = graph.registry.experiments[name]
    scores = []
    for number, one in enumerate(experiment.expected):
        if one.similarity is None:
            dataset, split = expected_place(experiment, number)
            scores.append({**one.model_dump(), "dataset": dataset, "split": split})
        else:
            scores.append(one.model_dump())
    return canonical({"expected": scores})


def expected_inputs(graph: "Graph", name: str) -> list[Path]:
    """The manifests of the tables that have an experiment's expected scores."""
    of_sentences = [one.similarity is not None for one in graph.registry.experiments[name].expected]
    tables = [] if all(of_sentences) else [graph.report(name)]
    if any(of_sentences):
        tables.append(graph.results / "experiments" / name / "similarity.manifest.json")
    return tables


def crates(graph: "Graph") -> list[Path]:
    """The provenance crates of all chosen experiments."""
    return [graph.results / "experiments" / name / "ro-crate-metadata.json" for name in graph.registry.experiments]


def crate_options(graph: "Graph", experiment: str) -> str:
    """What a crate describes: the manifests of all steps, and the configuration's files."""
    return canonical(
        {
            "manifests": [str(path) for path in dict.fromkeys(graph.manifests(experiment))],
            "configuration": [str(path) for path in configuration_files(graph, experiment)],
            "description": graph.registry.experiments[experiment].description or None,
        }
    )


def configuration_files(graph: "Graph", experiment: str) -> list[Path]:
    """The files of config/ that an experiment reaches."""
    registry = graph.registry
    models = needed_models(graph, experiment)
    datasets = [on.dataset for on in registry.experiments[experiment].evaluate_on]
    negatives = []
    for model in models:
        trained = registry.models[model].trained
        if trained is not None and trained.data.dataset is not None:
            datasets.append(trained.data.dataset)
            negatives.append(trained.data.negatives)
        if trained is not None and trained.recipe.evaluate is not None:
            datasets.append(registry.evaluation_dataset(model))
    files = [registry.file("experiments", experiment)]
    for kind, names in (("datasets", datasets), ("negatives", negatives), ("models", models)):
        files += [registry.file(kind, name) for name in dict.fromkeys(names) if name is not None]
    return files
