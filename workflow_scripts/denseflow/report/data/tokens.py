"""How long texts are in a model's tokens, and what of them is cut; with its tokenizer alone, not the model."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from denseflow.collection import Document
from denseflow.manifest import read_manifest
from denseflow.report.data.histogram import of_lengths

LOOKED_AT = 20_000
"""Texts of a kind that are tokenised."""

_AT_ONCE = 256
_JAPANESE = "BertJapaneseTokenizer"
_SIDES = {"query": "query", "passage": "document"}


@dataclass(frozen=True)
class Reader:
    """What one or several models read texts with: a tokenizer, and a contract's part that decides on lengths.

    Attributes:
        models: Names from config/models.
        manifest: That of the pretrained model whose tokenizer it is.
        contract: What the models' files change of its contract; absent keys stay.
    """

    models: Sequence[str]
    manifest: Path
    contract: Mapping[str, Any]


@dataclass(frozen=True)
class Cut:
    """What becomes of the texts of a kind.

    Attributes:
        models: Who reads them.
        kind: ``passages``, or the name of the queries' split.
        max_length: In tokens, prefix and special tokens included.
        looked_at: How many texts.
        cut: How many of them are longer.
        tokens: Of all of them.
        lost: Tokens that are cut off.
        longest: The longest text's tokens.
        histogram: Of the tokens of a text.
    """

    models: tuple[str, ...]
    kind: str
    max_length: int
    looked_at: int
    cut: int
    tokens: int
    lost: int
    longest: int
    histogram: tuple[tuple[int, int, int], ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a JSON file."""
        return asdict(self)


def cuts(reader: Reader, documents: Sequence[Document], queries: Mapping[str, Sequence[str]]) -> list[Cut]:
    """What becomes of passages and of each split's queries; nothing where the tokenizer is neither a fast one nor
    asks MeCab.

    Args:
        reader: The tokenizer and the contract.
        documents: The passages that are looked at.
        queries: The queries that are looked at, by split.

    Raises:
        DenseflowError: A file of the model is missing or altered.
    """
    of_base = read_manifest(reader.manifest, check=False)["contract"]
    contract = {**of_base, **reader.contract}
    added = sum(bool(contract.get(key)) and not of_base.get(key) for key in ("add_bos", "add_eos"))
    found = []
    passages = (_passage(document, contract["title_separator"]) for document in documents)
    kinds = [("passages", "passage", passages), *((name, "query", iter(of)) for name, of in queries.items())]
    for name, kind, texts in kinds:
        file = _tokenizer_file(reader.manifest.with_name("model"), kind)
        if file is None:
            return []
        prefix, limit = contract[f"{kind}_prefix"], contract[f"{kind}_max_length"]
        counts = _lengths(file, (prefix + text for text in texts), added)
        found.append(_cut(reader.models, name, limit, counts))
    return found


def together(cuts: Sequence[Cut]) -> list[Cut]:
    """The same, where several models do alike with a kind of texts as one."""
    found: dict[Cut, list[str]] = {}
    for cut in cuts:
        found.setdefault(replace(cut, models=()), []).extend(cut.models)
    return [replace(cut, models=tuple(dict.fromkeys(models))) for cut, models in found.items()]


def _passage(document: Document, separator: str) -> str:
    """As :func:`denseflow.contract.passage_text`, which needs torch."""
    return separator.join(part for part in (document.title, document.text) if part)


def _tokenizer_file(folder: Path, kind: str) -> Path | None:
    """The tokenizer of a side of an encoder, or None. Separate sides are the routes of a Router."""
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    place = folder / modules[0]["path"]
    routes = place / "router_config.json"
    if routes.is_file():
        structure = json.loads(routes.read_text(encoding="utf-8"))["structure"]
        place /= structure[_SIDES[kind]][0]
    file, settings = place / "tokenizer.json", place / "tokenizer_config.json"
    if file.is_file():
        return file
    asks_mecab = settings.is_file() and _JAPANESE in settings.read_text(encoding="utf-8")
    return settings if asks_mecab else None


def _lengths(file: Path, texts: Iterable[str], added: int) -> Counter[int]:
    """How many texts have how many tokens."""
    tokenize = _fast(file) if file.name == "tokenizer.json" else _japanese(file.parent)
    counts: Counter[int] = Counter()
    left = iter(texts)
    while some := list(islice(left, _AT_ONCE)):
        counts.update(length + added for length in tokenize(some))
    return counts


def _fast(file: Path) -> Callable[[list[str]], Iterable[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: (len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts))


def _japanese(folder: Path) -> Callable[[list[str]], Iterable[int]]:
    # It takes seconds to import, and few models need it.
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return lambda texts: map(len, tokenizer(texts, verbose=False)["input_ids"])


def _cut(models: Sequence[str], kind: str, limit: int, counts: Counter[int]) -> Cut:
    longer = {length: count for length, count in counts.items() if length > limit}
    return Cut(
        models=tuple(models),
        kind=kind,
        max_length=limit,
        looked_at=counts.total(),
        cut=sum(longer.values()),
        tokens=sum(length * count for length, count in counts.items()),
        lost=sum((length - limit) * count for length, count in longer.items()),
        longest=max(counts, default=0),
        histogram=tuple((*bar,) for bar in of_lengths(counts)),
    )
