"""How to load a trained model, as code that runs beside its card."""

import json
from typing import Any

_ENCODER = """\
```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("model"{options})  # the folder beside this card
queries = model.encode_query(["which vitamins are in milk?"])
passages = model.encode_document(["Milk" + {separator} + "Milk has vitamin B12.", "Bread has starch."])
scores = model.similarity(queries, passages)  # a row a query, a column a passage; higher is more relevant
```
"""
_SPARSE_ENCODER = """\
```python
from sentence_transformers import SparseEncoder

model = SparseEncoder("model"{options})  # the folder beside this card
queries = model.encode_query(["which vitamins are in milk?"])
passages = model.encode_document(["Milk" + {separator} + "Milk has vitamin B12.", "Bread has starch."])
scores = model.similarity(queries, passages)  # a row a query, a column a passage; higher is more relevant
print(model.decode(queries, top_k=10))  # the terms and their weights
```
"""
_CROSS_ENCODER = """\
```python
from sentence_transformers import CrossEncoder

model = CrossEncoder("model"{options})  # the folder beside this card
query = {query_prefix} + "which vitamins are in milk?"
passages = ["Milk" + {separator} + "Milk has vitamin B12.", "Bread has starch."]
scores = model.predict([(query, {passage_prefix} + passage) for passage in passages])  # higher is more relevant
```
"""


def usage(kind: str, manifest: dict[str, Any], settings: dict[str, Any]) -> str:
    """A snippet, and what it leaves unsaid.

    Args:
        kind: ``encoder``, ``sparse_encoder`` or ``cross_encoder``.
        manifest: The trained model's.
        settings: Its denseflow.json, which says whether the model's own code must run.
    """
    contract = manifest["contract"]
    options = ", trust_remote_code=True" if settings.get("trust_remote_code") else ""
    separator = json.dumps(contract["title_separator"])  # as Python code in double quotes
    if kind == "cross_encoder":
        prefixes = {name: json.dumps(contract[name]) for name in ("query_prefix", "passage_prefix")}
        text = _CROSS_ENCODER.format(options=options, separator=separator, **prefixes)
        return (
            f"{text}\nPairs longer than {contract['pair_max_length']} tokens are cut. Scores are logits: any number.\n"
        )
    if kind == "sparse_encoder":
        return (
            f"{_SPARSE_ENCODER.format(options=options, separator=separator)}\nA passage is its title, {separator} and "
            f"its text. Prefixes and maximum lengths (queries {contract['query_max_length']} tokens, passages "
            f"{contract['passage_max_length']}; what is longer is cut) are saved with the model; terms are compared by "
            "the inner product of their weights.\n"
        )
    scaled = "scaling to length 1" if contract["normalize"] else "length"
    lines = [
        _ENCODER.format(options=options, separator=separator),
        f"A passage is its title, {separator} and its text. Prefixes, maximum lengths (queries "
        f"{contract['query_max_length']} tokens, passages {contract['passage_max_length']}; what is longer is cut), "
        f"pooling and {scaled} are saved with the model; vectors are compared by their {contract['similarity']}.\n",
    ]
    dimensions = (manifest["recipe"].get("matryoshka") or {}).get("dimensions")
    if dimensions:
        cuts = ", ".join(map(str, dimensions))
        lines.append(f"The first {cuts} dimensions were trained too: `truncate_dim={min(dimensions)}` cuts vectors.\n")
    return "\n".join(lines)
