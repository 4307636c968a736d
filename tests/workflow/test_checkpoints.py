"""The target `checkpoints`: all models that a training kept, scored as the table is."""

TABLE = "results/train/tuned/seed0/checkpoints.docs.test.tsv"


def test_checkpoints_scores_what_was_kept_and_agrees_with_the_table(workflow):
    chosen = ("checkpoints", "--config", "experiments=[tiny]")
    workflow.make(*chosen)
    rows = [line.split("\t") for line in (workflow.folder / TABLE).read_text(encoding="utf-8").splitlines()]
    assert [row[:2] for row in rows] == [["step", "model"], ["3", "kept/step-3/model"], ["4", "model"]]
    means = (workflow.folder / "results/evaluate/tiny/means.tsv").read_text(encoding="utf-8").splitlines()
    after = {row[4]: row[5] for row in (line.split("\t") for line in means) if row[2] == "after"}
    assert dict(zip(rows[0][2:], rows[2][2:], strict=True)) == after
    assert workflow.planned(*chosen) == {}
    workflow.edit("config/experiments/tiny.yaml", "- R@100", "- R@100\n- AP")
    assert workflow.planned(*chosen) == {"checkpoints": 1, "score_checkpoints": 1}


def test_a_page_shows_the_scores_of_kept_models_on_the_splits_that_its_experiment_names(workflow):
    workflow.edit(
        "config/experiments/tiny.yaml",
        "measures:",
        "checkpoints:\n- {dataset: docs, split: dev, passages: 3}\nmeasures:",
    )
    workflow.make()
    table = workflow.folder / "results/train/tuned/seed0/checkpoints-of3.docs.dev.tsv"
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()]
    page = (workflow.folder / "results/experiments/tiny/report.html").read_text(encoding="utf-8")
    assert "Models that tuned, seed0 kept along the way, on docs, dev (the judged passages and 3 others)" in page
    for row in rows[1:]:
        assert f"{float(row[2]):.4f}" in page
    assert workflow.planned() == {}


def test_scores_of_kept_models_are_refused_where_none_are_kept(workflow):
    workflow.edit("config/models/tuned.yaml", "    keep_models:\n      every_steps: 3\n", "")
    workflow.edit("config/experiments/tiny.yaml", "measures:", "checkpoints:\n- {dataset: docs, split: dev}\nmeasures:")
    done = workflow.run("--dry-run")
    assert done.returncode != 0
    assert "key 'checkpoints': none of the experiment's models keeps models along the way" in done.stdout + done.stderr


def test_an_experiment_whose_models_keep_none_is_an_error_that_says_what_to_set(workflow):
    workflow.edit("config/models/tuned.yaml", "    keep_models:\n      every_steps: 3\n", "")
    done = workflow.run("checkpoints", "--dry-run")
    assert done.returncode != 0
    assert "no model of tiny keeps models along the way; set `trained.recipe.keep_models`" in done.stdout + done.stderr
