"""What docs/statistics.md shows is what the report has."""

import re
import shutil
from pathlib import Path

import pytest

from denseflow.config.registry import Registry
from denseflow.report.rows import COLUMNS
from denseflow.report.table import DEFAULTS
from denseflow.workflow.graph import Graph
from denseflow.workflow.reports import near_twin_places

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "statistics.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```yaml\n# config/(\S+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Graph:
    """The project's configuration with the page's experiment."""
    folder = tmp_path_factory.mktemp("page") / "config"
    shutil.copytree(PROJECT / "config", folder)
    for name, text in FILES.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text, encoding="utf-8")
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
