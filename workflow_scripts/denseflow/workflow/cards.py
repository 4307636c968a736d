"""The model cards of an experiment: which there are, and what each is made from."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from denseflow.workflow.canonical import canonical
from denseflow.workflow.mining import PASSAGES, Mining

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph


def model_cards(graph: "Graph") -> list[Path]:
    """The cards of all models that the chosen experiments train, one a seed."""
    return [
        graph.model(model, f"seed{seed}").with_name(f"model-card.{name}.md")
        for name, experiment in graph.registry.experiments.items()
        for model in trained_models(graph, name)
        for seed in experiment.seeds
    ]


def card_inputs(graph: "Graph", experiment: str, model: str, seed: str) -> dict[str, Path]:
    """The manifests that a card is made from, by the names of :class:`denseflow.report.model_card.CardInputs`."""
    trained = graph.registry.models[model].trained
    assert trained is not None
    variant = f"seed{seed}"
    training = graph.training_inputs(model, variant)
    inputs = {
        "model": graph.model(model, variant),
        "base": training["base"],
        "report": graph.report(experiment),
    }
    if graph.registry.experiments[experiment].evaluate_on:
        inputs["evaluation"] = graph.results / "evaluate" / experiment / "manifest.json"
    if trained.data.dataset is not None:
        inputs |= {"dataset": graph.dataset(trained.data.dataset), "negatives": training["negatives"]}
    return inputs


def card_options(graph: "Graph", experiment: str, model: str) -> str:
    """What a card says that stands in no manifest."""
    chosen, compared = graph.registry.models[model], graph.registry.experiments[experiment]
    assert chosen.trained is not None
    data = chosen.trained.data
    described = {**data.model_dump(), "split": data.split or "train" if data.dataset else None}
    if data.dataset is not None and Mining.of(graph, data, "seed0").split == PASSAGES:
        described["split"] = PASSAGES
    return canonical(
        {
            "model": model,
            "experiment": experiment,
            "description": chosen.description or None,
            "kind": chosen.kind,
            "base": chosen.trained.base,
            "data": described,
            "language": None if data.dataset is None else graph.registry.datasets[data.dataset].language,
            "before": compared.before,
            "systems": [
                name
                for name, system in compared.systems.items()
                if model in (system.model, system.rerank.model if system.rerank is not None else None)
            ],
        }
    )


def trained_models(graph: "Graph", experiment: str) -> list[str]:
    """The models that an experiment trains: those that it compares, and those that they start from or learn from."""
    return [model for model in needed_models(graph, experiment) if graph.registry.models[model].trained is not None]


def needed_models(graph: "Graph", experiment: str) -> list[str]:
    """All models that an experiment needs, pretrained ones included."""
    systems = graph.registry.experiments[experiment].systems.values()
    named = [system.model or (system.rerank.model if system.rerank is not None else None) for system in systems]
    found = [model for name in named if name is not None for model in _with_needed(graph, name)]
    return list(dict.fromkeys(found))


def _with_needed(graph: "Graph", model: str) -> Iterator[str]:
    yield model
    trained = graph.registry.models[model].trained
    if trained is None:
        return
    needed = [trained.base]
    if trained.data.teacher is not None:
        needed.append(trained.data.teacher)
    if trained.data.dataset is not None:
        needed += Mining.of(graph, trained.data, "seed0").models()
    for name in needed:
        yield from _with_needed(graph, name)
