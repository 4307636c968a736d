"""An experiment's sets of sentence pairs, from their files to a table of their own."""

from denseflow.report.rows import read_rows

TABLE = "results/experiments/sentences/similarity.tsv"
PAIRS = "one,two,score\na diet of fruit,food and fruit,4\nheart disease,risk of cancer,1\nmilk and fish,a cell,0\n"
SET = {"type": "sts", "path": "pairs.csv", "first": "one", "second": "two"}


def planned(workflow) -> dict[str, int]:
    return workflow.planned(TABLE, "--config", "experiments=[sentences]")


def test_sentences_are_scored_with_each_model_and_again_only_where_something_changed(workflow):
    (workflow.folder / "pairs.csv").write_text(PAIRS)
    experiment = {
        "evaluate_on": [{"dataset": "docs"}],
        "systems": {"bm25": {"bm25": {}}, "before": {"model": "tiny"}, "after": {"model": "tuned"}},
        "similarity": {"set": SET},
        "report": {"bootstrap_resamples": 200},
    }
    workflow.write("experiments/sentences", experiment)
    assert planned(workflow) == {"similarity_pairs": 1, "similarity": 2, "similarity_table": 1}
    text = workflow.make(TABLE, "--config", "experiments=[sentences]")
    assert "sentences: set" in text  # the table in the terminal
    rows = list(read_rows(workflow.folder / TABLE))
    assert [(row.measure, row.system) for row in rows] == [
        (measure, system) for measure in ("Spearman", "Pearson") for system in ("before", "after")
    ]
    assert (workflow.folder / TABLE).with_suffix(".md").is_file()

    assert planned(workflow) == {}
    experiment["report"]["seed"] = 1
    workflow.write("experiments/sentences", experiment)
    assert planned(workflow) == {"similarity_table": 1}
    experiment["similarity"]["set"] = {**SET, "side": "passage"}
    workflow.write("experiments/sentences", experiment)
    assert planned(workflow)["similarity"] == 2
    experiment["similarity"]["set"] = SET
    workflow.write("experiments/sentences", experiment)
    (workflow.folder / "pairs.csv").write_text(PAIRS.replace("a cell,0", "a cell,2"))
    assert planned(workflow) == {"similarity_pairs": 1, "similarity": 2, "similarity_table": 1}


def test_models_may_be_compared_on_sentences_alone(workflow):
    """A table, a page, a crate, cards and the check of expected scores come out without any search."""
    (workflow.folder / "pairs.csv").write_text(PAIRS)
    experiment = {
        "systems": {"before": {"model": "tiny"}, "after": {"model": "tuned"}},
        "similarity": {"set": SET},
        "report": {"bootstrap_resamples": 200},
        "expected": [{"system": "before", "similarity": "set", "measure": "Pearson", "value": 0.0, "tolerance": 1.0}],
    }
    workflow.write("experiments/sentences", experiment)
    chosen = ("--config", "experiments=[sentences]")
    plan = workflow.planned("all", *chosen)
    assert plan.keys() == {
        *("similarity_pairs", "similarity", "similarity_table", "model_card", "crate", "report_page", "expected"),
    }
    workflow.make("all", *chosen)
    folder = workflow.folder / "results/experiments/sentences"
    assert "set\t\tbefore\tPearson\t0\t1\t" in (folder / "expected.tsv").read_text()
    page = (folder / "report.html").read_text()
    assert "Similarity of sentences" in page
    assert 'id="queries"' not in page
    assert "similarity.tsv" in (folder / "ro-crate-metadata.json").read_text()
    card = next((workflow.folder / "results/train/tuned/seed0").glob("model-card.sentences.md")).read_text()
    assert "set, 3 pairs of sentences:" in card
    assert workflow.planned("all", *chosen) == {}

    experiment["expected"][0]["value"] = 5.0
    workflow.write("experiments/sentences", experiment)
    done = workflow.run("all", *chosen)
    assert done.returncode != 0
    assert "before, Pearson on set: expected 5" in done.stdout + done.stderr


def test_a_file_that_is_not_there_stops_before_anything_runs(workflow):
    experiment = {
        "evaluate_on": [{"dataset": "docs"}],
        "systems": {"before": {"model": "tiny"}},
        "similarity": {"set": SET},
    }
    workflow.write("experiments/sentences", experiment)
    done = workflow.run("--dry-run", "--config", "experiments=[sentences]")
    assert done.returncode != 0
    assert "key 'similarity.set.path': 'pairs.csv' does not exist" in done.stdout + done.stderr
