"""denseflow compare: what differs between two folders of results, and whether it is noise."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from denseflow.cli import main
from denseflow.compare.comparison import Comparison, compare_results
from denseflow.compare.folder import Results
from denseflow.compare.numbers import BETTER, IDENTICAL, NOISE, WORSE
from denseflow.compare.sentences import UNTESTED
from denseflow.compare.steps import ABSENT
from denseflow.files import sha256, write_json, write_text
from denseflow.manifest import write_manifest

QUERIES = 60
HEADER = "dataset\tsplit\tsystem\tvariant\tmeasure\tquery_id\tvalue\n"


class Folder:
    """A small folder of results; what is set before :meth:`write` is what is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.corpus = "a corpus"
        self.recipe = {"batch_size": 8, "loss": {"name": "infonce", "temperature": 0.05}}
        self.weights = "weights"
        self.versions = ["numpy"]
        values = np.random.default_rng(0).random(QUERIES)
        self.values = {("bm25", "bm25"): values, ("after", "seed0"): np.clip(values + 0.1, 0, 1)}
        self.commit: str | None = None
        self.depth = 100

    def write(self) -> "Folder":
        shutil.rmtree(self.path, ignore_errors=True)
        dataset = self._step("dataset/docs", "dataset", {"corpus.jsonl": self.corpus})
        inputs = {"dataset": sha256(dataset)}
        train = self._step(
            "train/tuned/seed0", "train", {"model/weights": self.weights}, recipe=self.recipe, seed=0, inputs=inputs
        )
        runs = [
            self._step(f"search/docs/{system}", "search", {"test.trec": f"{values}"}, inputs=inputs | more)
            for (system, _), values in self.values.items()
            for more in [{} if system == "bm25" else {"model": sha256(train)}]
        ]
        rows = [
            f"docs\ttest\t{system}\t{variant}\tnDCG@10\tq{number}\t{value!r}\n"
            for (system, variant), values in self.values.items()
            for number, value in enumerate(values.tolist())
        ]
        systems = [{"name": run.parent.name, "inputs": {"run": sha256(run.with_name("test.trec"))}} for run in runs]
        self._step("evaluate/tiny", "evaluate", {"scores.tsv": HEADER + "".join(rows)}, systems=systems)
        if self.commit is not None:
            crate = self.path / "experiments/tiny"
            entity = {"@id": "workflow/Snakefile", "version": self.commit}
            write_json(crate / "ro-crate-metadata.json", {"@graph": [entity]})
            write_text(crate / "workflow/Snakefile", "rule all")
            write_text(crate / "workflow/config/experiments/tiny.yaml", f"depth: {self.depth}\nsystems: [a, b]\n")
        return self

    def _step(self, folder: str, stage: str, files: dict[str, str], **facts: object) -> Path:
        for name, text in files.items():
            write_text(self.path / folder / name, text)
        write_manifest(self.path / folder, stage, list(files), packages=self.versions, **facts)
        return self.path / folder / "manifest.json"


@pytest.fixture
def a(tmp_path) -> Folder:
    return Folder(tmp_path / "a").write()


@pytest.fixture
def b(tmp_path, a) -> Folder:
    return Folder(tmp_path / "b")


def found(a: Folder, b: Folder) -> Comparison:
    (one,) = compare_results(Results(a.path), Results(b.write().path), None, 0.95).experiments
    return one


def verdicts(comparison: Comparison) -> dict[str, str]:
    return {number.system: number.verdict for number in comparison.numbers}


def test_two_runs_with_the_same_results_are_identical(a, b):
    one = found(a, b)
    assert verdicts(one) == {"bm25": IDENTICAL, "after": IDENTICAL}
    assert one.summary == ["All 2 numbers are identical, query by query."]
    steps = one.steps
    assert (steps.options, steps.versions, steps.data, steps.origins) == ([], [], [], [])
    assert (steps.same, steps.different) == (5, 0)


def test_small_differences_both_ways_are_called_noise_with_what_would_have_been_shown(a, b):
    shifts = np.where(np.arange(QUERIES) % 2, 0.01, -0.0099)
    b.values["after", "seed0"] = b.values["after", "seed0"] + shifts
    one = found(a, b)
    assert verdicts(one) == {"bm25": IDENTICAL, "after": NOISE}
    assert "1 of 2 numbers are not the same in both." in one.summary
    (sentence,) = [line for line in one.summary if line.startswith("None differs by more than noise")]
    detectable = float(re.search(r"difference of ([\d.]+)", sentence).group(1))
    assert 0.002 < detectable < 0.006
    assert any(line.startswith("Trained with one seed: after.") for line in one.summary)


@pytest.mark.parametrize(("shift", "verdict"), [(0.05, BETTER), (-0.05, WORSE)])
def test_a_shift_of_all_queries_is_no_noise(a, b, shift, verdict):
    b.values["bm25", "bm25"] = b.values["bm25", "bm25"] + shift
    one = found(a, b)
    assert verdicts(one) == {"bm25": verdict, "after": IDENTICAL}
    number = one.numbers[0]
    assert number.difference == pytest.approx(shift)
    assert number.p_holm == pytest.approx(2 * number.p)
    assert any(line.startswith(f"  bm25, nDCG@10 on docs test: {verdict}, {shift:+.4f}") for line in one.summary)


