"""`snakemake data`: the pages of an experiment's collections, made before anything is trained."""

import html
import json

PAGES = {"data_facts": 1, "data_page": 1}


def test_pages_of_the_collections_are_made_and_only_what_changed_is_made_again(workflow):
    before = {"dataset": 1, "pretrained": 1, **PAGES}
    assert workflow.planned("data", "--forceall").keys() - {"data"} == before.keys()
    assert workflow.planned("data").items() >= PAGES.items()
    workflow.make("data")
    folder = workflow.folder / "results/experiments/tiny/data"
    assert sorted(file.name for file in folder.iterdir()) == ["docs.html", "docs.json", "docs.manifest.json", "docs.md"]
    page = json.loads((folder / "docs.json").read_text(encoding="utf-8"))
    # Both have the same tokenizer and contract.
    assert {tuple(cut["models"]) for cut in page["tokens"]} == {("tiny", "tuned")}
    assert {cut["kind"]: cut["max_length"] for cut in page["tokens"]} == {
        **dict.fromkeys(("train", "dev", "test"), 16),
        "passages": 32,
    }
    assert workflow.planned("data") == {}
    # The experiment's page shows what they say, once they are there.
    assert workflow.planned() == {"report_page": 1}
    workflow.make("all")
    shown = (workflow.folder / "results/experiments/tiny/report.html").read_text(encoding="utf-8")
    assert '<a href="data/docs.html">docs</a>' in shown
    assert all(html.escape(one["found"][1:]) in shown for one in page["cautions"])
    assert workflow.planned("data") == workflow.planned() == {}

    workflow.edit("config/models/tuned.yaml", "trained:", "contract: {passage_max_length: 24}\ntrained:")
    assert workflow.planned("data").keys() - {"data"} == {"data_page"}
    workflow.make("data")
    page = json.loads((folder / "docs.json").read_text(encoding="utf-8"))
    passages = [(cut["models"], cut["max_length"]) for cut in page["tokens"] if cut["kind"] == "passages"]
    assert passages == [(["tiny"], 32), (["tuned"], 24)]
