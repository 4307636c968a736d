"""What the plan assumes where nothing was measured: speeds, and sizes of what only running it would tell.

The speeds of the stages that use no model were measured by benchmarks/large.py on two cores of a shared machine;
those of models are products of matrices, counted, at a rate that ordinary hardware reaches.
"""

THREADS = {
    "bm25_index": 4,
    "bm25_search": 4,
    "encode_corpus": 8,
    "train": 8,
    "search": 4,
    "index": 8,
    "search_index": 4,
}
"""Threads of a job of a rule at most, as in rules/; of those that have a model its `run.threads` counts."""
CPU_FLOPS = 40e9
"""Operations a second and core in an encoder, float32."""
GPU_FLOPS = {"fp32": 10e12, "bf16": 40e12, "fp16": 40e12}
"""Operations a second of one GPU of a data centre, by precision: about a third of its peak."""
SEARCH_FLOPS = {"cpu": 20e9, "gpu": 5e12}
"""Operations a second (and core) in the products of exact search and of k-means, selection included."""
TEXTS = 2500.0
"""Texts a second and core that are tokenised, sorted and padded, at most, however small the model is."""
EXPORTED = 50_000.0
"""Documents a second that the dataset stage reads and writes."""
INDEXED = 7_000.0
"""Documents a second and thread that Lucene indexes."""
BM25_QUERY = 1e-2
"""Seconds a thread takes for a query on a million passages."""
SCANNED = 50_000.0
"""Documents a second that mining looks at to know their texts."""
RANK = 25e-6
"""Seconds that mining takes for a rank of a run."""
EVALUATED = 200_000.0
"""Lines of a run a second that are read and scored."""
GRAPH_INSERTION = 1e-3
"""Seconds a core takes to put a vector into an HNSW graph."""
INDEX_QUERY = 5e-3
"""Seconds a core takes for a query in an approximate index, rescoring included."""
REPORT = 30.0
"""Seconds of an experiment's report."""

DOCUMENT_BYTES = 400
"""A passage's line in corpus.jsonl: some sixty words."""
QUERY_BYTES = 70
QUERIES = 1000
"""Queries of a split."""
WORDS_A_BYTE = 1 / 7
TOKENS_A_WORD = 1.3
LUCENE = 0.18
"""Bytes of BM25's index for a byte of corpus.jsonl."""
RUN_COLUMNS = 26
"""Bytes of a line of a run without its two ids: Q0, rank, score of nine digits, tag."""
ID_BYTES = 14
"""Of a query's and a document's id together."""
SCORE_LINE = 60
"""Bytes of a line of scores.tsv."""
RANKED_BYTES = 180
"""Memory of a ranked document where a run is read whole."""
TERMS = 30_000
"""Terms of a sparse encoder's vocabulary."""
SPARSE_NUMBERS = 450
"""Dimensions of dense vectors that take as many bytes as a sparse encoder's, which have some 150 terms."""
TORCH_MB = 600
"""Memory of a process with torch and transformers, without a model."""
PYTHON_MB = 120
"""Memory of a process with numpy."""
