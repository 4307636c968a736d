"""How many jobs an experiment is, and what they will take: disk, memory and time, before anything is run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from denseflow.config.experiment import EvaluationSet, Experiment, System
from denseflow.config.negatives import DenseNegatives
from denseflow.config.search_index import Hnsw
from denseflow.workflow import plan_speeds as assumed
from denseflow.workflow.mining import PASSAGES, Mining
from denseflow.workflow.plan_facts import CollectionFacts, Measured, ModelFacts, collection_facts, model_facts
from denseflow.workflow.plan_sizes import (
    encoded_bytes,
    index_bytes,
    index_operations,
    index_sample,
    run_bytes,
    run_lines,
)
from denseflow.workflow.searches import search_gpus

if TYPE_CHECKING:
    from denseflow.workflow.graph import Graph

MB = 1e6


@dataclass(frozen=True)
class Step:
    """A result to make; numbers are None where they depend on what nobody knows yet.

    Attributes:
        stage: Its stage.
        what: What is made.
        made: Whether it is there already.
        jobs: Of Snakemake.
        bytes: On disk.
        memory_mb: Of a job, at most.
        cpu, gpu: Seconds without and with GPUs.
    """

    stage: str
    what: str
    made: bool
    jobs: int = 1
    bytes: float | None = None
    memory_mb: float | None = None
    cpu: float | None = None
    gpu: float | None = None


class Plan:
    """The steps of the chosen experiments, each once, in the order of the data."""

    def __init__(self, graph: "Graph", cores: int) -> None:
        """``cores`` is how many the jobs share."""
        self._graph, self._cores = graph, cores
        self._measured = Measured(graph)
        self._steps: dict[str, Step] = {}
        for name, experiment in graph.registry.experiments.items():
            self._add_experiment(name, experiment)

    def steps(self) -> list[Step]:
        """All steps, stage by stage."""
        order = ("dataset", "bm25", "negatives", "train", "encode", "search", "evaluate", "report")
        return sorted(self._steps.values(), key=lambda step: order.index(step.stage))

    def assumptions(self) -> Iterator[str]:
        """What the numbers rest on, a sentence each."""
        for name in self._graph.registry.datasets:
            facts = collection_facts(self._graph, name)
            documents = "unknown number of" if facts.documents is None else f"{facts.documents:,}"
            queries = ", ".join(f"{split} {count:,}" for split, count in facts.queries.items())
            queries = queries or f"{assumed.QUERIES:,} a split, assumed"
            size = "" if facts.bytes else f" of {facts.document_bytes:.0f} bytes each, assumed"
            yield f"{name}: {documents} documents{size}; queries: {queries} ({facts.source})"
        for name, model in self._graph.registry.models.items():
            if model.pretrained is not None and model.kind != "cross_encoder":
                shape = model_facts(self._graph, name)
                width = f"{shape.dimensions} dimensions"
                if model.kind == "sparse_encoder":
                    width = f"{assumed.SPARSE_NUMBERS // 3} terms a passage, assumed"
                yield f"{name}: {shape.layers} layers, {width} ({shape.source})"
        for name in self._graph.registry.models:
            if (speed := self._measured.passages_a_second(name)) is not None:
                yield f"{name}: encoded {speed:,.0f} passages a second here; this is used for both kinds of machine"
        yield (
            f"elsewhere {assumed.CPU_FLOPS / 1e9:.0f} GFLOPS a core ({self._cores} cores) and "
            f"{assumed.GPU_FLOPS['bf16'] / 1e12:.0f} TFLOPS a GPU in bf16 or fp16, "
            f"{assumed.GPU_FLOPS['fp32'] / 1e12:.0f} in fp32: your machine may well be twice as fast, or half; a job "
            "has no more threads than its rule or the model's run.threads says, and what runs side by side is added up"
        )

    # The walk, from the tables back to the sources.

    def _threads(self, rule: str, model: str | None = None) -> int:
        """The threads of a job."""
        given = None if model is None else self._graph.model_run(model).threads
        return min(self._cores, given or assumed.THREADS[rule])

    def _add(self, key: Path, step: Step) -> None:
        self._steps.setdefault(str(key), step)

    def _add_experiment(self, name: str, experiment: Experiment) -> None:
        lines = queries = 0
        ranked = list(self._graph.ranked_systems(name))
        for run in ranked:
            on = EvaluationSet(dataset=run.dataset, split=run.split)
            self._add_system(experiment, run.system, run.variant, on, run.manifest)
            facts = self._dataset(run.dataset)
            asked, documents = facts.asked(run.split), facts.documents or experiment.depth
            lines += run_lines(asked, experiment.depth, documents)
            queries += asked
        results = self._graph.results
        seconds = lines * len(experiment.measures) / assumed.EVALUATED
        most = lines / max(1, len(ranked)) * assumed.RANKED_BYTES / MB
        self._add(
            results / "evaluate" / name,
            Step(
                *("evaluate", name, (results / "evaluate" / name / "manifest.json").is_file()),
                bytes=queries * len(experiment.measures) * assumed.SCORE_LINE,
                memory_mb=assumed.PYTHON_MB + most,
                cpu=seconds,
                gpu=seconds,
            ),
        )
        self._add(
            results / "experiments" / name,
            Step(
                *("report", name, (results / "experiments" / name / "manifest.json").is_file()),
                bytes=1e5,
                memory_mb=assumed.PYTHON_MB + most,
                cpu=assumed.REPORT,
                gpu=assumed.REPORT,
            ),
        )

    def _add_system(self, experiment: Experiment, name: str, variant: str, on: EvaluationSet, manifest: Path) -> None:
        system = experiment.systems[name]
        if system.bm25 is not None:
            self._bm25(on.dataset, on.split, experiment.depth, manifest)
        elif system.model is not None:
            self._search_system(system, variant, on, experiment.depth, manifest)
        elif system.rerank is not None:
            self._rerank(on, system.rerank.model, variant, system.rerank.depth, experiment.depth, manifest)
        else:
            self._fuse(on, name, experiment.depth, manifest)

    def _dataset(self, name: str) -> CollectionFacts:
        facts = collection_facts(self._graph, name)
        manifest = self._graph.dataset(name)
        documents = facts.documents
        if documents is None:
            self._add(manifest, Step("dataset", name, manifest.is_file()))
            return facts
        queries = sum(facts.queries.values())
        seconds = documents / assumed.EXPORTED
        self._add(
            manifest,
            Step(
                *("dataset", name, manifest.is_file()),
                bytes=facts.bytes or documents * facts.document_bytes + queries * assumed.QUERY_BYTES,
                memory_mb=assumed.PYTHON_MB + (24 * documents + 1000 * queries) / MB,
                cpu=seconds,
                gpu=seconds,
            ),
        )
        return facts

    def _bm25(self, dataset: str, split: str, depth: int, manifest: Path) -> None:
        facts = self._dataset(dataset)
        memory = (self._graph.registry.datasets[dataset].run.mem_mb or 4000) / 2
        index = self._graph.results / "bm25" / dataset / f"index-{manifest.parent.name.split('_')[0]}"
        size = seconds = found = asking = None
        if facts.documents is not None:
            queries = facts.asked(split)
            size = facts.documents * facts.document_bytes * assumed.LUCENE
            large = (self._graph.registry.datasets[dataset].documents or 0) > 100_000
            seconds = facts.documents / (assumed.INDEXED * (self._threads("bm25_index") if large else 1))
            found = run_bytes(queries, depth, facts.documents, facts.id_bytes)
            asking = queries * assumed.BM25_QUERY * max(facts.documents / 1e6, 0.01) / self._threads("bm25_search")
        made = (index / "manifest.json").is_file()
        self._add(index, Step("bm25", f"{dataset}: index", made, 1, size, memory + assumed.PYTHON_MB, seconds, seconds))
        what = f"{dataset} {split}: run, {depth} deep"
        self._add(
            manifest,
            Step("bm25", what, manifest.is_file(), 1, found, memory + assumed.PYTHON_MB, asking, asking),
        )

    def _search_system(self, system: System, variant: str, on: EvaluationSet, depth: int, manifest: Path) -> None:
        """An exact search, and where there is an index, its making and a search in it."""
        assert system.model is not None
        cut = "" if system.dimensions is None else f"d{system.dimensions}"
        exact = self._graph.dense_run(on.dataset, system.model, variant, on.split, depth, cut)
        exact_manifest = exact.with_suffix(".manifest.json")
        self._search(on.dataset, system.model, variant, on.split, depth, exact_manifest, system.dimensions)
        documents = self._dataset(on.dataset).documents
        if system.index is None or documents is None:
            return
        width = system.dimensions or model_facts(self._graph, system.model).dimensions
        index, queries = system.index, self._dataset(on.dataset).asked(on.split)
        built = manifest.parent.parent / "index" / index.built(system.dimensions) / "manifest.json"
        size = index_bytes(index, documents, width)
        making = index_operations(index, documents, width) / (assumed.SEARCH_FLOPS["cpu"] * self._threads("index"))
        making = documents * assumed.GRAPH_INSERTION if isinstance(index, Hnsw) else making
        memory = assumed.PYTHON_MB + 300 + size / MB
        what = f"{on.dataset}: {system.model} {self._graph.variant(system.model, variant)}, {index.type}"
        sample = index_sample(index, documents) * width * 8 / MB
        self._add(
            built,
            Step("search", f"{what}: index", built.is_file(), 1, size, memory + sample, making, making),
        )
        seconds = queries * assumed.INDEX_QUERY / self._threads("search_index")
        what = f"{what}, {on.split}"
        run = run_bytes(queries, depth, documents, self._dataset(on.dataset).id_bytes)
        self._add(manifest, Step("search", what, manifest.is_file(), 1, run, memory, seconds, seconds))

    def _search(
        self, dataset: str, model: str, variant: str, split: str, depth: int, manifest: Path, cut: int | None = None
    ) -> None:
        self._encode(dataset, model, variant, split)
        facts, queries = self._dataset(dataset), self._dataset(dataset).asked(split)
        what = f"{dataset} {split}: {model} {self._graph.variant(model, variant)}"
        if facts.documents is None:
            self._add(manifest, Step("search", what, manifest.is_file()))
            return
        width = cut or model_facts(self._graph, model).dimensions
        operations = 2.0 * queries * facts.documents * width
        gpus = search_gpus(self._graph, dataset, model)
        cpu = operations / (assumed.SEARCH_FLOPS["cpu"] * self._threads("search"))
        self._add(
            manifest,
            Step(
                *("search", what, manifest.is_file(), 1),
                bytes=run_bytes(queries, depth, facts.documents, facts.id_bytes),
                memory_mb=assumed.PYTHON_MB + 300 + queries * (4 * width + 12 * depth) / MB,
                cpu=cpu,
                gpu=operations / (assumed.SEARCH_FLOPS["gpu"] * gpus) if gpus else cpu,
            ),
        )

    def _fuse(self, on: EvaluationSet, name: str, depth: int, manifest: Path) -> None:
        facts = self._dataset(on.dataset)
        queries, documents = facts.asked(on.split), facts.documents or depth
        lines, size = run_lines(queries, depth, documents), run_bytes(queries, depth, documents, facts.id_bytes)
        seconds = lines / assumed.EVALUATED
        memory = assumed.PYTHON_MB + 2 * lines * assumed.RANKED_BYTES / MB
        what = f"{on.dataset} {on.split}: {name}"
        self._add(manifest, Step("search", what, manifest.is_file(), 1, size, memory, seconds, seconds))

    def _rerank(self, on: EvaluationSet, model: str, variant: str, depth: int, run_depth: int, manifest: Path) -> None:
        self._model(model, variant)
        facts, shape = self._dataset(on.dataset), model_facts(self._graph, model)
        queries = facts.asked(on.split)
        tokens = facts.words * assumed.TOKENS_A_WORD + 12
        operations = queries * depth * shape.operations(tokens)
        self._add(
            manifest,
            Step(
                *("search", f"{on.dataset} {on.split}: {model}, {depth} reranked", manifest.is_file(), 1),
                bytes=run_bytes(queries, run_depth, facts.documents or run_depth, facts.id_bytes),
                memory_mb=assumed.TORCH_MB + 2 * shape.bytes / MB,
                cpu=operations / (assumed.CPU_FLOPS * self._threads("encode_corpus", model)),
                gpu=operations / assumed.GPU_FLOPS["fp32"],
            ),
        )

    def _encode(self, dataset: str, model: str, variant: str, split: str) -> None:
        self._model(model, variant)
        facts, shape = self._dataset(dataset), model_facts(self._graph, model)
        options, jobs = self._graph.registry.models[model], self._graph.registry.datasets[dataset].run.encode_jobs
        pair = self._graph.encoded(dataset, model, variant, split)
        number = 2 if options.encode.storage == "float16" else 4
        what = f"{dataset}: {model} {self._graph.variant(model, variant)}"
        memory = assumed.TORCH_MB + 2 * shape.bytes / MB
        if facts.documents is None:
            self._add(pair.corpus, Step("encode", what, pair.corpus.is_file(), memory_mb=memory))
            return
        tokens = min(facts.words * assumed.TOKENS_A_WORD + 2, options.contract.passage_max_length or 512)
        cpu, gpu = self._encoding_time(model, shape, facts.documents, tokens, options.encode.precision, jobs)
        self._add(
            pair.corpus,
            Step(
                *("encode", what, pair.corpus.is_file(), jobs + 1 if jobs > 1 else 1),
                bytes=encoded_bytes(facts.documents, shape.dimensions, number, facts.id_bytes / 2),
                memory_mb=memory,
                cpu=cpu,
                gpu=gpu,
            ),
        )
        queries = facts.asked(split)
        cpu, gpu = self._encoding_time(model, shape, queries, 12, "fp32")
        self._add(
            pair.queries,
            Step(
                *("encode", f"{what}, queries of {split}", pair.queries.is_file(), 1),
                bytes=encoded_bytes(queries, shape.dimensions, id_bytes=facts.id_bytes / 2),
                memory_mb=memory + queries * shape.dimensions * 8 / MB,
                cpu=cpu,
                gpu=gpu,
            ),
        )

    def _encoding_time(
        self, model: str, shape: ModelFacts, texts: int, tokens: float, precision: str, jobs: int = 1
    ) -> tuple[float, float]:
        """Seconds on the CPU, and on as many GPUs as there are jobs."""
        measured = self._measured.passages_a_second(model)
        if measured is not None:
            return texts / measured, texts / measured
        threads = self._threads("encode_corpus", model)
        operations, least = texts * shape.operations(tokens), texts / (assumed.TEXTS * threads)
        cpu = operations / (assumed.CPU_FLOPS * threads)
        gpu = operations / (assumed.GPU_FLOPS[precision] * jobs)
        return max(cpu, least), max(gpu, least / min(jobs, self._cores // threads or 1))

    def _model(self, name: str, variant: str) -> None:
        model, manifest = self._graph.registry.models[name], self._graph.model(name, variant)
        shape = model_facts(self._graph, name)
        what = f"{name} {self._graph.variant(name, variant)}"
        if model.trained is None:
            step = Step("train", what, manifest.is_file(), 1, shape.bytes, assumed.TORCH_MB + shape.bytes / MB, 10, 10)
            self._add(manifest, step)
            return
        self._model(model.trained.base, variant)
        data, recipe = model.trained.data, model.trained.recipe
        rows = length = None
        if data.dataset is not None:
            rows, length = self._mine(Mining.of(self._graph, data, variant), variant)
            if data.teacher is not None:
                self._model(data.teacher, variant)
        steps = recipe.max_steps
        if steps is None and rows is not None:
            steps = round(recipe.epochs * recipe.positives_per_query * rows / recipe.batch_size)
        cpu = gpu = None
        if steps is not None:
            passage = min(length or 80, model.contract.passage_max_length or 512)
            operations = shape.operations(passage) * (1 + recipe.negatives_per_query) + shape.operations(12)
            total = 3.0 * steps * recipe.batch_size * recipe.accumulation * operations
            cpu = total / (assumed.CPU_FLOPS * self._threads("train", name))
            gpu = total / (assumed.GPU_FLOPS[recipe.precision] * model.run.gpus)
        self._add(
            manifest,
            Step(
                *("train", what, manifest.is_file(), 1, shape.bytes),
                memory_mb=model.run.mem_mb or assumed.TORCH_MB + 2000 + 5 * shape.bytes / MB,
                cpu=cpu,
                gpu=gpu,
            ),
        )

    def _mine(self, mining: Mining, variant: str) -> tuple[int | None, float]:
        """Add a mining and all it needs; the rows of its training file, and a passage's tokens."""
        facts = self._dataset(mining.dataset)
        options = self._graph.registry.negatives[mining.name]
        runs = mining.runs()
        for place, source in enumerate(options.sources):
            if (run := runs.get(str(place))) is None:
                continue
            manifest, depth = run.with_suffix(".manifest.json"), getattr(source, "last_rank", 0)
            if isinstance(source, DenseNegatives):
                self._search(mining.dataset, source.model, variant, mining.split, depth, manifest)
            else:
                self._bm25(mining.dataset, mining.split, depth, manifest)
        passages = mining.split == PASSAGES
        found = facts.documents if passages else facts.asked(mining.split)
        rows = found if found is None or options.max_queries is None else min(found, options.max_queries)
        tokens = facts.words * assumed.TOKENS_A_WORD + 2
        if rows is None or facts.documents is None:
            self._add(mining.manifest, Step("negatives", _mined(mining), mining.manifest.is_file()))
            return rows, tokens
        positives = 1.0 if passages else facts.positives.get(mining.split, 1.0)
        texts = min(positives, options.max_positives or positives) + sum(source.count for source in options.sources)
        ranks = sum(getattr(source, "last_rank", 0) for source in options.sources)
        seconds = facts.documents / assumed.SCANNED + rows * ranks * assumed.RANK
        size = rows * ((texts + passages) * facts.document_bytes + 2 * assumed.QUERY_BYTES)
        memory = assumed.PYTHON_MB + (80 * facts.documents + 1500 * (0 if passages else facts.asked(mining.split))) / MB
        step = Step("negatives", _mined(mining), mining.manifest.is_file(), 1, size, memory, seconds, seconds)
        self._add(mining.manifest, step)
        return rows, tokens


def _mined(mining: Mining) -> str:
    return f"{mining.dataset} {mining.split}: {mining.folder}"