def test_queries_are_paired_by_their_ids_whatever_their_order_and_those_of_one_alone_are_left_out(a, b):
    b.write()
    scores = b.path / "evaluate/tiny/scores.tsv"
    header, *rows = scores.read_text().splitlines(keepends=True)
    kept = [row for row in reversed(rows) if "\tq7\t" not in row]
    write_text(scores, header + "".join(kept))
    manifest = json.loads((scores.with_name("manifest.json")).read_text())
    write_manifest(scores.parent, "evaluate", ["scores.tsv"], packages=b.versions, systems=manifest["systems"])
    (one,) = compare_results(Results(a.path), Results(b.path), "tiny", 0.95).experiments
    assert {(number.system, number.verdict, number.queries, number.only_a) for number in one.numbers} == {
        ("bm25", IDENTICAL, QUERIES - 1, 1),
        ("after", IDENTICAL, QUERIES - 1, 1),
    }
    assert "The two do not have the same queries: the numbers are of those that both have." in one.summary


def test_seeds_are_averaged_and_their_means_kept(a, b):
    values = b.values["after", "seed0"]
    b.values["after", "seed1"] = values + 0.02
    number = next(number for number in found(a, b).numbers if number.system == "after")
    assert number.difference == pytest.approx(0.01)
    assert number.seeds_b == pytest.approx((values.mean(), values.mean() + 0.02))
    assert number.trained


def test_an_option_that_differs_is_named_and_the_step_where_results_begin_to_differ(a, b):
    b.recipe = {"batch_size": 8, "loss": {"name": "infonce", "temperature": 0.1}}
    b.weights = "others"
    b.values["after", "seed0"] = b.values["after", "seed0"] + 0.05
    steps = found(a, b).steps
    assert steps.options == [("train/tuned/seed0/manifest.json", "recipe.loss.temperature", "0.05", "0.1")]
    assert steps.origins == [("train/tuned/seed0/manifest.json", ("options",))]
    assert (steps.same, steps.different) == (2, 3)


