"""The pages of an experiment's collections, to be read before anyone trains: which there are, and what each shows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from denseflow.workflow.canonical import canonical
from denseflow.workflow.cards import needed_models

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph

_OF_LENGTHS = (
    *("query_prefix", "passage_prefix", "query_max_length", "passage_max_length"),
    *("title_separator", "add_bos", "add_eos"),
)
"""What of a contract decides how long a text is and where it is cut."""


def data_pages(graph: "Graph") -> list[Path]:
    """The pages of all collections of the chosen experiments."""
    return [
        graph.results / "experiments" / experiment / "data" / f"{dataset}.html"
        for experiment in graph.registry.experiments
        for dataset in experiment_datasets(graph, experiment)
    ]


def made_data_pages(graph: "Graph", experiment: str) -> list[Path]:
    """The pages of an experiment's collections that were made: `snakemake data` makes them, and nothing else asks."""
    folder = graph.results / "experiments" / experiment / "data"
    pages = [folder / f"{dataset}.html" for dataset in experiment_datasets(graph, experiment)]
    return [page for page in pages if page.is_file()]


def experiment_datasets(graph: "Graph", experiment: str) -> list[str]:
    """The collections that an experiment trains on or scores on."""
    registry = graph.registry
    found = [on.dataset for on in registry.experiments[experiment].evaluate_on]
    for model in needed_models(graph, experiment):
        trained = registry.models[model].trained
        if trained is not None and trained.data.dataset is not None:
            found.append(trained.data.dataset)
        if trained is not None and trained.recipe.evaluate is not None:
            found.append(registry.evaluation_dataset(model))
    return list(dict.fromkeys(found))


def data_page_inputs(graph: "Graph", experiment: str, dataset: str) -> list[Path]:
    """The manifests that a page is made from: the collection's, that of its facts, and those of pretrained models."""
    readers = [Path(reader["manifest"]) for reader in _readers(graph, experiment)]
    return [graph.dataset(dataset), facts(graph, dataset), *dict.fromkeys(readers)]


def facts(graph: "Graph", dataset: str) -> Path:
    """The manifest of what there is to say of a collection."""
    return graph.dataset(dataset).with_name("data.manifest.json")


def data_page_options(graph: "Graph", experiment: str, dataset: str) -> str:
    """What a page shows beside the collection's facts: its description and language, and who reads its texts."""
    of_dataset = graph.registry.datasets[dataset]
    return canonical(
        {
            "dataset": dataset,
            "description": of_dataset.description or None,
            "language": of_dataset.language,
            "readers": _readers(graph, experiment),
        }
    )


def _readers(graph: "Graph", experiment: str) -> list[dict[str, Any]]:
    """The encoders of an experiment; those that read texts alike together.

    A trained model reads with the tokenizer of the pretrained one that it comes from.
    """
    found: dict[str, dict[str, Any]] = {}
    for model in needed_models(graph, experiment):
        if graph.registry.models[model].kind == "cross_encoder":
            continue
        root, contract = _root(graph, model)
        reader = {"manifest": str(graph.model(root, "pretrained")), "contract": contract}
        found.setdefault(canonical(reader), {"models": [], **reader})["models"].append(model)
    return list(found.values())


def _root(graph: "Graph", model: str) -> tuple[str, dict[str, Any]]:
    """The pretrained model that a model comes from, and what was changed of its contract on the way."""
    chosen = graph.registry.models[model]
    if chosen.trained is None:
        return model, {}
    root, contract = _root(graph, chosen.trained.base)
    own = chosen.contract.model_dump(include=set(_OF_LENGTHS), exclude_none=True)
    return root, {**contract, **own}
