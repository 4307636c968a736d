"""What docs/statistics.md shows is what the report has."""

import re

import pytest
from docs_page import PROJECT, lay_out, read_page, shown_files

from denseflow.config.registry import Registry
from denseflow.report.rows import COLUMNS
from denseflow.report.table import DEFAULTS
from denseflow.workflow.graph import Graph
from denseflow.workflow.reports import near_twin_places

PAGE = read_page("statistics")
FILES = shown_files(PAGE)


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Graph:
    """The project's configuration with the page's experiment."""
    folder = tmp_path_factory.mktemp("page") / "config"
    lay_out(folder, FILES)
    return Graph(Registry({"experiments": ["statistics"], "results": "results"}, folder), PROJECT)


def test_the_experiment_of_the_page_is_accepted_and_trains_beside_what_it_evaluates(graph):
    assert len(FILES) == PAGE.count("```yaml") == 1
    assert near_twin_places(graph, "statistics") == [
        {"dataset": "nfcorpus", "split": "test", "training_splits": ["train"]}
    ]


def test_the_report_takes_every_option_that_the_configuration_hands_over(graph):
    report = graph.registry.experiments["statistics"].report
    assert report.model_dump().keys() <= DEFAULTS.keys()
    assert {key for key in DEFAULTS if key != "before"} == report.model_dump().keys()


def test_every_column_of_the_table_is_explained():
    explained = {
        name for line in re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    }
    assert explained >= set(COLUMNS) - {"dataset", "split", "system", "measure", "queries"}
