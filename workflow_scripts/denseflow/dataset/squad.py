"""Questions on passages in SQuAD's JSON: the passages of all files are searched, and splits are cut by article."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from denseflow.dataset.collection_source import SourceCollection, Split, examples
from denseflow.dataset.data_files import at_hand
from denseflow.dataset.draw_questions import drawn_questions
from denseflow.dataset.squad_json import Question, SquadReader
from denseflow.errors import DenseflowError
from denseflow.files import sha256_text

Articles = dict[str, dict[str, list[Question]]]
"""Questions by file, then article."""


@contextmanager
def open_collection(source: Mapping[str, Any], work: Path) -> Iterator[SourceCollection]:
    """The passages of ``source["files"]`` and the questions of ``source["splits"]``.

    Args:
        source: ``files`` (see :func:`denseflow.dataset.data_files.at_hand`) by name; ``splits``: lists of parts with
            ``file`` and, where it is not the whole file, ``articles`` and ``not_in``; ``seed``; ``titles``;
            ``title_separator``; ``max_questions`` by split.
        work: A folder to download and unpack into.

    Raises:
        DenseflowError: A file is missing or no SQuAD JSON, has fewer articles than are wanted, or a question's id is
            in a split twice.
    """
    reader = SquadReader(source.get("title_separator"), source.get("titles", True))
    articles: Articles = {
        name: reader.read(name, at_hand(file, work), work) for name, file in sorted(source["files"].items())
    }
    shares = share_out(source["splits"], articles, source.get("seed", 0))
    shared = _shared_articles(shares)
    yield SourceCollection(
        origin=f"squad {', '.join(sorted(source['files']))}",
        documents=lambda: iter(reader.documents.values()),
        splits={split: partial(_split, split, shares[split], articles, source) for split in source["splits"]},
        facts={
            "articles": {split: sum(map(len, share.values())) for split, share in shares.items()},
            "shared_articles": shared,
            "left_out": dict(sorted(reader.dropped.items())),
        },
        warnings=list(map(_warning, shared)),
    )


def share_out(
    splits: Mapping[str, Sequence[Mapping[str, Any]]], articles: Articles, seed: int
) -> dict[str, dict[str, list[str]]]:
    """Which articles of which file each split has, in the file's order.

    An article's place in the draw depends on the seed and its own title alone, so that it is the same on every machine.

    Raises:
        DenseflowError: A file has fewer articles than its splits want.
    """
    left = {file: sorted(names, key=lambda name: sha256_text(f"{seed} {name}")) for file, names in articles.items()}
    # By name, as the options' order is not kept; whoever takes the rest comes last.
    parts = sorted(
        ((split, part) for split in splits for part in splits[split]),
        key=lambda pair: (pair[1].get("articles") is None, pair[0]),
    )
    shares: dict[str, dict[str, list[str]]] = {split: {} for split in splits}
    for split, part in parts:
        file, count = part["file"], part.get("articles") or max(1, len(left[part["file"]]))
        taken, left[file] = left[file][:count], left[file][count:]
        if len(taken) < count:
            raise DenseflowError(
                f"source squad, key 'splits.{split}': {count} articles of {file!r} are wanted, but {len(taken)} of its "
                f"{len(articles[file])} are left; lower `articles` there, or in another split"
            )
        chosen = set(taken)
        shares[split][file] = [name for name in articles[file] if name in chosen]
    return {split: {part["file"]: _without(shares, split, part) for part in splits[split]} for split in splits}


def _without(shares: Mapping[str, Mapping[str, list[str]]], split: str, part: Mapping[str, Any]) -> list[str]:
    elsewhere = {name for other in part.get("not_in") or () for names in shares[other].values() for name in names}
    return [name for name in shares[split][part["file"]] if name not in elsewhere]


def _split(name: str, share: Mapping[str, list[str]], articles: Articles, source: Mapping[str, Any]) -> Split:
    found = [question for file, names in share.items() for key in names for question in articles[file][key]]
    questions = {question.id: question for question in found}
    if len(questions) < len(found):
        ids = [question.id for question in found]
        twice = next(id_ for place, id_ in enumerate(ids) if id_ in ids[:place])
        raise DenseflowError(
            f"source squad, split {name}: two questions have the id {twice!r} (files {', '.join(share)}); ids must be "
            "unique. Put the files into two splits, or correct the ids"
        )
    questions = drawn_questions(questions, source, name)
    return Split(
        {id_: question.text for id_, question in questions.items()},
        {id_: {question.document: 1} for id_, question in questions.items()},
        f"squad, split {name} ({', '.join(share)})",
        {id_: question.answers for id_, question in questions.items()},
    )


def _shared_articles(shares: Mapping[str, Mapping[str, list[str]]]) -> list[dict[str, Any]]:
    """For each two splits that have articles with one title: how many, and of how many of the later split's."""
    titles = {split: {name for names in share.values() for name in names} for split, share in shares.items()}
    order = sorted(titles, key=lambda split: (split != "train", split != "dev", split))
    return [
        {"split": later, "earlier": earlier, "articles": len(shared), "of": len(titles[later]), "titles": shared[:4]}
        for earlier, later in combinations(order, 2)
        if (shared := sorted(titles[earlier] & titles[later]))
    ]


def _warning(pair: Mapping[str, Any]) -> str:
    return (
        f"{pair['articles']} of {pair['of']} articles of {pair['split']} are in {pair['earlier']} too, by their titles "
        f"({examples(pair['titles'])}); `not_in: [{pair['split']}]` leaves them out of {pair['earlier']}"
    )
