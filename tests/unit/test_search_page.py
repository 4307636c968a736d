"""What docs/search.md shows as a file is a configuration that works, and its systems are where it says."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from docs_page import PROJECT, lay_out, read_page, shown_files

from denseflow.config.registry import Registry
from denseflow.config.search_index import Hnsw, Ivf, IvfPq, ScalarQuantizer
from denseflow.errors import DenseflowError
from denseflow.workflow.graph import Graph
from denseflow.workflow.searches import index_options, index_search_options, index_tables

PAGE = read_page("search")
FILES = shown_files(PAGE)
NAME = "search-indexes"


def read(folder: Path, change: tuple[str, str] = ("", "")) -> Graph:
    assert all(change[0] in text for text in FILES.values())
    lay_out(folder, {name: text.replace(*change) if change[0] else text for name, text in FILES.items()})
    return Graph(Registry({"experiments": [NAME]}, folder), PROJECT)


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Graph:
    return read(tmp_path_factory.mktemp("page") / "config")


def test_the_page_shows_each_kind_of_index_and_its_experiment_is_accepted(graph):
    assert FILES.keys() == {f"experiments/{NAME}.yaml"}
    shown = {type(system.index) for system in graph.registry.experiments[NAME].systems.values() if system.index}
    assert shown == {Hnsw, Ivf, IvfPq, ScalarQuantizer}


def test_the_folders_that_the_page_names_are_those_of_the_systems(graph):
    folders = {ranked.system: ranked.run.parent.name for ranked in graph.ranked_systems(NAME)}
    named = dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)/` \|", PAGE, re.MULTILINE))
    assert len(named) == len(folders) - 1
    assert {name: folders[name] for name in named} == named


def test_options_of_an_index_and_of_a_search_in_it_are_apart(graph):
    assert json.loads(index_options(graph, "ivf_pq_auto_48_8.d192")) == {
        **{"type": "ivf_pq", "m": 48, "bits": 8, "dimensions": 192},
    }
    assert json.loads(index_search_options(graph, "ivf_pq_auto_48_8.nprobe32.rescore200.d192")) == {
        **{"nprobe": 32, "rescore": 200},
    }


def test_the_table_of_indexes_is_made_where_an_experiment_has_some(graph):
    assert [path.parent.name for path in index_tables(graph)] == [NAME]
    plain = Graph(Registry({"experiments": ["quickstart"]}, PROJECT / "config"), PROJECT)
    assert index_tables(plain) == []


def test_results_behind_an_index_are_watched(graph):
    watched = {str(path) for path in graph.manifests(NAME)}
    for name in ("index/hnsw_32_200/manifest.json", "d192/test.top1000.manifest.json"):
        assert any(path.endswith(name) for path in watched), name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("m: 48", "m: 50", "`index.m` is 50, which does not divide `dimensions: 192`"),
        ("nprobe: 32}", "nprobe: 32, nlist: 16}", "`nprobe` is 32, more lists than the 16 of `nlist`"),
        ("type: hnsw", "type: hnws", "hnws"),
        ("kind: 8bit", "kind: 5bit", "kind"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(tmp_path, old, new, message):
    with pytest.raises(DenseflowError, match=re.escape(message)):
        read(tmp_path / "config", (old, new))


def test_an_index_goes_with_a_model_alone(tmp_path):
    experiment = yaml.safe_load(FILES[f"experiments/{NAME}.yaml"])
    experiment["systems"]["words"] = {"bm25": {}, "index": {"type": "sq"}}
    shutil.copytree(PROJECT / "config", tmp_path / "config")
    (tmp_path / "config/experiments" / f"{NAME}.yaml").write_text(yaml.safe_dump(experiment))
    with pytest.raises(DenseflowError, match="`index` goes with `model`"):
        Registry({"experiments": [NAME]}, tmp_path / "config")
