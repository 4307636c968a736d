"""Where a passage says what a query's answers say, for the eye; the measure Answer has stricter rules of its own."""

from collections.abc import Iterable
from itertools import pairwise

import regex

_ALPHABETIC = r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{N}]"
"""Words of these scripts stand apart; in others an ending, or the next word, may follow at once."""


def answer_spans(text: str, answers: Iterable[str]) -> list[tuple[int, int]]:
    """The places (start, end) of the answers in a text, in order and apart from each other.

    Case and what stands between words are passed over.
    """
    found = sorted(match.span() for pattern in map(_pattern, answers) if pattern for match in pattern.finditer(text))
    spans: list[tuple[int, int]] = []
    for start, end in found:
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def pieces(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it is one of the spans; together they are the text."""
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return [(text[a:b], bool(number % 2)) for number, (a, b) in enumerate(pairwise(edges)) if b > a]


def _pattern(answer: str) -> regex.Pattern | None:
    words = regex.findall(r"[\p{L}\p{M}\p{N}]+", answer)
    if not words:
        return None
    inside = r"[^\p{L}\p{M}\p{N}]*".join(map(regex.escape, words))
    before = rf"(?<!{_ALPHABETIC})" if regex.match(_ALPHABETIC, words[0]) else ""
    after = rf"(?!{_ALPHABETIC})" if regex.match(_ALPHABETIC, words[-1][-1]) else ""
    return regex.compile(before + inside + after, regex.IGNORECASE)
