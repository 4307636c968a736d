"""The tables of a collection's page, in Markdown and in HTML alike."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from denseflow.report.data.cautions import share
from denseflow.report.data.tokens import Cut


class Table(NamedTuple):
    """A heading, the names of the columns, rows of cells, and how many of the first columns are texts."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1


def number(value: float) -> str:
    """``12,345`` or ``12.3``."""
    return f"{value:,}"


def split_table(splits: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row a split: its counts."""
    columns = ("split", "queries", "judged", "without relevant", "judgements", "by level", "relevant a query", "most")
    rows = [
        (
            *(name, number(split["queries"]), number(split["judged"]), number(split["without_relevant"])),
            number(split["judgements"]),
            ", ".join(f"{level}: {count:,}" for level, count in split["levels"].items()),
            number(split["mean_relevant"]),
            number(split["most_relevant"][0][2]) if split["most_relevant"] else "-",
        )
        for name, split in splits.items()
    ]
    return Table("Queries and judgements", columns, rows)


def length_table(content: Mapping[str, Any]) -> Table:
    """A row a kind of text and unit."""
    parts = {"passages": content["passages"], **{f"queries of {name}": of for name, of in content["splits"].items()}}
    rows = [
        (name, unit, *(number(of["lengths"][unit][key]) for key in ("mean", "median", "p95", "max")))
        for name, of in parts.items()
        for unit in ("words", "characters")
    ]
    return Table("Lengths", ("texts", "in", "mean", "median", "95% are within", "longest"), rows, texts=2)


def cut_table(cuts: Sequence[Cut]) -> Table:
    """A row a reader and kind of text."""
    rows = [
        (
            *(", ".join(cut.models), cut.kind if cut.kind == "passages" else f"queries of {cut.kind}"),
            *(number(cut.looked_at), number(cut.max_length), number(cut.longest)),
            *(share(cut.cut, cut.looked_at), share(cut.lost, cut.tokens)),
        )
        for cut in cuts
    ]
    columns = ("models", "texts", "looked at", "maximum", "longest", "texts cut", "tokens lost")
    return Table("Tokens, and what is cut", columns, rows, texts=2)


def common_table(between: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each two splits."""
    columns = (
        *("of", "in", "queries looked at", "same text", "near in words", "near-twins"),
        *("relevant passages", "relevant in both", "queries with all in both"),
    )
    rows = [
        (
            *(pair["split"], pair["earlier"], number(pair["looked_at"]), number(pair["same_text"])),
            f"{pair['near']:,} ({share(pair['near'], pair['looked_at'])})",
            f"{pair['near_twins']:,} ({share(pair['near_twins'], pair['looked_at'])})",
            number(pair["relevant_documents"]),
            f"{pair['relevant_in_both']:,} ({share(pair['relevant_in_both'], pair['relevant_documents'])})",
            f"{pair['queries_known']:,} ({share(pair['queries_known'], pair['queries'])})",
        )
        for pair in between
    ]
    return Table("What splits share", columns, rows, texts=2)


def repeated_table(content: Mapping[str, Any]) -> Table:
    """A row a kind of text."""
    passages, splits = content["passages"], content["splits"]
    near = passages["near_duplicates"]
    rows = [
        (
            *("passages", number(passages["count"]), number(passages["empty"])),
            *(number(passages["repeated"]["passages"]), number(near["looked_at"])),
            f"{near['passages']:,} ({share(near['passages'], near['looked_at'])})",
        )
    ]
    rows += [
        (
            *(f"queries of {name}", number(split["queries"]), number(split["empty"]), number(split["repeated"])),
            number(split["near"]["looked_at"]),
            f"{split['near']['queries']:,} ({share(split['near']['queries'], split['near']['looked_at'])})",
        )
        for name, split in splits.items()
    ]
    columns = ("texts", "all", "empty", "same text as another", "compared", "nearly the words of another")
    return Table("Empty, repeated and nearly repeated", columns, rows)


def language_table(content: Mapping[str, Any]) -> Table:
    """A row a kind of text."""
    parts = {"passages": content["passages"], **{f"queries of {name}": of for name, of in content["splits"].items()}}
    rows = [
        (
            name,
            ", ".join(f"{code} {share(count, of['texts'])}" for code, count in of["languages"].items()) or "-",
            ", ".join(f"{script} {share(part, 1)}" for script, part in of["scripts"].items()) or "-",
            number(of["texts"]),
        )
        for name, of in parts.items()
    ]
    return Table("Languages and scripts", ("texts", "language", "letters", "looked at"), rows, texts=3)


def notes(content: Mapping[str, Any]) -> list[str]:
    """How the numbers were counted."""
    near = content["passages"]["near_duplicates"]
    of_queries = [split["near"]["shared_words"] for split in content["splits"].values()]
    queries = f", {share(of_queries[0], 1)} of two queries'" if of_queries else ""
    return [
        "Words are what stands between white space. The last bar of a histogram of lengths holds all that is longer.",
        "The same text: equal but for case and spaces; of a passage with a title and a text, the text counts.",
        f"Nearly the same words: at least {share(near['shared_words'], 1)} of two passages' different words are in "
        f"both (Jaccard's index){queries}; where a script has no "
        "spaces, characters are the words of queries, and each two neighbours those of passages.",
        "A near-twin has nearly the same words as a query of the other split, and a relevant passage in common.",
        "Where fewer texts were looked at than there are, they were drawn at random, the same ones each time. Nearly "
        "repeated texts are then found only where both were drawn, so that there are more.",
        "Languages are py3langid's guesses from at least 24 bytes of text; of short queries many are wrong.",
        "Tokens count prefix and special tokens. Cross-encoders are left out: they cut a pair together.",
    ]
