"""Texts cut into overlapping pairs of characters: words for languages that write none apart, with no dictionary.

Character bigrams have long done as well as words for searching Japanese, Chinese and Korean (Foo and Li, 2004; Lee and
Ahn, 1996). Lucene's CJKAnalyzer also makes them, but of runs of such characters alone: it keeps Latin words and numbers
whole.
"""

import re
import unicodedata

_RUN = re.compile(r"[^\W_]+")


def character_bigrams(text: str) -> str:
    """The bigrams of a text, spaces between them: ``京都に2泊`` gives ``京都 都に に2 2泊``.

    The text is normalised (NFKC, so that full-width letters and half-width kana are the usual ones) and made lower
    case. Each run of letters and digits is cut into all its pairs of neighbours; a run of one character is kept as it
    is. Everything else ends a run.
    """
    runs = _RUN.findall(unicodedata.normalize("NFKC", text).lower())
    return " ".join(
        run if len(run) == 1 else " ".join(run[place : place + 2] for place in range(len(run) - 1)) for run in runs
    )
