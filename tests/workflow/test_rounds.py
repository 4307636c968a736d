"""Rounds of mining and a teacher, as Snakemake plans them: the models' files alone say what comes after what."""

import pytest
from project_copy import Workflow

DENSE = {"sources": [{"type": "dense", "model": "tuned", "count": 2, "last_rank": 50}, {"type": "random", "count": 1}]}
ROUND_2 = {
    "base": "tuned",
    "data": {"dataset": "docs", "negatives": "dense", "teacher": "tiny"},
    "recipe": {"loss": {"name": "kl"}, "batch_size": 8, "max_steps": 4},
}
PLANNED = ("negatives", "teacher_scores", "train", "encode_corpus", "encode_queries", "search")


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The tiny experiment with a second round after its trained model, mined with it and taught by the base."""
    workflow = Workflow(tmp_path_factory.mktemp("rounds"))
    (workflow.folder / "tiny").mkdir()
    workflow.write("negatives/dense", DENSE)
    workflow.write("models/round2", {"trained": ROUND_2})
    workflow.edit("config/experiments/tiny.yaml", "  after:", "  round2:\n    model: round2\n  after:")
    return workflow


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        # Searched: three models on test, and the first round on train. Encoded besides: the teacher's queries of train.
        ("[0]", (2, 1, 2, 3, 5, 4)),
        ("[0, 1]", (3, 2, 4, 5, 8, 7)),
    ],
)
def test_a_second_round_needs_the_run_of_the_first_on_the_training_split_and_its_teachers_scores(
    rounds, seeds, expected
):
    rounds.edit("config/experiments/tiny.yaml", "depth: 100", f"seeds: {seeds}\ndepth: 100")
    planned = rounds.planned()
    rounds.edit("config/experiments/tiny.yaml", f"seeds: {seeds}\n", "")
    assert {rule: planned.get(rule) for rule in PLANNED} == dict(zip(PLANNED, expected, strict=True))


def test_a_model_that_is_mined_with_itself_stops_before_anything_runs(rounds):
    rounds.edit("config/negatives/dense.yaml", "model: tuned", "model: round2")
    done = rounds.run("--dry-run")
    rounds.edit("config/negatives/dense.yaml", "model: round2", "model: tuned")
    assert done.returncode != 0
    assert "the models form a cycle: round2 -> round2" in done.stdout + done.stderr
