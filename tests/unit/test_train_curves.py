"""A training's curves as data and as a picture, also when it ends early."""

from xml.etree import ElementTree

import pytest
from tiny_training import history, run, same, weights

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.train.curves import Point, points, write_history
from denseflow.train.resumable import ResumableTrainer

LINES = [
    {"step": 1, "epoch": 0.5, "loss": 2.0, "sequences_per_second": 10.0},
    {"step": 1, "epoch": 0.5, "dev/nDCG@10": 0.25},
    {"step": 2, "epoch": 1.0, "loss": float("inf"), "sequences_per_second": 11.0, "note": "text"},
]


def table(path):
    header, *lines = path.read_text().splitlines()
    assert header == "step\tepoch\tname\tvalue"
    return [Point(int(step), float(epoch), name, float(value)) for step, epoch, name, value in map(str.split, lines)]


def test_the_table_has_a_line_a_number_and_no_speeds(tmp_path):
    write_history(LINES, tmp_path, title="a")
    assert table(tmp_path / "curves.tsv") == points(LINES)
    assert points(LINES) == [
        Point(1, 0.5, "loss", 2.0),
        Point(1, 0.5, "dev/nDCG@10", 0.25),
        Point(2, 1.0, "loss", float("inf")),
    ]


def test_the_picture_has_a_panel_a_curve_and_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        write_history(LINES, tmp_path / name, title="the model")
    picture = (tmp_path / "one/curves.svg").read_bytes()
    assert picture == (tmp_path / "two/curves.svg").read_bytes()
    texts = [element.text for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {"the model", "dev/nDCG@10", "loss"} <= set(texts)
    assert "sequences_per_second" not in texts


def test_similarities_share_a_panel(tmp_path):
    names = ("negative_similarity", "mixed_similarity", "positive_similarity")
    lines = [{"step": step, "epoch": step / 2, **dict.fromkeys(names, 0.5)} for step in (1, 2)]
    write_history(lines, tmp_path, title="a")
    picture = ElementTree.fromstring((tmp_path / "curves.svg").read_bytes())
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"similarities", "negative", "mixed", "positive"} <= set(texts)
    assert not set(names) & set(texts)


def test_a_training_without_a_line_of_log_has_an_empty_table_and_picture(tmp_path):
    write_history([], tmp_path, title="a")
    assert table(tmp_path / "curves.tsv") == []
    assert ElementTree.fromstring((tmp_path / "curves.svg").read_bytes()).tag.endswith("svg")


def test_a_training_writes_its_curves_and_lists_the_table_in_its_manifest(base, training_file, tmp_path):
    out = run(base, training_file, tmp_path, max_steps=2)
    assert table(out / "curves.tsv") == points(history(out))
    assert {point.name for point in points(history(out))} >= {"loss", "learning_rate", "grad_norm", "passage_cosine"}
    assert "curves.tsv" in read_manifest(out / "manifest.json")["files"]


@pytest.mark.parametrize("ending", [DenseflowError("broken"), KeyboardInterrupt()], ids=["an error", "a signal"])
def test_the_curves_so_far_are_kept_when_a_training_ends_early(
    ending, base, training_file, tmp_path, monkeypatch, caplog
):
    step = ResumableTrainer.training_step

    def until_the_third(self, *args):
        if self.state.global_step == 2:
            raise ending
        return step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(ResumableTrainer, "training_step", until_the_third)
        with pytest.raises(type(ending)):
            run(base, training_file, tmp_path, checkpoint_steps=1)
    (kept,) = tmp_path.glob("work/*/curves.tsv")
    assert {point.step for point in table(kept)} == {1, 2}
    assert kept.with_name("log.jsonl").is_file()
    assert kept.with_name("curves.svg").is_file()
    assert f"until step 2 are in {kept.parent}" in caplog.text
    resumed = run(base, training_file, tmp_path)
    whole = run(base, training_file, tmp_path / "whole")
    assert same(weights(resumed), weights(whole))
    assert (resumed / "curves.tsv").read_bytes() == (whole / "curves.tsv").read_bytes()
