"""What docs/mixcse-ja.md shows beside its tables: a set of sentences, and the picture of the similarities."""

import re
import runpy
from xml.etree import ElementTree

import yaml
from docs_page import PROJECT, read_page
from pydantic import TypeAdapter

from denseflow.config.similarity import SimilaritySet

PAGE = read_page("mixcse-ja")


def test_the_lines_for_jsnli_are_a_set_of_sentences():
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (given,) = yaml.safe_load(shown).values()
    found = TypeAdapter(SimilaritySet).validate_python(given)
    assert (found.same, found.join_words) == (["entailment"], True)


def test_the_experiment_s_models_have_the_article_s_settings():
    for name in ("mixcse", "simcse"):
        recipe = yaml.safe_load((PROJECT / f"config/models/bert-japanese-{name}.yaml").read_text())["trained"]["recipe"]
        assert (recipe["batch_size"], recipe["epochs"], recipe["learning_rate"]) == (64, 1, 3e-5)
        assert recipe["loss"] == {"name": name, "temperature": 0.05, **({"mix": 0.2} if name == "mixcse" else {})}


def test_the_similarities_of_the_trainings_are_drawn_with_the_same_bytes_each_time(tmp_path, monkeypatch):
    module = runpy.run_path(str(PROJECT / "docs" / "similarities.py"))
    draw = module["draw"]
    monkeypatch.setitem(draw.__globals__, "PROJECT", tmp_path)
    systems = {"before": {"model": "base"}, "simcse": {"model": "s"}, "mixcse": {"model": "m"}, "bm25": {"bm25": {}}}
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "docs/results").mkdir(parents=True)
    (tmp_path / "config/experiments/e.yaml").write_text(yaml.safe_dump({"systems": systems, "seeds": [42]}))
    assert draw(tmp_path / "results", "e") is None
    for model, kinds in (("s", ("positive", "negative")), ("m", ("positive", "mixed", "negative"))):
        file = tmp_path / f"results/train/{model}/seed42/curves.tsv"
        file.parent.mkdir(parents=True)
        lines = [f"{step}\t0.1\t{kind}_similarity\t0.5\n" for step in (1, 2) for kind in kinds]
        file.write_text("step\tepoch\tname\tvalue\n1\t0.1\tloss\t3.0\n" + "".join(lines))
    path = draw(tmp_path / "results", "e")
    picture = path.read_bytes()
    texts = {text.text for text in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")}
    assert {"s", "m", "positive", "mixed", "negative"} <= texts
    assert draw(tmp_path / "results", "e").read_bytes() == picture
    assert f"results/{path.name}".replace("e.sim", "mixcse-ja-small.sim") in PAGE
