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


def test_an_experiment_whose_models_keep_none_is_an_error_that_says_what_to_set(workflow):
    workflow.edit("config/models/tuned.yaml", "    keep_models:\n      every_steps: 3\n", "")
    done = workflow.run("checkpoints", "--dry-run")
    assert done.returncode != 0
    assert "no model of tiny keeps models along the way; set `trained.recipe.keep_models`" in done.stdout + done.stderr
