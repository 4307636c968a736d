"""What of a collection speaks against trusting its scores, or wastes its texts: in words, with what to do."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from denseflow.report.data.languages import OTHERS, known_languages
from denseflow.report.data.tokens import Cut

MOST_TWINS = 0.01
MOST_NEAR_DUPLICATES = 0.01
MOST_TOKENS_LOST = 0.1
MOST_QUERIES_CUT = 0.05
MOST_OTHER_LANGUAGE = 0.1
MOST_SHARED_ARTICLES = 0.1
"""Shares from which on a thing is worth a caution."""

MOST_KNOWN = 0.5
"""Share of queries all whose relevant passages are relevant in an earlier split too."""

FEW_QUERIES = 50
FEW_TOLD = 50
SPARSE = 1.2
"""Relevant passages a query below which others surely were not judged."""


class Caution(NamedTuple):
    """What was found, and what to do about it.

    Attributes:
        found: A sentence without its full stop.
        advice: Another.
        serious: Whether scores may mislead, or something is not as it was meant.
    """

    found: str
    advice: str
    serious: bool = False


def cautions(facts: dict[str, Any], language: str, cuts: Sequence[Cut]) -> list[Caution]:
    """All that is worth a word, the most serious first.

    Args:
        facts: As :func:`denseflow.report.data.facts.read_facts` gives them.
        language: The dataset's key ``language``.
        cuts: What models cut.
    """
    found = [
        *_leaks(facts["between"]),
        *_shared_articles(facts.get("shared_articles", [])),
        *_language(facts, language),
        *_cuts(cuts),
        *_passages(facts["passages"]),
        *(caution for name, split in facts["splits"].items() for caution in _split(name, split)),
        *_known_passages(facts["between"]),
    ]
    return sorted(found, key=lambda caution: not caution.serious)


def share(part: float, whole: float) -> str:
    """``38%``, ``0.4%``; of nothing it is ``-``."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    return f"{percent:.0f}%" if percent >= 10 or percent == 0 else f"{percent:.1f}%"


def _leaks(between: Sequence[dict[str, Any]]) -> Iterator[Caution]:
    for pair in between:
        names = f"of {pair['split']}", f"in {pair['earlier']}"
        if pair["near_twins"] >= MOST_TWINS * pair["looked_at"] and pair["near_twins"]:
            yield Caution(
                f"{pair['near_twins']:,} of {pair['looked_at']:,} queries {names[0]} "
                f"({share(pair['near_twins'], pair['looked_at'])}) have a near-twin {names[1]}: nearly the same words, "
                "and a relevant passage in common",
                f"a gain on {pair['split']} after training on {pair['earlier']} is partly memory: go by the report's "
                "lines without near-twins, or take the twins out of the training split",
                serious=True,
            )
        elif pair["same_text"]:
            yield Caution(
                f"{pair['same_text']:,} queries {names[0]} have the text of one {names[1]}",
                f"take them out of {pair['earlier']} before training on it",
                serious=True,
            )


def _shared_articles(shared: Sequence[dict[str, Any]]) -> Iterator[Caution]:
    for pair in shared:
        if pair["articles"] > MOST_SHARED_ARTICLES * pair["of"]:
            yield Caution(
                f"{pair['articles']:,} of {pair['of']:,} articles of {pair['split']} are in {pair['earlier']} too, "
                "with other passages",
                f"a model that trains on {pair['earlier']} knows what they are about: say so beside the scores, or add "
                f"`not_in: [{pair['split']}]` to the parts of {pair['earlier']} in the dataset's file",
            )


def _language(facts: dict[str, Any], language: str) -> Iterator[Caution]:
    if language not in known_languages():
        return
    parts = {"passages": facts["passages"], **{f"queries of {name}": of for name, of in facts["splits"].items()}}
    for name, part in parts.items():
        told, total = part["languages"], part["texts"]
        if total < FEW_TOLD:
            continue
        of_language = told.get(language, 0)
        most = max((code for code in told if code != OTHERS), key=lambda code: told[code])
        if most != language:
            yield Caution(
                f"most {name} look like {most!r} ({share(told[most], total)} of {total:,} looked at), and the "
                f"dataset's file says language: {language} ({share(of_language, total)})",
                f"set `language: {most}`, by which BM25's analyser is chosen, or check that the texts are the right "
                "ones, and that the models know their language",
                serious=True,
            )
        elif name == "passages" and total - of_language > MOST_OTHER_LANGUAGE * total:
            yield Caution(
                f"{share(total - of_language, total)} of {total:,} passages looked at do not look like {language!r}",
                "check that they belong there; a model of one language, and BM25's analyser, do badly on the others",
            )


