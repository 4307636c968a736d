"""Searches with an index or with cut vectors: their files, and what their rules depend on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from denseflow.config.experiment import System
from denseflow.config.search_index import Hnsw, Index, ScalarQuantizer
from denseflow.workflow.canonical import canonical

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph, RankedSystem


def search_folder(system: System) -> str:
    """The folder of a system's runs below those of its model; empty for an exact search of whole vectors."""
    if system.index is not None:
        return system.index.searched(system.dimensions)
    return "" if system.dimensions is None else f"d{system.dimensions}"


def index_options(graph: "Graph", built: str) -> str:
    """What an index is built with, by the name of its folder."""
    for index, dimensions in _indexes(graph):
        if index.built(dimensions) == built:
            return canonical(index.build_options(dimensions))
    raise KeyError(built)


def index_search_options(graph: "Graph", searched: str) -> str:
    """What only the searches in an index depend on, by the name of their folder."""
    index, _ = _searched(graph, searched)
    return canonical(index.search_options())


def index_search_inputs(graph: "Graph", searched: str, folder: Path, run: str) -> dict[str, Path]:
    """The index that is searched and the exact run that it is compared with.

    Args:
        graph: The configuration's graph.
        searched: The name of the folder of the runs.
        folder: Of the model's searches in the dataset.
        run: The name of the run's manifest.
    """
    index, dimensions = _searched(graph, searched)
    exact = folder if dimensions is None else folder / f"d{dimensions}"
    return {"index": folder / "index" / index.built(dimensions) / "manifest.json", "exact": exact / run}


def search_gpus(graph: "Graph", dataset: str, model: str) -> int:
    """The GPUs for an exact search; a sparse encoder's terms are searched on CPUs."""
    on_cpu = graph.registry.models[model].kind == "sparse_encoder"
    return 0 if on_cpu else graph.registry.datasets[dataset].run.search_gpus


def index_gpus(graph: "Graph", dataset: str, searched: str) -> int:
    """The GPUs for a search in an index; FAISS has neither HNSW nor scalar quantisation on GPUs."""
    index, _ = _searched(graph, searched)
    on_cpu = isinstance(index, Hnsw | ScalarQuantizer)
    return 0 if on_cpu else graph.registry.datasets[dataset].run.search_gpus


def searches(graph: "Graph", experiment: str, ranked: "RankedSystem") -> Iterator[Path]:
    """The manifests behind a system's run that has an index."""
    system = graph.registry.experiments[experiment].systems[ranked.system]
    if system.index is not None:
        folder = ranked.manifest.parent
        yield from index_search_inputs(graph, folder.name, folder.parent, ranked.manifest.name).values()


def index_tables(graph: "Graph") -> list[Path]:
    """The tables of the experiments that have a system with an index or with cut vectors."""
    return [
        graph.results / "experiments" / name / "indexes.tsv"
        for name, experiment in graph.registry.experiments.items()
        if any(search_folder(system) for system in experiment.systems.values())
    ]


def index_table_options(graph: "Graph", experiment: str) -> str:
    """The runs of an experiment's systems that search vectors."""
    systems = graph.registry.experiments[experiment].systems
    return canonical(
        {
            "systems": [
                {
                    "system": ranked.system,
                    "variant": ranked.variant,
                    "dataset": ranked.dataset,
                    "split": ranked.split,
                    "search": search_folder(systems[ranked.system]) or "exact",
                    "run": str(ranked.run),
                    "vectors": str(
                        graph.encoded(
                            ranked.dataset, str(systems[ranked.system].model), ranked.variant, ranked.split
                        ).corpus
                    ),
                }
                for ranked in graph.ranked_systems(experiment)
                if systems[ranked.system].model is not None
            ]
        }
    )


def index_table_inputs(graph: "Graph", experiment: str) -> list[Path]:
    """The manifests of these runs."""
    systems = graph.registry.experiments[experiment].systems
    found = (ranked for ranked in graph.ranked_systems(experiment) if systems[ranked.system].model is not None)
    return list(dict.fromkeys(ranked.manifest for ranked in found))


def _indexes(graph: "Graph") -> Iterator[tuple[Index, int | None]]:
    for experiment in graph.registry.experiments.values():
        for system in experiment.systems.values():
            if system.index is not None:
                yield system.index, system.dimensions


def _searched(graph: "Graph", searched: str) -> tuple[Index, int | None]:
    for index, dimensions in _indexes(graph):
        if index.searched(dimensions) == searched:
            return index, dimensions
    raise KeyError(searched)
