"""The steps around the table, in a finished experiment."""

import json
import re

from rocrate.rocrate import ROCrate

from denseflow.report.rows import ALL, read_rows

EXPECTED = "expected: [{{system: bm25, measure: R@100, value: {value:.4f}, tolerance: 0.001}}]\ndepth:"


def test_a_score_that_is_not_as_expected_fails_the_workflow_and_leaves_the_results(workflow):
    folder = workflow.folder / "results" / "experiments" / "tiny"
    table = (folder / "table.tsv").read_bytes()
    found = next(row.mean for row in read_rows(folder / "table.tsv") if (row.system, row.measure) == ("bm25", "R@100"))
    workflow.edit("config/experiments/tiny.yaml", "depth:", EXPECTED.format(value=found - 0.01))
    done = workflow.run()
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "1 of 1 scores are not as the experiment's `expected` says" in said
    assert f"bm25, R@100 on docs test: expected {found - 0.01:.4g} ± 0.001, found {found:.4f}" in said
    assert (folder / "table.tsv").read_bytes() == table
    workflow.edit("config/experiments/tiny.yaml", f"{found - 0.01:.4f}", f"{found:.4f}")
    workflow.make()
    assert (folder / "expected.tsv").read_text().count("\n") == 2


def test_the_page_is_in_no_manifest_and_neither_it_nor_a_time_makes_anything_run_again(workflow):
    results = workflow.folder / "results"
    page = results / "experiments" / "tiny" / "report.html"
    for manifest in [*results.rglob("*manifest.json"), results / "experiments/tiny/ro-crate-metadata.json"]:
        assert "report.html" not in manifest.read_text()
    for file in (results / "benchmarks").rglob("*.tsv"):
        file.write_text(file.read_text().replace("\n", "\n1", 1))
    page.write_text(page.read_text() + "\n")
    assert workflow.planned() == {}
    page.unlink()
    assert workflow.planned() == {"report_page": 1}
    workflow.make()
    text = page.read_text(encoding="utf-8")
    graph = json.loads(re.search(r'id="graph-data">(.*?)</script>', text).group(1))
    assert [words.split(" ")[0] for words in graph["steps"]].count("encode") == 4
    assert all(": whole, " in words for words in graph["steps"])
    assert "config/models/tuned.yaml" in text


def test_snakemakes_own_report_holds_the_results_with_captions_by_category(finished, tmp_path):
    finished.make("--report", str(tmp_path / "snakemake.html"))
    text = (tmp_path / "snakemake.html").read_text(encoding="utf-8")
    assert "What fine-tuning changed in dense retrievers" in text
    results, categories = (
        json.JSONDecoder().raw_decode(text, text.index(f"var {name} = {{") + len(f"var {name} = "))[0]
        for name in ("results", "categories")
    )
    names = {one["name"]: one["caption"] for one in results.values()}
    assert set(names) == {
        *("report.html", "table.csv", "gains.md", "near_twins.tsv", "curves.svg", "model-card.tiny.md"),
    }
    assert "corrected p-values and a verdict" in names["table.csv"]
    assert all(names.values())
    assert {category: set(of) for category, of in categories.items()} == {
        "Experiments": {"tiny"},
        "Training": {"tuned"},
    }


def test_a_finished_experiment_has_its_table_in_every_form_its_near_twins_and_its_crate(finished):
    folder = finished.folder / "results" / "experiments" / "tiny"
    rows = list(read_rows(folder / "table.tsv"))
    assert (
        json.loads((folder / "report.json").read_text())["rows"]
        == json.loads((folder / "table.json").read_text())["rows"]
    )
    assert len(json.loads((folder / "table.json").read_text())["rows"]) == len(rows)
    (place,) = json.loads((folder / "near_twins.manifest.json").read_text())["places"]
    assert (place["dataset"], place["training_splits"]) == ("docs", ["train"])
    assert place["queries"] == next(row.queries for row in rows if row.subset == ALL)
    crate = ROCrate(folder)
    assert {entity["sha256"] for entity in crate.get("#run")["result"]} >= {crate.get("table.tsv")["sha256"]}
    stages = {
        action["name"].split(":")[0] for action in crate.root_dataset["mentions"] if action.id.startswith("#step/")
    }
    assert stages == {"dataset", "bm25", "negatives", "train", "encode", "search", "evaluate", "report"}
    assert "workflow/config/negatives/mined.yaml" in {entity.id for entity in crate.get("#run")["object"]}
