"""Planning many experiments reads and parses each file once, and Snakemake's process loads nothing heavy."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hundred_experiments import write_experiments
from project_copy import PROJECT, Workflow

from denseflow.config import registry as registry_module
from denseflow.config.registry import Registry
from denseflow.workflow import fingerprint as fingerprint_module
from denseflow.workflow import graph as graph_module
from denseflow.workflow.graph import Graph

EXPERIMENTS = 12


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch):
    """Counts the calls of a function of a module by their first argument from now on."""

    def count(module: object, name: str) -> Counter:
        counted, function = Counter(), getattr(module, name)

        def counting(first, *others):
            counted[str(first)] += 1
            return function(first, *others)

        monkeypatch.setattr(module, name, counting)
        return counted

    return count


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project with a dozen experiments that share collections, negatives and a model."""
    workflow = Workflow(tmp_path / "project")
    write_experiments(workflow, EXPERIMENTS)
    monkeypatch.chdir(workflow.folder)
    return workflow.folder


def read(project: Path) -> Registry:
    return Registry(yaml.safe_load((project / "config" / "config.yaml").read_text()))


def test_each_file_of_the_configuration_is_read_once(project, calls):
    counted = calls(registry_module, "read_yaml")
    read(project)
    files = {str(path.relative_to(project)) for path in project.glob("config/*/*.yaml")}
    unused = {
        f"config/{name}.yaml" for name in ("datasets/docs", "negatives/mined", "models/tuned", "experiments/tiny")
    }
    assert set(counted) == files - unused
    assert set(counted.values()) == {1}


def test_each_module_is_parsed_once_for_the_fingerprints_of_all_rules(project, calls):
    for cached in (fingerprint_module.fingerprint, fingerprint_module._module):
        cached.cache_clear()
    graph = Graph(read(project), project)
    counted = calls(ast, "parse")
    for script in project.glob("workflow_scripts/*.py"):
        graph.code(script.stem, "train")
        graph.code(script.stem, "encode")
    assert len(counted) > 50
    assert set(counted.values()) == {1}


def test_looking_for_damage_opens_each_manifest_once(project, calls):
    counted = calls(graph_module, "damaged_files")
    Graph(read(project), project).damaged()
    assert len(counted) > 10 * EXPERIMENTS
    assert set(counted.values()) == {1}


def test_snakemakes_own_process_loads_no_library_that_computes():
    sources = [PROJECT / "Snakefile", *sorted((PROJECT / "rules").glob("*.smk"))]
    statements = [
        line
        for source in sources
        for line in re.findall(r"^from denseflow[\w.]* import (?:\([^)]*\)|.*)$", source.read_text(), re.MULTILINE)
    ]
    assert statements
    assert not loaded(statements, {"numpy", "pandas", "scipy", "torch", "transformers", "faiss", "matplotlib"})


@pytest.mark.parametrize(
    ("script", "unwanted"),
    [
        ("dataset", {"torch", "transformers", "pandas", "scipy", "ir_datasets", "datasets"}),
        ("bm25_index", {"torch", "transformers", "pandas", "scipy", "numpy"}),
        ("bm25_search", {"torch", "transformers", "pandas", "scipy"}),
        ("negatives", {"torch", "transformers", "pandas", "scipy", "sentence_transformers"}),
        ("search", {"torch", "transformers", "pandas", "scipy", "sentence_transformers"}),
        ("evaluate", {"torch", "transformers", "pandas", "scipy", "matplotlib", "sentence_transformers"}),
        ("report", {"torch", "transformers", "matplotlib", "sentence_transformers"}),
        ("model_card", {"torch", "transformers", "scipy", "matplotlib", "sentence_transformers"}),
        ("encode_queries", {"faiss", "ir_datasets", "ir_measures", "pytrec_eval", "matplotlib", "sklearn"}),
        ("train", {"ir_datasets", "pytrec_eval", "matplotlib", "wandb", "tensorboard"}),
    ],
)
def test_a_script_loads_only_what_its_stage_needs(script, unwanted):
    text = (PROJECT / "workflow_scripts" / f"{script}.py").read_text()
    statements = [ast.unparse(node) for node in ast.parse(text).body]
    assert statements[-1].startswith("with stage_log(")
    assert not loaded(statements[:-1], unwanted)


def loaded(statements: list[str], unwanted: set[str]) -> list[str]:
    """Which of the unwanted packages a new process has once it ran the import statements."""
    code = "\n".join([*statements, "import sys", f"print(*sorted({unwanted!r} & set(sys.modules)))"])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT / "workflow_scripts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
