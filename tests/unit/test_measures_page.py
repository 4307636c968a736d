"""What docs/measures.md says is so: its measures are known, all that are known are named, its file is accepted."""

import re
from pathlib import Path

import ir_measures
import yaml

from denseflow.config.experiment import Experiment
from denseflow.config.load import check
from denseflow.evaluate.names import parse_measure

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "measures.md").read_text(encoding="utf-8")


def test_each_measure_in_the_page_s_table_is_known_and_each_known_measure_is_in_it():
    cells = [line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {parse_measure(name).NAME for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    computed = {measure.NAME for measure in ir_measures.pytrec_eval.SUPPORTED_MEASURES}
    assert named == {"Answer", *computed} - {"NumQ", "NumRet", "NumRel"}


def test_the_page_s_experiment_is_accepted():
    (block,) = re.findall(r"```yaml\n# config/experiments/sentences.yaml\n(.*?)```", PAGE, re.DOTALL)
    experiment = check(Experiment, yaml.safe_load(block), "sentences.yaml")
    assert [one.type for one in experiment.similarity.values()] == ["sts", "sts", "paraphrases"]
    assert PAGE.count("```yaml") == 1