def _cuts(cuts: Sequence[Cut]) -> Iterator[Caution]:
    for cut in cuts:
        models, key = ", ".join(cut.models), "passage" if cut.kind == "passages" else "query"
        if key == "passage" and cut.lost > MOST_TOKENS_LOST * cut.tokens:
            yield Caution(
                f"with {models}, {share(cut.cut, cut.looked_at)} of the passages are longer than {cut.max_length} "
                f"tokens, and {share(cut.lost, cut.tokens)} of all tokens are never read",
                "raise contract.passage_max_length in the model's file, as far as the model has positions, or split "
                "long passages; a short one is quicker, and is no mistake where the beginning says enough",
            )
        if key == "query" and cut.cut > MOST_QUERIES_CUT * cut.looked_at:
            yield Caution(
                f"with {models}, {share(cut.cut, cut.looked_at)} of the queries of {cut.kind} are longer than "
                f"{cut.max_length} tokens and are cut",
                "raise contract.query_max_length in the model's file",
            )


def _passages(passages: dict[str, Any]) -> Iterator[Caution]:
    if passages["empty"]:
        yield Caution(
            f"{passages['empty']:,} passages are empty",
            "take them out of the source: each still gets a vector, which is near to many queries with some models",
        )
    repeated, near = passages["repeated"], passages["near_duplicates"]
    if repeated["passages"]:
        yield Caution(
            f"{repeated['passages']:,} passages have the same text as another ({repeated['texts']:,} texts)",
            "keep one of each, or judge all alike: a copy of a relevant passage counts as wrong, and mined as a "
            "negative it teaches the contrary",
        )
    if near["passages"] - repeated["passages"] > MOST_NEAR_DUPLICATES * near["looked_at"]:
        yield Caution(
            f"{near['passages']:,} of {near['looked_at']:,} passages looked at have nearly the same words as another",
            "leave out mined negatives that score near the positive (`margin` or `share` of the negatives file)",
        )


def _split(name: str, split: dict[str, Any]) -> Iterator[Caution]:
    if split["queries"] > split["judged"] or split["without_relevant"]:
        yield Caution(
            f"in {name}, {split['queries'] - split['judged']:,} queries have no judgements, and "
            f"{split['without_relevant']:,} judged ones no relevant passage",
            "the former count in no measure, the latter as 0 in most; take them out if that is not meant",
        )
    if split["unknown_documents"]["count"]:
        yield Caution(
            f"in {name}, {split['unknown_documents']['count']:,} judged passages are not in the collection, such as "
            f"{', '.join(split['unknown_documents']['examples'])}",
            "check that collection and judgements are of one version; they count as never found",
            serious=True,
        )
    if split["repeated"]:
        yield Caution(
            f"in {name}, {split['repeated']:,} queries have the same text as another",
            "join their judgements: each has the other's relevant passages as negatives",
        )
    if split["judged"] < FEW_QUERIES:
        yield Caution(
            f"in {name}, only {split['judged']:,} queries are judged",
            "expect wide intervals; small differences cannot be shown with so few",
        )
    if split["mean_relevant"] < SPARSE:
        yield Caution(
            f"in {name}, a query has {split['mean_relevant']:g} relevant passages on average",
            "others are likely relevant and not judged: a system that finds them scores too low, and a mined negative "
            "may be one of them: look at the negatives' audit, and leave out candidates that score near the positive",
        )


def _known_passages(between: Sequence[dict[str, Any]]) -> Iterator[Caution]:
    for pair in between:
        first = between[0]["earlier"]
        if pair["earlier"] == first and pair["queries_known"] > MOST_KNOWN * pair["queries"]:
            yield Caution(
                f"{share(pair['relevant_in_both'], pair['relevant_documents'])} of the relevant passages of "
                f"{pair['split']} are relevant in {pair['earlier']} too; for {pair['queries_known']:,} of "
                f"{pair['queries']:,} queries they all are",
                "training sees the passages that are to be found, with other queries: say so beside the scores, and "
                "expect less of passages that are new",
            )
