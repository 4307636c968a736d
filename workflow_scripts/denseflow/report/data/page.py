"""The page of a collection in an experiment: what there is to say of it, and what the experiment's models cut."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denseflow.collection import Document, read_corpus, read_queries
from denseflow.files import sha256, write_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.progress import counted
from denseflow.report.data.cautions import cautions
from denseflow.report.data.facts import read_facts
from denseflow.report.data.html import html
from denseflow.report.data.markdown import markdown
from denseflow.report.data.sampling import sampled, sampled_rows
from denseflow.report.data.tokens import LOOKED_AT, Cut, Reader, cuts, together


@dataclass(frozen=True)
class Page:
    """What a page is made from.

    Attributes:
        dataset: The dataset's manifest.
        facts: The manifest of its facts.
        language: The dataset's key ``language``.
        readers: Who reads its texts.
        description: The dataset's.
    """

    dataset: Path
    facts: Path
    language: str
    readers: Sequence[Reader]
    description: str = ""


def write_data_page(page: Page, folder: Path) -> dict[str, Any]:
    """Write NAME.json, NAME.md, NAME.html and NAME.manifest.json, of the dataset's name, and return the manifest.

    Raises:
        DenseflowError: A file of the dataset or of its facts is missing or altered.
    """
    counts = read_manifest(page.dataset)["counts"]
    facts = read_facts(page.facts)
    found = _cuts(page, counts, list(facts["splits"]))
    said = cautions(facts, page.language, found)
    name = facts["dataset"]
    content = {
        "dataset": name,
        "description": page.description,
        "language": page.language,
        "cautions": [caution._asdict() for caution in said],
        "tokens": [cut.as_dict() for cut in found],
        **{key: facts[key] for key in ("passages", "splits", "between")},
    }
    texts = {
        f"{name}.json": json.dumps(content, ensure_ascii=False, indent=1) + "\n",
        f"{name}.md": markdown(content, said, found),
        f"{name}.html": html(content, said, found),
    }
    for file, text in texts.items():
        write_text(folder / file, text)
    models = {f"model {'+'.join(reader.models)}": sha256(reader.manifest) for reader in page.readers}
    return write_manifest(
        folder,
        "report",
        sorted(texts),
        name=f"{name}.manifest.json",
        packages=["altair", "jinja2", "tokenizers", "vl-convert-python"],
        inputs={"dataset": sha256(page.dataset), "facts": sha256(page.facts), **models},
    )


def _cuts(page: Page, counts: dict[str, Any], splits: Sequence[str]) -> list[Cut]:
    queries = {}
    for name in splits:
        texts = read_queries(page.dataset.with_name(f"queries.{name}.jsonl"))
        queries[name] = list(sampled(texts, LOOKED_AT).values())
    documents = _documents(page.dataset.with_name("corpus.jsonl"), counts["documents"])
    found = [cut for reader in counted(page.readers, "tokenizers asked") for cut in cuts(reader, documents, queries)]
    return together(found)


def _documents(corpus: Path, count: int) -> list[Document]:
    wanted = set(sampled_rows(count, LOOKED_AT))
    return [document for row, document in enumerate(read_corpus(corpus)) if row in wanted]
