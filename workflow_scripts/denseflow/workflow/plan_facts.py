"""What is known of collections and models before they are made."""

import json
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denseflow.collection import QRELS_HEADER
from denseflow.config.model import ModelSource
from denseflow.config.sources.ir_datasets import IrDatasetsSource
from denseflow.workflow import plan_speeds as assumed

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph


@dataclass(frozen=True)
class CollectionFacts:
    """Sizes of a collection; None where nobody knows them yet.

    Attributes:
        documents: How many.
        document_bytes: A document's line in corpus.jsonl, on average.
        queries: By split.
        positives: Relevant documents a query, by split.
        id_bytes: Of a query's and a document's id together.
        bytes: Of all files of the dataset stage, where they are made.
        source: Where this comes from, for the plan's list of assumptions.
    """

    documents: int | None
    document_bytes: float
    queries: dict[str, int]
    positives: dict[str, float]
    id_bytes: float
    bytes: int | None
    source: str

    def asked(self, split: str) -> int:
        """The queries of a split, assumed where nobody knows them."""
        return self.queries.get(split, assumed.QUERIES)

    @property
    def words(self) -> float:
        """Words of a document."""
        return self.document_bytes * assumed.WORDS_A_BYTE


@dataclass(frozen=True)
class ModelFacts:
    """The shape of an encoder.

    Attributes:
        dimensions: Of its vectors.
        layers, width: Of the transformer.
        bytes: Of its weights.
        source: Where this comes from.
        terms: Of a sparse encoder's vocabulary; 0 of any other model.
    """

    dimensions: int
    layers: int
    width: int
    bytes: int
    source: str
    terms: int = 0

    def operations(self, tokens: float) -> float:
        """Floating-point operations of a text: two for each weight of a layer and token, and attention's products; a
        logit a token and term of a sparse encoder.
        """
        layers = self.layers * (24 * self.width**2 + 4 * tokens * self.width)
        return tokens * (layers + 2 * self.width * self.terms)


BERT_BASE = ModelFacts(768, 12, 768, 440_000_000, "assumed to be of BERT base's shape until it is fetched")


def collection_facts(graph: "Graph", name: str) -> CollectionFacts:
    """From the manifest where the collection is made, else from its file in config/ and ir_datasets' own counts."""
    manifest = graph.dataset(name)
    if manifest.is_file():
        return _of_manifest(json.loads(manifest.read_text(encoding="utf-8")), manifest)
    dataset = graph.registry.datasets[name]
    documents, queries, positives = dataset.documents, {}, {}
    sources = ["`documents` of its file"] if documents is not None else []
    if isinstance(dataset.source, IrDatasetsSource):
        for split, id_ in dataset.source.splits.items():
            counts = _catalogue_counts(id_)
            documents = documents or counts.get("docs")
            if "queries" in counts:
                queries[split] = counts["queries"]
                positives[split] = counts.get("qrels", counts["queries"]) / counts["queries"]
        sources += ["ir_datasets' counts"] if queries else []
    return CollectionFacts(
        documents,
        assumed.DOCUMENT_BYTES,
        queries,
        positives,
        assumed.ID_BYTES,
        None,
        " and ".join(sources) or "unknown: make its dataset stage, or give `documents`",
    )


def _of_manifest(manifest: dict[str, Any], path: Path) -> CollectionFacts:
    documents, splits = manifest["counts"]["documents"], manifest["counts"]["splits"]
    files = {name: facts["bytes"] for name, facts in manifest["files"].items()}
    judgements = sum(counts["judgements"] for counts in splits.values())
    qrels = sum(size for name, size in files.items() if name.startswith("qrels."))
    ids = assumed.ID_BYTES
    if judgements:
        ids = (qrels - len(QRELS_HEADER) * len(splits)) / judgements - len("\t\t1\n")
    return CollectionFacts(
        documents,
        files["corpus.jsonl"] / documents,
        {split: counts["queries"] for split, counts in splits.items()},
        {split: counts["relevant"] / counts["judged_queries"] for split, counts in splits.items()},
        ids,
        sum(files.values()) + path.stat().st_size,
        "its manifest",
    )


