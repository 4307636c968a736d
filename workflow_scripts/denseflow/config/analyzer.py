"""What BM25's systems and BM25's negatives both say of their analyser."""

ANALYZER = (
    "The analyser, where it shall not be that of the dataset's language: another language's code, `whitespace`, or "
    "`character_bigrams` (docs/bm25.md)"
)
