"""The page of an experiment: what it is made from."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from denseflow.workflow.canonical import canonical
from denseflow.workflow.checkpoints import shown_checkpoints
from denseflow.workflow.reports import configuration_files
from denseflow.workflow.searches import index_tables
from denseflow.workflow.similarity import similarity_tables

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph


def pages(graph: "Graph") -> list[Path]:
    """The pages of all chosen experiments."""
    return [graph.results / "experiments" / name / "report.html" for name in graph.registry.experiments]


def page_tables(graph: "Graph", experiment: str) -> list[Path]:
    """The tables that a page shows beside its report's own, where the experiment has them."""
    tables = [*similarity_tables(graph), *index_tables(graph)]
    return [*(table for table in tables if table.parent.name == experiment), *shown_checkpoints(graph, experiment)]


def page_options(graph: "Graph", experiment: str) -> str:
    """What a page shows: the runs, the collections, the manifests of all steps, and the configuration's files."""
    reported = json.loads(graph.report_options(experiment))
    manifests = dict.fromkeys([*_indexes(graph, experiment), *graph.manifests(experiment)])
    return canonical(
        {
            "systems": reported["systems"],
            "datasets": reported["datasets"],
            "manifests": [str(path) for path in manifests],
            "configuration": [str(path) for path in configuration_files(graph, experiment)],
            "description": graph.registry.experiments[experiment].description or None,
            "checkpoints": [str(table) for table in shown_checkpoints(graph, experiment)] or None,
            "results": str(graph.results),
        }
    )


def _indexes(graph: "Graph", experiment: str) -> list[Path]:
    """The manifests of the BM25 indexes that runs below the same folder were made with."""
    found = []
    for manifest in graph.manifests(experiment):
        folder = manifest.parent
        if manifest.is_relative_to(graph.results / "bm25"):
            found.append(folder.with_name(f"index-{folder.name.split('_')[0]}") / "manifest.json")
    return found
