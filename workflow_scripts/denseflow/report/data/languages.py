"""Which languages texts are in, and in which scripts they are written."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

LEAST_BYTES = 24
"""Shorter texts say too little to tell their language."""

MOST_CHARACTERS = 1000
"""What follows in a text is not looked at."""

SHOWN = 6
"""Languages and scripts that are listed; the others are one."""

OTHERS = "others"
_SCRIPTS = {
    "CJK": "Han",
    "IDEOGRAPHIC": "Han",
    "MICRO": "Greek",
    "KATAKANA-HIRAGANA": "Katakana",
    "HALFWIDTH": "Katakana",
    "FULLWIDTH": "Latin",
}


def languages(texts: Iterable[str]) -> dict[str, Any]:
    """The languages and scripts of texts.

    Returns:
        ``texts`` (how many were long enough to tell), ``languages`` (texts by ISO 639-1 code, py3langid's guess, the
        most frequent first) and ``scripts`` (shares of all letters).
    """
    from py3langid import classify

    told: Counter[str] = Counter()
    scripts: Counter[str] = Counter()
    for text in texts:
        begin = text.strip()[:MOST_CHARACTERS]
        scripts.update(name for name in map(_script, begin) if name)
        if len(begin.encode()) >= LEAST_BYTES:
            told[classify(begin)[0]] += 1
    letters = scripts.total()
    shares = {name: round(count / letters, 4) for name, count in _most(scripts).items()}
    return {"texts": told.total(), "languages": _most(told), "scripts": shares}


@cache
def known_languages() -> frozenset[str]:
    """The codes of the languages that can be told."""
    from py3langid import rank

    return frozenset(code for code, _ in rank("a"))


def _most(counts: Counter[str]) -> dict[str, int]:
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    others = sum(count for _, count in order[SHOWN:])
    return dict(order[:SHOWN]) | ({OTHERS: others} if others else {})


@cache
def _script(character: str) -> str:
    """The script of a letter, such as ``Latin``; nothing for other characters."""
    if not character.isalpha():
        return ""
    first = unicodedata.name(character, "unnamed").split()[0].removesuffix("-IDEOGRAPH")
    return _SCRIPTS.get(first, first.capitalize())
