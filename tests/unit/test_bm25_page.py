"""What docs/bm25.md shows and lists is so."""

import re

from docs_page import PROJECT, lay_out, read_page, shown_files

from denseflow.bm25.analyzers import ANALYZERS
from denseflow.config.registry import Registry
from denseflow.workflow.graph import Graph

PAGE = read_page("bm25")


def test_the_experiment_shown_searches_with_both_analysers(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    graph = Graph(Registry({"experiments": ["analysers"]}, lay_out(tmp_path / "config", shown_files(PAGE))), PROJECT)
    runs = {ranked.system: ranked.run.parent.name for ranked in graph.ranked_systems("analysers")}
    assert runs == {"bm25": "ko_0.9_0.4", "bigrams": "character_bigrams_0.9_0.4"}


def test_the_page_counts_the_analysers_that_there_are():
    listed = re.findall(r"`(\w+)`", PAGE.split("| --- | --- |\n")[1].split("\n\n")[0])
    codes = set(ANALYZERS) - {"whitespace", "character_bigrams"}
    assert set(listed) <= set(ANALYZERS)
    others = re.search(r"and (\d+) other codes", PAGE)
    assert others is not None
    assert int(others[1]) == len(codes - set(listed))
