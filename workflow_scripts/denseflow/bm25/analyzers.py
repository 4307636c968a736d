"""Which Lucene analyzer splits and stems the texts of which language; needs no Java.

The table is Anserini's own (io.anserini.analysis.AnalyzerMap and IndexCollection of Anserini 1.7.1); a test compares.
"""

from denseflow.bm25.character_bigrams import character_bigrams
from denseflow.errors import DenseflowError

_LUCENE = "org.apache.lucene.analysis"
WHITESPACE_CLASS = f"{_LUCENE}.core.WhitespaceAnalyzer"
CJK_CLASS = f"{_LUCENE}.cjk.CJKAnalyzer"
CHARACTER_BIGRAMS = "character_bigrams"

ANALYZERS: dict[str, str] = {
    "ar": f"{_LUCENE}.ar.ArabicAnalyzer",
    "bn": f"{_LUCENE}.bn.BengaliAnalyzer",
    CHARACTER_BIGRAMS: WHITESPACE_CLASS,
    "da": f"{_LUCENE}.da.DanishAnalyzer",
    "de": f"{_LUCENE}.de.GermanAnalyzer",
    "en": "io.anserini.analysis.DefaultEnglishAnalyzer",
    "es": f"{_LUCENE}.es.SpanishAnalyzer",
    "fa": f"{_LUCENE}.fa.PersianAnalyzer",
    "fi": f"{_LUCENE}.fi.FinnishAnalyzer",
    "fr": f"{_LUCENE}.fr.FrenchAnalyzer",
    "ha": WHITESPACE_CLASS,
    "hi": f"{_LUCENE}.hi.HindiAnalyzer",
    "hu": f"{_LUCENE}.hu.HungarianAnalyzer",
    "id": f"{_LUCENE}.id.IndonesianAnalyzer",
    "it": f"{_LUCENE}.it.ItalianAnalyzer",
    "ja": f"{_LUCENE}.ja.JapaneseAnalyzer",
    "ko": CJK_CLASS,
    "nl": f"{_LUCENE}.nl.DutchAnalyzer",
    "no": f"{_LUCENE}.no.NorwegianAnalyzer",
    "pl": f"{_LUCENE}.morfologik.MorfologikAnalyzer",
    "pt": f"{_LUCENE}.pt.PortugueseAnalyzer",
    "ru": f"{_LUCENE}.ru.RussianAnalyzer",
    "so": WHITESPACE_CLASS,
    "sv": f"{_LUCENE}.sv.SwedishAnalyzer",
    "sw": WHITESPACE_CLASS,
    "te": f"{_LUCENE}.te.TeluguAnalyzer",
    "th": f"{_LUCENE}.th.ThaiAnalyzer",
    "tr": f"{_LUCENE}.tr.TurkishAnalyzer",
    "uk": f"{_LUCENE}.uk.UkrainianMorfologikAnalyzer",
    "whitespace": WHITESPACE_CLASS,
    "yo": WHITESPACE_CLASS,
    "zh": CJK_CLASS,
}
"""Java class by ISO 639-1 code.

``whitespace`` is for texts whose words are apart already (nothing is lowercased), and ``character_bigrams`` for those
that :func:`cut` cuts before Lucene sees them.
"""


def check_analyzer(name: str) -> None:
    """Refuse a name that is not in :data:`ANALYZERS`: Anserini itself would silently take English.

    Raises:
        DenseflowError: Listing the known names.
    """
    if name not in ANALYZERS:
        raise DenseflowError(
            f"key 'analyzer': found {name!r}, expected one of {', '.join(sorted(ANALYZERS))}; use 'whitespace' for "
            "another language whose words are set apart by spaces"
        )


def index_arguments(name: str) -> list[str]:
    """The arguments of Anserini's IndexCollection that choose the analyzer."""
    return ["-pretokenized"] if name in ("whitespace", CHARACTER_BIGRAMS) else ["-language", name]


def cut(text: str, name: str) -> str:
    """The text of a passage or a query as Lucene is given it."""
    return character_bigrams(text) if name == CHARACTER_BIGRAMS else text
