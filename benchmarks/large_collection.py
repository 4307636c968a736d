"""A synthetic collection of any size in BEIR's form, of real sentences, the same bits each time.

    python benchmarks/large_collection.py CORPORA FOLDER [--passages 1000000] [--seed 0]

A passage is a sentence of one document of the corpora, with this document's title, and a sentence of another; no two
passages have the same two. A query is some words of the two sentences of a passage. This passage is relevant at level
2, as is one that has the two the other way round, and each passage that has one of the two at level 1: so the
judgements are complete by the way they are made, and no model is needed to check them.

CORPORA holds nfcorpus/corpus.jsonl.gz (BEIR), scifact/corpus_train.csv.gz and the SMART collections cacm/cacm.all.gz,
cisi/CISI.ALL.gz and cranfield/cran.all.1400.gz; those that are missing are left out, with a word.
"""

import argparse
import ast
import csv
import gzip
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple, TextIO

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Za-z])")
LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", flags=re.DOTALL)
WORDS = range(6, 61)
"""How many words a sentence has that is taken; what is shorter or longer is hardly one."""
LETTERS = 4
"""A word of a query has at least so many."""
WORDS_OF_A_SENTENCE = 5
"""Words that a query takes of each of its sentences, at most."""


class Sentence(NamedTuple):
    """A sentence and the title of its document."""

    title: str
    text: str


def main() -> None:
    """Write the collection."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--train", type=int, default=5000, help="queries of this split")
    parser.add_argument("--dev", type=int, default=500)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    splits = {name: getattr(options, name) for name in ("train", "dev", "test")}
    try:
        write_collection(options.corpora, options.folder, options.passages, splits, options.seed)
    except ValueError as error:
        sys.exit(f"{Path(__file__).name}: {error}")


def write_collection(corpora: Path, folder: Path, passages: int, splits: dict[str, int], seed: int) -> None:
    """Write corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv.

    Args:
        corpora: See the module.
        folder: Where they go.
        passages: How many.
        splits: How many queries each split has, by its name.
        seed: Of all drawing.

    Raises:
        ValueError: There are no sentences, or too few for as many passages or queries.
    """
    sentences = list(dict.fromkeys(read_sentences(corpora)))
    if passages > len(sentences) ** 2 or sum(splits.values()) > passages:
        raise ValueError(
            f"{passages} passages and {sum(splits.values())} queries are asked for, but {corpora} has "
            f"{len(sentences)} sentences, enough for {len(sentences) ** 2} passages of two; ask for fewer"
        )
    random = Random(seed)
    pairs = random.sample(range(len(sentences) ** 2), passages)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    with _writer(folder / "corpus.jsonl") as file:
        for place, pair in enumerate(pairs):
            first, second = (sentences[number] for number in divmod(pair, len(sentences)))
            row = {"_id": passage_id(place), "title": first.title, "text": f"{first.text} {second.text}"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    asked = random.sample(range(passages), sum(splits.values()))
    holders = _holders(pairs, asked, len(sentences))
    with _writer(folder / "queries.jsonl") as queries:
        start = 0
        for split, count in splits.items():
            with _writer(folder / "qrels" / f"{split}.tsv") as qrels:
                qrels.write("query-id\tcorpus-id\tscore\n")
                for number, place in enumerate(asked[start : start + count]):
                    name, (one, other) = f"{split}-{number}", divmod(pairs[place], len(sentences))
                    text = " ".join([*_words(sentences[one].text, random), *_words(sentences[other].text, random)])
                    queries.write(json.dumps({"_id": name, "text": text}, ensure_ascii=False) + "\n")
                    for found, level in _levels(holders[one], holders[other], place).items():
                        qrels.write(f"{name}\t{passage_id(found)}\t{level}\n")
            start += count


def passage_id(place: int) -> str:
    """The id of a passage by its place in the collection."""
    return f"p{place:08d}"


def _levels(one: Sequence[int], other: Sequence[int], asked: int) -> dict[int, int]:
    """The levels of all passages that have one of two sentences, by their places, that of the asked one first."""
    both = set(one) & set(other)
    return {place: 2 if place in both else 1 for place in [asked, *sorted({*one, *other} - {asked})]}


def _holders(pairs: Sequence[int], asked: Sequence[int], sentences: int) -> dict[int, list[int]]:
    """The places of the passages that have a sentence, for those sentences that are asked for."""
    holders: dict[int, list[int]] = {number: [] for place in asked for number in divmod(pairs[place], sentences)}
    for place, pair in enumerate(pairs):
        for number in set(divmod(pair, sentences)):
            if number in holders:
                holders[number].append(place)
    return holders


def _words(sentence: str, random: Random) -> list[str]:
    """Some words of a sentence, in its order; all of it where it has none of enough letters."""
    words = [word for word in re.findall(r"[^\W_]+", sentence) if len(word) >= LETTERS] or [sentence]
    chosen = sorted(random.sample(range(len(words)), min(WORDS_OF_A_SENTENCE, len(words))))
    return [words[place] for place in chosen]


def read_sentences(corpora: Path) -> Iterator[Sentence]:
    """Yield the sentences of all corpora that are there, in a fixed order.

    Raises:
        ValueError: None of them is there.
    """
    readers = {
        "nfcorpus/corpus.jsonl.gz": _beir,
        "scifact/corpus_train.csv.gz": _scifact,
        "cacm/cacm.all.gz": _smart,
        "cisi/CISI.ALL.gz": _smart,
        "cranfield/cran.all.1400.gz": _smart,
    }
    there = [name for name in readers if (corpora / name).is_file()]
    if not there:
        raise ValueError(f"{corpora} has none of {', '.join(readers)}; name the folder that holds them")
    for name in readers.keys() - set(there):
        print(f"left out, for it is not there: {corpora / name}", file=sys.stderr)
    for name in there:
        for title, texts in readers[name](corpora / name):
            for text in texts:
                clean = " ".join(text.split())
                if len(clean.split(" ")) in WORDS:
                    yield Sentence(" ".join(title.split()), clean)


def _beir(path: Path) -> Iterator[tuple[str, list[str]]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield row["title"], SENTENCE_END.split(row["text"])


def _scifact(path: Path) -> Iterator[tuple[str, list[str]]]:
    """An abstract's sentences are kept as numpy prints an array of texts."""
    csv.field_size_limit(10**7)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["title"], [ast.literal_eval(literal) for literal in LITERAL.findall(row["abstract"])]


def _smart(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Documents begin with .I, their title with .T, their text with .W; further fields are passed over."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for document in re.split(r"^\.I .*$", file.read(), flags=re.MULTILINE)[1:]:
            fields = dict(
                re.findall(r"^\.([A-Z])\s*\n(.*?)(?=^\.[A-Z]\s*$|\Z)", document, flags=re.MULTILINE | re.DOTALL)
            )
            yield fields.get("T", ""), SENTENCE_END.split(fields.get("W", ""))


def _writer(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
