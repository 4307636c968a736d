"""The BM25 stage: Anserini's index of a collection, and the runs that BM25 gives on it."""
