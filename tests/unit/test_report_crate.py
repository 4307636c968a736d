"""The provenance crate, read back with the library that others read it with."""

import json
import shutil
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from denseflow.files import sha256, write_json, write_text
from denseflow.manifest import write_manifest
from denseflow.report.crate import METADATA, PROFILES, write_crate

PROJECT = Path(__file__).resolve().parents[2]
RESULTS = Path("results")
EXPERIMENT = RESULTS / "experiments" / "demo"
MANIFESTS = [RESULTS / "dataset/docs/manifest.json", RESULTS / "search/manifest.json", EXPERIMENT / "manifest.json"]
CONFIGURATION = Path("config/experiments/demo.yaml")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A working directory with a collection, a run and a report, each with its manifest; the workflow lies there."""
    monkeypatch.chdir(tmp_path)
    write_text(Path("Snakefile"), "rule all: input: []\n")
    write_text(Path("rules/report.smk"), "# rules\n")
    write_text(CONFIGURATION, "before: before\n")
    dataset, search, report = MANIFESTS
    write_text(dataset.with_name("corpus.jsonl"), "a corpus")
    write_manifest(dataset.parent, "dataset", ["corpus.jsonl"], options={"source": "somewhere"})
    write_text(search.with_name("test.trec"), "a run")
    facts = {"inputs": {"dataset": sha256(dataset)}, "seed": 3, "device": "cpu"}
    write_manifest(search.parent, "search", ["test.trec"], packages=["numpy"], **facts)
    write_text(report.with_name("table.tsv"), "a table")
    inputs = {"runs": [{"run": sha256(search.with_name("test.trec"))}]}
    write_manifest(report.parent, "report", ["table.tsv"], packages=["scipy"], inputs=inputs)
    return tmp_path


def written(base: Path, **more) -> ROCrate:
    write_crate(MANIFESTS[-1], [*MANIFESTS, RESULTS / "missing.json"], [CONFIGURATION], base, **more)
    return ROCrate(EXPERIMENT)


def ids(entities) -> list[str]:
    return [entity.id for entity in entities]


def test_the_crate_is_a_workflow_run_crate_with_the_workflow_as_its_main_entity(project):
    crate = written(project, description="What changed")
    root = crate.root_dataset
    assert ids(root["conformsTo"]) == list(PROFILES)
    assert (root["name"], root["description"]) == ("Denseflow: demo", "What changed")
    steps = [f"#step/{path.as_posix()}" for path in MANIFESTS]
    assert ids(root["mentions"]) == [*steps, "#run"]
    assert all(root.get(key) for key in ("datePublished", "license"))
    assert crate.mainEntity.id == "workflow/Snakefile"
    assert crate.mainEntity["programmingLanguage"]["name"] == "Snakemake"
    assert ids(crate.mainEntity["hasPart"]) == ["workflow/rules/report.smk"]


def test_each_file_of_the_crate_is_there_with_its_sha256(project):
    crate = written(project)
    files = [entity for entity in crate.data_entities if entity.id != "./"]
    assert set(ids(files)) == {
        *("workflow/Snakefile", "workflow/rules/report.smk", "workflow/config/experiments/demo.yaml"),
        *("manifest.json", "table.tsv"),
    }
    for file in files:
        assert sha256(EXPERIMENT / file.id) == file["sha256"]


def test_the_run_goes_from_the_configuration_and_the_collection_to_the_table(project):
    run = written(project).get("#run")
    assert run["instrument"].id == "workflow/Snakefile"
    assert ids(run["object"]) == ["workflow/config/experiments/demo.yaml", "#results/dataset/docs/manifest.json"]
    assert ids(run["result"]) == ["manifest.json", "table.tsv"]
    assert run["startTime"] <= run["endTime"]


def test_each_step_has_its_inputs_by_their_sha256_its_options_and_its_versions(project):
    crate = written(project)
    dataset, search, report = (crate.get(f"#step/{path.as_posix()}") for path in MANIFESTS)
    assert ids(dataset["object"]) == ["#options/results/dataset/docs/manifest.json"]
    assert json.loads(dataset["object"][0]["value"]) == {"source": "somewhere"}
    assert ids(dataset["result"]) == ["#results/dataset/docs/manifest.json", "#results/dataset/docs/corpus.jsonl"]
    assert ids(search["object"]) == ["#results/dataset/docs/manifest.json"]
    assert search["description"] == "seed 3, device cpu"
    assert [package["name"] for package in search["instrument"]["softwareRequirements"]] == ["numpy"]
    assert ids(report["object"]) == ["#results/search/test.trec"]
    assert crate.get("#results/search/test.trec")["sha256"] == sha256(RESULTS / "search/test.trec")


def test_a_step_says_what_machine_it_ran_on(project):
    facts = {"processor": "Some CPU", "hardware threads": "8", "memory": "16 GiB", "GPUs": "none"}
    write_json(RESULTS / "logs/dataset/docs.machine.json", facts)
    crate = written(project)
    assert crate.get(f"#step/{MANIFESTS[0].as_posix()}")["description"] == (
        "on Some CPU, 8 hardware threads, 16 GiB, no GPU"
    )
    assert "on " not in crate.get(f"#step/{MANIFESTS[1].as_posix()}")["description"]


def test_every_reference_leads_to_an_entity_of_the_crate(project):
    written(project)
    graph = json.loads((EXPERIMENT / METADATA).read_text())["@graph"]
    known = {entity["@id"] for entity in graph}

    def references(value):
        if isinstance(value, list):
            return {found for item in value for found in references(item)}
        return {value["@id"]} if isinstance(value, dict) else set()

    found = {reference for entity in graph for value in entity.values() for reference in references(value)}
    assert {reference for reference in found - known if not reference.startswith(("http:", "https:"))} == set()


def test_the_same_results_are_described_by_the_same_text(project):
    written(project)
    first = (EXPERIMENT / METADATA).read_text()
    written(project)
    assert (EXPERIMENT / METADATA).read_text() == first


def test_the_commit_is_told_where_the_workflow_lies_in_a_repository(project):
    assert "version" not in written(project).mainEntity.properties()
    if shutil.which("git") is None or not (PROJECT / ".git").exists():
        pytest.skip("the project is no Git repository here")
    assert len(written(PROJECT).mainEntity["version"].split(",")[0]) == 40