def test_weights_that_differ_for_no_recorded_reason_are_said_to(a, b, capsys):
    b.weights = "others"
    assert found(a, b).steps.origins == [("train/tuned/seed0/manifest.json", ())]
    assert main(["compare", str(a.path), str(b.path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "nothing that is recorded of it differs: the code, or the machine's floating point" in said


def test_versions_are_named_once_with_their_stages(a, b):
    b.versions = ["numpy", "scipy"]
    (difference,) = found(a, b).steps.versions
    assert (difference.key, difference.a) == ("scipy", ABSENT)
    assert set(difference.where.split(", ")) == {"dataset", "train", "search", "evaluate"}


def sentences(folder: Folder, cosines: dict[str, np.ndarray], people: np.ndarray, f1: float = 0.5) -> None:
    """Scores on a set of pairs and on one for mining, with the manifest of their table."""
    place = folder.path / "evaluate/tiny/similarity"
    inputs = {}
    for variant, values in cosines.items():
        lines = "".join(f"{score}\t{cosine}\n" for score, cosine in zip(people, values, strict=True))
        mined = f"measure\tvalue\naverage_precision\t0.25\nf1\t{f1}\nthreshold\t0.7\n"
        for name, kind, text in (("sts", "sts", f"value\tcosine\n{lines}"), ("mining", "paraphrases", mined)):
            write_text(place / name / "after" / variant / "scores.tsv", text)
            write_manifest(place / name / "after" / variant, "evaluate", ["scores.tsv"], options={"type": kind})
            inputs[f"{name}/after/{variant}"] = sha256(place / name / "after" / variant / "manifest.json")
    write_text(folder.path / "experiments/tiny/similarity.tsv", "the table")
    write_manifest(
        folder.path / "experiments/tiny", "report", ["similarity.tsv"], name="similarity.manifest.json", inputs=inputs
    )


def test_scores_on_sentences_are_compared_pair_by_pair(a, b, capsys):
    draw = np.random.default_rng(1)
    people = draw.integers(0, 6, 80).astype(float)
    good, bad = people + draw.normal(0, 0.1, 80), draw.normal(0, 1, 80)
    noisy = good + draw.normal(0, 1e-4, 80)
    for folder in (a, b):
        folder.write()
    sentences(a, {"seed0": good, "seed1": good}, people)
    sentences(b, {"seed0": noisy, "seed1": good}, people)

    def compared():
        (one,) = compare_results(Results(a.path), Results(b.path), "tiny", 0.95).experiments
        return one, {(n.dataset, n.measure): n.verdict for n in one.numbers if n.split in ("pairs", "mining")}

    one, of_sentences = compared()
    assert of_sentences == {
        ("sts", "Spearman"): NOISE,
        ("sts", "Pearson"): NOISE,
        ("mining", "AP"): IDENTICAL,
        ("mining", "F1"): IDENTICAL,
    }
    assert next(n for n in one.numbers if n.measure == "Pearson").queries == 80
    sentences(b, {"seed0": bad, "seed1": bad}, people, f1=0.4)
    one, of_sentences = compared()
    assert (of_sentences["sts", "Spearman"], of_sentences["mining", "F1"]) == (WORSE, UNTESTED)
    assert next(n for n in one.numbers if n.measure == "F1").difference == pytest.approx(-0.1)
    assert main(["compare", str(a.path), str(b.path)]) == 0
    assert "B is WORSE" in capsys.readouterr().out
    sentences(b, {"seed0": bad, "seed1": bad}, people[::-1])
    assert "after on the sentences sts, with these pairs" in compared()[0].only_a


def test_results_on_sentences_alone_are_compared_too(a, b):
    people = np.arange(20.0)
    for folder in (a, b):
        folder.write()
        shutil.rmtree(folder.path / "evaluate/tiny")
        sentences(folder, {"pretrained": people}, people)
    (one,) = compare_results(Results(a.path), Results(b.path), None, 0.95).experiments
    assert {number.verdict for number in one.numbers} == {IDENTICAL}
    assert "evaluate/tiny/similarity/sts/after/pretrained/manifest.json" not in (one.steps.only_a + one.steps.only_b)
    assert one.steps.same == 3


def test_machines_that_differ_stand_beside_each_other(a, b, capsys):
    a.write()
    b.write()
    assert found(a, b).machines == ([], [])
    for folder, name in ((a, "One CPU"), (b, "Other CPU")):
        facts = {"processor": name, "hardware threads": "4", "memory": "8 GiB", "GPUs": "NVIDIA L4"}
        write_json(folder.path / "logs/train/tuned.seed0.machine.json", facts)
    main(["compare", str(a.path), str(b.path)])
    said = capsys.readouterr().out
    assert "A: One CPU, 4 hardware threads, 8 GiB, NVIDIA L4" in said
    assert "B: Other CPU, 4 hardware threads" in said


def test_other_data_is_another_test(a, b):
    b.corpus = "another corpus"
    one = found(a, b)
    assert [(difference.where, difference.key) for difference in one.steps.data] == [
        ("dataset/docs/manifest.json", "corpus.jsonl")
    ]
    assert "The collections are not the same: the numbers are of two different tests." in one.summary


def test_commits_and_configuration_come_from_the_crates(a, b, capsys):
    assert found(a, b).configuration is None
    for folder, commit, depth in ((a, "1111", 100), (b, "2222", 50)):
        folder.commit, folder.depth = commit, depth
        folder.write()
    one = found(a, b)
    assert one.commits == ("1111", "2222")
    assert one.rules == []
    assert one.configuration == [("experiments/tiny.yaml", "depth", "100", "50")]
    main(["compare", str(a.path), str(b.path)])
    assert "commit 1111 in A, 2222 in B" in capsys.readouterr().out


def test_systems_and_experiments_of_one_folder_alone_are_named(a, b, capsys):
    del b.values["bm25", "bm25"]
    b.write()
    shutil.copytree(a.path / "evaluate/tiny", a.path / "evaluate/other")
    assert main(["compare", str(a.path), str(b.path)]) == 0
    said = capsys.readouterr().out
    assert "Only in A: the experiments other" in said
    assert "bm25, nDCG@10 on docs test" in said
    assert "search/docs/bm25/manifest.json" in said


def test_json_has_all_of_it_and_no_number_that_json_lacks(a, b, capsys):
    b.values["bm25", "bm25"] = b.values["bm25", "bm25"] + 0.05
    b.recipe = {**b.recipe, "batch_size": 16}
    b.write()
    assert main(["compare", str(a.path), str(b.path), "--json"]) == 0
    text = capsys.readouterr().out
    (one,) = json.loads(text, parse_constant=pytest.fail)["experiments"]
    assert {number["system"]: number["verdict"] for number in one["numbers"]} == {"bm25": BETTER, "after": IDENTICAL}
    assert one["steps"]["options"] == [
        {"where": "train/tuned/seed0/manifest.json", "key": "recipe.batch_size", "a": "8", "b": "16"}
    ]


def test_what_cannot_be_compared_is_an_error_that_says_what_is_there(a, b, tmp_path, capsys):
    b.write()
    (tmp_path / "empty").mkdir()
    shutil.copytree(b.path, tmp_path / "c")
    (tmp_path / "c/evaluate/tiny").rename(tmp_path / "c/evaluate/others")
    (b.path / "evaluate/tiny/scores.tsv").write_text(HEADER)
    for other, more, message in (
        ("nowhere", (), "nowhere: no such folder; expected a folder of results"),
        ("empty", (), "empty: no experiment was evaluated here"),
        ("c", (), "no experiment in common"),
        ("a", ("--experiment", "tinny"), "--experiment: 'tinny' was not evaluated in"),
        ("a", ("--confidence", "95"), "expected a number between 0 and 1"),
        ("b", (), "scores.tsv: sha256"),
    ):
        assert main(["compare", str(a.path), str(tmp_path / other), *more]) == 1
        assert message in capsys.readouterr().err, other