@cache
def _catalogue() -> dict[str, Any]:
    """The counts that ir_datasets ships, read without importing it, which makes folders."""
    package = find_spec("ir_datasets")
    for folder in (package.submodule_search_locations or []) if package else []:
        file = Path(folder) / "etc" / "metadata.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
    return {}


def _catalogue_counts(id_: str) -> dict[str, int]:
    """How many docs, queries and qrels an id has, as far as the catalogue says."""
    found = {}
    for kind, value in _catalogue().get(id_, {}).items():
        while "_ref" in value:
            value = _catalogue().get(value["_ref"], {}).get(kind, {})
        if "count" in value:
            found[kind] = value["count"]
    return found


def model_facts(graph: "Graph", name: str) -> ModelFacts:
    """From the model's folder where it is made or lies on this machine, and that of its base before it is trained."""
    model = graph.registry.models[name]
    if model.trained is not None:
        base = model_facts(graph, model.trained.base)
        projection = model.trained.recipe.projection
        return base if projection is None else ModelFacts(projection, base.layers, base.width, base.bytes, base.source)
    assert model.pretrained is not None
    folder = _local_folder(model.pretrained)
    made = graph.model(name, "pretrained").parent
    if made.joinpath("manifest.json").is_file():
        folder = made
    shape = (None if folder is None else _shape(folder)) or BERT_BASE
    if model.kind == "sparse_encoder":
        return replace(shape, dimensions=assumed.SPARSE_NUMBERS, terms=assumed.TERMS)
    return shape


def _local_folder(source: ModelSource) -> Path | None:
    if source.path is not None:
        return Path(source.path)
    package = find_spec(source.package.replace("-", "_")) if source.package is not None else None
    locations = list(package.submodule_search_locations or []) if package else []
    return Path(locations[0]) / (source.folder or "") if locations else None


def _shape(folder: Path) -> ModelFacts | None:
    """The shape of the first transformer in a folder; None where there is none with a config.json."""
    for file in sorted(folder.rglob("config.json"), key=lambda path: (len(path.parts), path)):
        config = json.loads(file.read_text(encoding="utf-8"))
        width = config.get("hidden_size", config.get("dim"))
        layers = config.get("num_hidden_layers", config.get("n_layers"))
        if width is None or layers is None:
            continue
        projections = [json.loads(path.read_text()) for path in sorted(folder.rglob("*Dense/config.json"))]
        dimensions = projections[-1].get("out_features", width) if projections else width
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return ModelFacts(dimensions, layers, width, size, "its folder")
    return None


@dataclass(frozen=True)
class Measured:
    """Passages a second of models that have encoded a collection here."""

    graph: "Graph" = field(repr=False)

    def passages_a_second(self, model: str) -> float | None:
        """Of the largest collection that a model has encoded in one job; None where it has encoded none."""
        found = []
        for manifest in sorted(self.graph.results.glob(f"encode/*/{model}/*/corpus.manifest.json")):
            dataset, _, variant = manifest.relative_to(self.graph.results / "encode").parts[:3]
            folder, name = self.graph.results / "benchmarks" / "encode", f"{dataset}.{model}.{variant}.corpus"
            benchmark = folder / f"{name}.tsv"
            if benchmark.is_file() and not any(folder.glob(f"{name}.*-of-*.tsv")):
                header, row = (line.split("\t") for line in benchmark.read_text().splitlines()[:2])
                rows = sum(shard["rows"] for shard in json.loads(manifest.read_text())["shards"])
                found.append((rows, rows / max(float(dict(zip(header, row, strict=True))["s"]), 0.1)))
        return max(found)[1] if found else None
