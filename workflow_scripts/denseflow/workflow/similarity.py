"""The graph's part for sets of sentences: which scores an experiment asks for, and what each depends on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denseflow.workflow.canonical import canonical

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph


def similarity_tables(graph: "Graph") -> list[Path]:
    """The tables of the chosen experiments that have sets of sentences."""
    experiments = graph.registry.experiments.items()
    return [graph.results / "experiments" / name / "similarity.tsv" for name, one in experiments if one.similarity]


def similarity_manifests(graph: "Graph", experiment: str) -> Iterator[Path]:
    """The manifests of an experiment's sets, of its models' scores on them, and of the table."""
    for name, of_systems in _scores(graph, experiment).items():
        yield _folder(graph, experiment, name) / "manifest.json"
        for scores in of_systems.values():
            yield from (file.with_name("manifest.json") for file in scores)
    if graph.registry.experiments[experiment].similarity:
        yield graph.results / "experiments" / experiment / "similarity.manifest.json"
        yield from (manifest for model in _scored(graph, experiment) for manifest in graph.model_manifests(*model))


def score_manifests(graph: "Graph", experiment: str) -> list[Path]:
    """What the table is made from."""
    scores = [file for of_systems in _scores(graph, experiment).values() for of in of_systems.values() for file in of]
    return [file.with_name("manifest.json") for file in scores]


def set_options(graph: "Graph", experiment: str, name: str) -> str:
    """What defines a set: where its file comes from, with its content where no sum is given, and its columns."""
    section = graph.registry.experiments[experiment].similarity[name]
    options: dict[str, Any] = {"set": section}
    if section.path is not None and section.sha256 is None:
        options["content"] = graph.content(Path(section.path))
    return canonical(options)


def score_options(graph: "Graph", experiment: str, name: str, system: str) -> str:
    """What defines a model's scores on a set, beside the model."""
    compared = graph.registry.experiments[experiment]
    encode = graph.registry.models[model_of(graph, experiment, system)].encode
    dimensions = compared.systems[system].dimensions
    return canonical(
        {
            "set": compared.similarity[name],
            "dimensions": dimensions,
            "encode": encode.model_copy(update={"storage": None}),
        }
    )


def table_options(graph: "Graph", experiment: str) -> str:
    """What defines the table: the scores, in order, which system is "before", and how intervals are made."""
    compared = graph.registry.experiments[experiment]
    sets = [
        {
            "name": name,
            "type": compared.similarity[name].type,
            "files": [[system, [str(file) for file in files]] for system, files in of_systems.items()],
        }
        for name, of_systems in _scores(graph, experiment).items()
    ]
    report = {key: getattr(compared.report, key) for key in ("confidence", "bootstrap_resamples", "seed")}
    return canonical({"sets": sets, "report": {**report, "before": compared.before}})


def model_of(graph: "Graph", experiment: str, system: str) -> str:
    """The model of a system that is scored on sentences."""
    return str(graph.registry.experiments[experiment].systems[system].model)


def _scored(graph: "Graph", experiment: str) -> list[tuple[str, str]]:
    """The models that are scored on sentences, with their variants."""
    compared = graph.registry.experiments[experiment]
    names = dict.fromkeys(system.model for system in compared.systems.values() if system.model and not system.index)
    return [(name, variant) for name in names for variant in graph.variants(name, compared)]


def _scores(graph: "Graph", experiment: str) -> dict[str, dict[str, list[Path]]]:
    """The scores.tsv of each set and system, one a variant; an approximate index has no say in a cosine."""
    compared = graph.registry.experiments[experiment]
    systems = {
        name: graph.variants(system.model, compared)
        for name, system in compared.systems.items()
        if system.model is not None and system.index is None
    }
    return {
        name: {
            system: [_folder(graph, experiment, name) / system / variant / "scores.tsv" for variant in variants]
            for system, variants in systems.items()
        }
        for name in compared.similarity
    }


def _folder(graph: "Graph", experiment: str, name: str) -> Path:
    return graph.results / "evaluate" / experiment / "similarity" / name
