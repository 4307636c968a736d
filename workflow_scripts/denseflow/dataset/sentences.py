"""The sentences of another collection: what unsupervised losses learn from."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from denseflow.collection import Document, read_corpus
from denseflow.dataset.collection_source import SourceCollection
from denseflow.dataset.sentence_cuts import sentences, wiki40b_paragraphs
from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.progress import counted


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """Each sentence as a document without a title, in a seeded order; its id is its passage's with its number there.

    Memory holds 16 bytes a sentence: the texts lie in a file in ``work``.

    Args:
        source: The keys of :class:`denseflow.config.sources.sentences.SentencesSource`, and ``manifest``: that of the
            collection ``of``.
        work: A folder for the sentences in the order of the passages.

    Raises:
        DenseflowError: No sentence is left.
    """
    manifest = Path(source["manifest"])
    read_manifest(manifest)
    corpus = manifest.parent / "corpus.jsonl"
    path = work / "sentences"
    places, counts = _write(corpus, source, path)
    if not places:
        raise DenseflowError(
            f"{corpus}: none of its {counts.total()} sentences is left ({_told(counts)}); lower `min_characters`, or "
            "set `drop_ascii` to false"
        )
    order = np.random.default_rng(source["seed"]).permutation(len(places))[: source.get("max_sentences")]
    counts["beyond max_sentences"] = len(places) - len(order)
    counts["kept"] = len(order)
    with path.open("rb") as file:

        def documents() -> Iterator[Document]:
            for place in order:
                file.seek(places[place])
                id_, _, text = file.readline().decode().rstrip("\n").partition("\t")
                yield Document(id_, "", text)

        yield SourceCollection(
            origin=f"the sentences of {corpus}", documents=documents, splits={}, facts={"sentences": dict(counts)}
        )


def _write(corpus: Path, source: Mapping[str, Any], path: Path) -> tuple[array, Counter[str]]:
    """Write a line for each sentence that passes: its id, a tab, its text; where each begins, and why others do not."""
    places, counts = array("q"), Counter[str]()
    with path.open("wb") as file:
        for document in counted(read_corpus(corpus), "passages cut"):
            text = wiki40b_paragraphs(document.text) if source["wiki40b"] else document.text
            for number, sentence in enumerate(sentences(text, source["ends"]), start=1):
                if len(sentence) < source["min_characters"]:
                    counts["too short"] += 1
                elif source["drop_ascii"] and sentence.isascii():
                    counts["of ASCII alone"] += 1
                else:
                    places.append(file.tell())
                    # A tab is white space like any other, and no id has one.
                    file.write(f"{document.id}.{number}\t{sentence}\n".encode())
    return places, counts


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {why}" for why, number in sorted(counts.items())) or "the passages are empty"
