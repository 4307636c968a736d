"""The five known systems: the plans of their experiments, and their pages."""

import re

import pytest
from docs_page import read_page
from originals import EXPERIMENTS, NAMES, TEXTS, configuration_keys, named_keys, option_table
from project_copy import Workflow, lay_out_own_configuration


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A copy of the project with its own configuration and no results; nothing can be downloaded."""
    workflow = Workflow(tmp_path_factory.mktemp("originals") / "project")
    lay_out_own_configuration(workflow.folder)
    return workflow


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_each_experiment_of_an_original_has_a_plan_from_the_data_to_the_report(project, experiment):
    planned = project.planned("--config", f"experiments=[{experiment}]")
    needed = {"dataset", "bm25_index", "bm25_search", "pretrained", "train", "encode_corpus", "search", "report"}
    assert needed - planned.keys() == set()


@pytest.mark.parametrize("experiment", ["paddlenlp-scifact", "paddlenlp-scifact-small", "paddlenlp-decoder-small"])
def test_each_further_experiment_of_an_original_has_a_plan(project, experiment):
    planned = project.planned("--config", f"experiments=[{experiment}]")
    assert {"dataset", "bm25_search", "pretrained", "encode_corpus", "search", "report"} - planned.keys() == set()
    assert f"experiments=[{experiment}]" in read_page("paddlenlp-dureader")


@pytest.mark.parametrize("name", NAMES)
def test_each_page_says_how_to_run_both_and_has_the_table_of_the_small_one(name):
    page = read_page(name)
    assert f"experiments=[{name}]" in page
    assert f"experiments=[{name}-small]" in page
    assert f"<!-- table: {name}-small -->" in page
    assert "BM25" in page


@pytest.mark.parametrize("name", NAMES)
def test_each_key_that_stands_for_an_option_of_the_original_exists(name):
    keys = configuration_keys()
    unknown = {key for here in option_table(name).values() for key in named_keys(here)} - keys
    assert unknown == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_option_that_the_original_gives_on_a_command_line_is_in_its_page_s_table(name, shared):
    text = (shared / "originals" / TEXTS[name]).read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", " ", text).split("\n")
    commands = [line for line in lines if re.search(r"\bpython ", line)]
    given = {flag for line in commands for flag in re.findall(r" --(\w+)", line)}
    assert given - {option.lstrip("-").split(" ")[0] for option in option_table(name)} == set()


@pytest.mark.parametrize(
    ("name", "options"),
    [("dpr-trec", r"^model_args\.(\w+) ="), ("korquad-dual", r"\bargs\.(\w+)|^ {4}(\w+)=")],
)
def test_every_option_that_the_original_sets_in_python_is_in_its_page_s_table(name, options, shared):
    text = (shared / "originals" / TEXTS[name]).read_text(encoding="utf-8")
    set_there = {option for found in re.finditer(options, text, re.MULTILINE) for option in found.groups() if option}
    assert len(set_there) > 8
    assert set_there - option_table(name).keys() == set()
