"""Where a sentence ends, in scripts that need no space between two sentences.

ja-sentence-segmenter cuts by such a rule too, but knows two kinds of brackets only and parts `！？` in two.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

BRACKETS = dict(zip("(（[［「『【〈《〔“", ")）]］」』】〉》〕”", strict=True))
"""Opening brackets and what closes them; sentences inside them belong to the one around."""

_PARAGRAPH, _NEW_LINE = "_START_PARAGRAPH_", "_NEWLINE_"


def sentences(text: str, ends: str) -> Iterator[str]:
    """Yield the sentences of a text, the marks at their end included and the white space around them not.

    A bracket that is never closed in its line is a letter like any other.

    Args:
        text: Any text; a line break ends a sentence.
        ends: The characters that end one, those of ASCII only before white space or at the end.
    """
    at_end = _end_mark(ends)
    for line in text.splitlines():
        start = 0
        closed = _closed(line)
        for found in at_end.finditer(line):
            if not closed[found.start()]:
                yield from _words(line[start : found.end()])
                start = found.end()
        yield from _words(line[start:])


def wiki40b_paragraphs(text: str) -> str:
    """The paragraphs of an article of wiki40b, a line each; its title and the headings of its sections left out."""
    lines = text.split("\n")
    found = [line for mark, line in pairwise(lines) if mark.strip() == _PARAGRAPH]
    return "\n".join(found).replace(_NEW_LINE, "\n")


def _end_mark(ends: str) -> re.Pattern[str]:
    wide = "".join(mark for mark in ends if not mark.isascii())
    narrow = "".join(mark for mark in ends if mark.isascii())
    any_mark = f"[{re.escape(ends)}]"
    options = [f"{any_mark}*[{re.escape(wide)}]{any_mark}*"] if wide else []
    options += [rf"{any_mark}*[{re.escape(narrow)}](?=\s|$)"] if narrow else []
    return re.compile("|".join(options))


def _closed(line: str) -> list[bool]:
    """For each character whether it stands inside a pair of brackets."""
    inside = [False] * len(line)
    opened: list[tuple[str, int]] = []
    for place, character in enumerate(line):
        if character in BRACKETS:
            opened.append((BRACKETS[character], place))
            continue
        for depth in range(len(opened) - 1, -1, -1):
            if opened[depth][0] == character:
                first = opened[depth][1]
                inside[first : place + 1] = [True] * (place + 1 - first)
                # What was opened later and not closed is no bracket.
                del opened[depth:]
                break
    return inside


def _words(piece: str) -> Iterator[str]:
    if piece := piece.strip():
        yield piece
