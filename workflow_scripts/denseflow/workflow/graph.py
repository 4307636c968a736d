"""From the registries to files: which results an experiment needs, and what each rule may depend on."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from denseflow.config.data_file import data_files
from denseflow.config.experiment import Bm25, EvaluationSet, Experiment, Rerank
from denseflow.config.model import ModelSource, Run
from denseflow.config.negatives import Bm25Negatives
from denseflow.config.registry import Registry
from denseflow.config.sources.beir import BeirSource
from denseflow.config.sources.hugging_face import HuggingFaceSource
from denseflow.config.sources.sentences import SentencesSource
from denseflow.errors import DenseflowError
from denseflow.workflow.canonical import canonical
from denseflow.workflow.fingerprint import fingerprint, pins
from denseflow.workflow.fusions import fused_runs, fusion_manifests
from denseflow.workflow.integrity import Digests, damaged_files
from denseflow.workflow.mining import EncodedPair, Mining
from denseflow.workflow.reports import near_twins
from denseflow.workflow.searches import search_folder, searches
from denseflow.workflow.similarity import similarity_manifests

PRETRAINED = "pretrained"
DEV_EVALUATION = "denseflow.train.dev_evaluation"
SPARSE = (
    *("denseflow.sparse_vectors", "denseflow.encode.sparse", "denseflow.search.sparse"),
    *("denseflow.search.sparse_vectors", "denseflow.train.losses.flops", "denseflow.train.sparse_encoder.pretrained"),
)
"""What only sparse encoders use."""
TRAIN_ENCODER, TRAIN_CROSS_ENCODER = "denseflow.train.train", "denseflow.train.cross_encoder.train"
BEIR_FILES = ("corpus.jsonl*", "queries.jsonl*", "qrels/*.tsv*")


class RankedSystem(NamedTuple):
    """One run of one system on one split: a line of an experiment's evaluation."""

    system: str
    variant: str
    dataset: str
    split: str
    run: Path
    manifest: Path


class Graph:
    """The files of all stages, named from the registries, and the options and code that each rule depends on."""

    def __init__(self, registry: Registry, base: Path) -> None:
        """Args:
        registry: The checked configuration.
        base: The folder of the Snakefile.
        """
        self.registry = registry
        self.results = Path(registry.workflow.results)
        self._base = base
        self._digests = Digests(self.results / "work" / "digests.json")

    # Fingerprints and options: what a rule reruns for.

    def code(self, script: str, stage: str, unused: tuple[str, ...] = ()) -> str:
        """The fingerprint of a script of workflow_scripts/ in its stage's environment, ``unused`` modules left out."""
        scripts, environments = self._base / "workflow_scripts", self._base / "envs"
        return fingerprint(scripts / f"{script}.py", environments / f"{stage}.yaml", unused)

    def model_code(self, script: str, stage: str, model: str, unused: tuple[str, ...] = ()) -> str:
        """The same of a script that works with a model, without the modules that only another kind of model uses."""
        sparse = self.registry.models[model].kind == "sparse_encoder"
        return self.code(script, stage, unused if sparse else (*unused, *SPARSE))

    def environment(self, stage: str) -> str:
        """The conda environment file of a stage, as seen from the rule files: one for GPUs where that is set and there.

        Which of the two a machine needs is no reason to run anything again: :meth:`code` takes the pins of the plain
        one.
        """
        gpu = f"gpu/{stage}.yaml"
        wanted = self.registry.workflow.environments == "gpu" and (self._base / "envs" / gpu).is_file()
        return f"../envs/{gpu}" if wanted else f"../envs/{stage}.yaml"

    def train_code(self, name: str) -> str:
        """The fingerprint of a training, of the modules for the model's kind alone; that of searching and scoring
        counts where the recipe scores on the way.
        """
        model = self.registry.models[name]
        assert model.trained is not None
        unused: tuple[str, ...] = (TRAIN_ENCODER if model.kind == "cross_encoder" else TRAIN_CROSS_ENCODER,)
        unused = unused if model.trained.recipe.evaluate else (*unused, DEV_EVALUATION)
        return self.model_code("train", "train", name, unused)

    def dataset_options(self, name: str) -> str:
        """What defines a collection: its source and, for a local one, the content of its files."""
        source = self.registry.datasets[name].source
        options: dict = {"source": source}
        if isinstance(source, BeirSource) and source.path is not None:
            options["content"] = self._digests.of_tree(Path(source.path), BEIR_FILES)
        if isinstance(source, HuggingFaceSource) and source.path is not None:
            options["content"] = self._digests.of_tree(Path(source.path))
        unchecked = {
            key: Path(file.path) for key, file in data_files(source, "source") if file.path and file.sha256 is None
        }
        if unchecked:
            options["content"] = {key: self._digests.of(path) for key, path in unchecked.items()}
        return canonical(options)

    def dataset_inputs(self, name: str) -> dict[str, Path]:
        """The manifest of the collection that this one is made from, if any."""
        source = self.registry.datasets[name].source
        return {"of": self.dataset(source.of)} if isinstance(source, SentencesSource) else {}

    def pretrained_options(self, name: str) -> str:
        """What defines a pretrained model: its sources, its contract, and the content of local folders."""
        model = self.registry.models[name]
        assert model.pretrained is not None
        options: dict = {"source": model.pretrained, "contract": model.contract}
        if model.kind != "encoder":
            options["kind"] = model.kind
        options |= self._source_state(model.pretrained, name, "pretrained")
        if model.pretrained.passage is not None:
            options["passage"] = self._source_state(model.pretrained.passage, name, "pretrained.passage")
        return canonical(options)

    def train_options(self, name: str) -> str:
        """What defines a training, but for its inputs and its seed."""
        model = self.registry.models[name]
        assert model.trained is not None
        options: dict = {"recipe": model.trained.recipe, "contract": model.contract}
        if model.kind != "encoder":
            options["kind"] = model.kind
        if model.trained.data.file is not None:
            options["content"] = self._digests.of(Path(model.trained.data.file))
        return canonical(options)

    def encode_options(self, name: str, *, queries: bool = False) -> str:
        """How a model's vectors of passages, or of queries, are computed and kept."""
        options = self.registry.models[name].encode
        return canonical(options.model_copy(update={"storage": None}) if queries else options)

    def evaluate_options(self, name: str) -> str:
        """What defines an experiment's evaluation: its runs, in order, and its measures."""
        return canonical({"systems": self._systems(name), "measures": self.registry.experiments[name].measures})

    def report_options(self, name: str) -> str:
        """What defines an experiment's report: the systems, which of them is "before", and how the table is made."""
        experiment = self.registry.experiments[name]
        datasets = {on.dataset: str(self.dataset(on.dataset)) for on in experiment.evaluate_on}
        return canonical(
            {
                "report": experiment.report,
                "before": experiment.before,
                "systems": self._systems(name),
                "datasets": datasets,
                "near_twins": next(map(str, near_twins(self, name)), None),
            }
        )

    def model_run(self, name: str) -> Run:
        """Where and with how much a model runs."""
        return self.registry.models[name].run

    # Files, stage by stage.

    def dataset(self, name: str) -> Path:
        """The manifest of a collection."""
        return self.results / "dataset" / name / "manifest.json"

    def bm25_run(self, dataset: str, options: Bm25 | Bm25Negatives, split: str, depth: int) -> Path:
        """The run of BM25 on a split."""
        analyzer = options.analyzer or self.registry.datasets[dataset].language
        settings = f"{analyzer}_{options.k1!r}_{options.b!r}"
        return self.results / "bm25" / dataset / settings / f"{split}.top{depth}.trec"

    def dense_run(self, dataset: str, model: str, variant: str, split: str, depth: int, folder: str = "") -> Path:
        """The run of a model on a split; ``folder`` as :func:`denseflow.workflow.searches.search_folder` gives it."""
        return self.results / "search" / dataset / model / variant / folder / f"{split}.top{depth}.trec"

    def encoded(self, dataset: str, model: str, variant: str, split: str) -> EncodedPair:
        """The manifests of a model's vectors."""
        folder = self.results / "encode" / dataset / model / self.variant(model, variant)
        return EncodedPair(folder / f"queries.{split}.manifest.json", folder / "corpus.manifest.json")

    def encode_shares(self, dataset: str, model: str, variant: str) -> list[Path]:
        """What says that the shares of a corpus's shards are encoded, one a job; none where one job does it all."""
        jobs = self.registry.datasets[dataset].run.encode_jobs
        folder = self.results / "work" / "encode" / dataset / model / variant
        return [folder / f"{share}-of-{jobs}.done" for share in range(jobs)] if jobs > 1 else []

    def mining(self, dataset: str, split: str, folder: str) -> Mining:
        """The files of one way to mine negatives on a split; ``folder`` is its name, with ``@seedN`` where it has."""
        return Mining(self, dataset, split, folder)

    def variant(self, model: str, variant: str) -> str:
        """``variant`` for a model that is trained here; a pretrained one has no seed."""
        return variant if self.registry.trained(model) else PRETRAINED

    def variants(self, model: str, experiment: Experiment) -> list[str]:
        """A model's variants in an experiment: one a seed, or the one of a pretrained model."""
        return [f"seed{seed}" for seed in experiment.seeds] if self.registry.trained(model) else [PRETRAINED]

    def content(self, path: Path) -> str:
        """The SHA-256 of a local file that a stage reads."""
        return self._digests.of(path)

    def model(self, name: str, variant: str) -> Path:
        """The manifest of a model; a pretrained one has no seed."""
        return self.results / "train" / name / self.variant(name, variant) / "manifest.json"

    def training_inputs(self, name: str, variant: str) -> dict[str, Path]:
        """The manifests that a training reads: the base model's, and those that it has of negatives, teacher's scores
        and the collection to be scored on.
        """
        trained = self.registry.models[name].trained
        assert trained is not None
        inputs = {"base": self.model(trained.base, variant)}
        if trained.data.dataset is not None:
            mining = Mining.of(self, trained.data, variant)
            inputs["negatives"] = mining.manifest
            if trained.data.teacher is not None:
                inputs["teacher"] = mining.scores(trained.data.teacher, variant)
        if trained.recipe.evaluate is not None:
            inputs["evaluation"] = self.dataset(self.registry.evaluation_dataset(name))
        return inputs

    def training_file(self, name: str, variant: str) -> Path:
        """The training file itself."""
        trained = self.registry.models[name].trained
        assert trained is not None
        if trained.data.file is not None:
            return Path(trained.data.file)
        return Mining.of(self, trained.data, variant).training_file

    def ranked_systems(self, name: str) -> Iterator[RankedSystem]:
        """All runs of an experiment, in the order of its file."""
        experiment = self.registry.experiments[name]
        for on in experiment.evaluate_on:
            for system_name in experiment.systems:
                for variant, run in self.runs(experiment, system_name, on).items():
                    yield RankedSystem(system_name, variant, on.dataset, on.split, run, run_manifest(run))

    def runs(self, experiment: Experiment, name: str, on: EvaluationSet) -> dict[str, Path]:
        """A system's runs on a split, by variant: one, or one a seed."""
        system = experiment.systems[name]
        if system.rerank is not None:
            return self._reranked_runs(experiment, system.rerank, on)
        if system.fusion is not None:
            return fused_runs(self, experiment, name, on)
        if system.bm25 is not None:
            return {"bm25": self.bm25_run(on.dataset, system.bm25, on.split, experiment.depth)}
        model = str(system.model)
        return {
            variant: self.dense_run(on.dataset, model, variant, on.split, experiment.depth, search_folder(system))
            for variant in self.variants(model, experiment)
        }

    def _reranked_runs(self, experiment: Experiment, rerank: Rerank, on: EvaluationSet) -> dict[str, Path]:
        """A reranking's runs: where the system or the cross-encoder has seeds, each with the one of the same seed."""
        runs = self.runs(experiment, rerank.system, on)
        seeds = self.variants(rerank.model, experiment)
        variants = list(runs) if any(variant.startswith("seed") for variant in runs) else seeds
        folder = self.results / "search" / on.dataset / rerank.model
        first = next(iter(runs.values()))
        return {
            variant: folder
            / self.variant(rerank.model, variant)
            / f"rerank{rerank.depth}"
            / runs.get(variant, first).relative_to(self.results)
            for variant in variants
        }

    def evaluation_inputs(self, name: str) -> list[Path]:
        """The manifests that an experiment's evaluation reads."""
        datasets = {self.dataset(on.dataset): None for on in self.registry.experiments[name].evaluate_on}
        runs = {ranked.manifest: None for ranked in self.ranked_systems(name)}
        return [*datasets, *runs]

    def tables(self) -> list[Path]:
        """The tables of all chosen experiments that search."""
        experiments = self.registry.experiments.items()
        return [self.results / "experiments" / name / "table.tsv" for name, one in experiments if one.evaluate_on]

    def report(self, experiment: str) -> Path:
        """The manifest of an experiment's table; that of its table of similarity where it has no other."""
        searched = self.registry.experiments[experiment].evaluate_on
        name = "manifest.json" if searched else "similarity.manifest.json"
        return self.results / "experiments" / experiment / name

    def damaged(self) -> dict[Path, list[Path]]:
        """Results of the chosen experiments that were deleted or altered after they were made, by their manifest."""
        manifests = dict.fromkeys(chain.from_iterable(map(self.manifests, self.registry.experiments)))
        found = {manifest: damaged_files(manifest, self._digests) for manifest in manifests}
        self._digests.save()
        return {manifest: files for manifest, files in found.items() if files}

    def manifests(self, experiment: str) -> Iterator[Path]:
        """The manifests of all steps that an experiment's table comes from; some more than once."""
        if self.registry.experiments[experiment].evaluate_on:
            yield self.results / "evaluate" / experiment / "manifest.json"
        yield self.report(experiment)
        yield from near_twins(self, experiment)
        yield from similarity_manifests(self, experiment)
        for ranked in self.ranked_systems(experiment):
            yield self.dataset(ranked.dataset)
            yield ranked.manifest
            yield from searches(self, experiment, ranked)
            system = self.registry.experiments[experiment].systems[ranked.system]
            if system.model is not None:
                yield from self.encoded(ranked.dataset, system.model, ranked.variant, ranked.split)
                yield from self.model_manifests(system.model, ranked.variant)
            elif system.rerank is not None:
                yield from self.model_manifests(system.rerank.model, ranked.variant)
            elif system.fusion is not None:
                yield from fusion_manifests(self, experiment, ranked)

    def model_manifests(self, name: str, variant: str) -> Iterator[Path]:
        """The manifests of a model and of all that it was made from; some more than once."""
        yield self.model(name, variant)
        trained = self.registry.models[name].trained
        if trained is not None:
            inputs = self.training_inputs(name, variant)
            yield from inputs.values()
            models = [trained.base]
            if trained.data.dataset is not None:
                mining = Mining.of(self, trained.data, variant)
                yield self.dataset(trained.data.dataset)
                yield from self.dataset_inputs(trained.data.dataset).values()
                yield from mining.inputs()
                models += mining.models()
                if trained.data.teacher is not None:
                    yield from mining.teacher_inputs(trained.data.teacher, variant).values()
                    models.append(trained.data.teacher)
            for model in dict.fromkeys(models):
                yield from self.model_manifests(model, variant)

    def _source_state(self, source: ModelSource, model: str, key: str) -> dict[str, Any]:
        """What may change of a model's source while its name stays the same."""
        state: dict[str, Any] = {}
        if source.path is not None:
            state["content"] = self._digests.of_tree(Path(source.path))
        if source.adapter is not None and source.adapter.path is not None:
            state["adapter"] = self._digests.of_tree(Path(source.adapter.path))
        if source.package is not None:
            state["version"] = self._package_version(
                source.package, f"{self.registry.file('models', model)}: key '{key}"
            )
        return state

    def _package_version(self, package: str, where: str) -> str | None:
        """The installed version of a package that ships a model; None where the environment's pins say it already."""
        if any(pin.startswith(f"{package}==") for pin in pins(self._base / "envs" / "train.yaml")):
            return None
        try:
            return version(package)
        except PackageNotFoundError:
            raise DenseflowError(
                f"{where}.package': {package!r} is not installed; install it with pip, or name another package"
            ) from None

    def _systems(self, experiment: str) -> list[dict[str, str]]:
        """An experiment's runs as the evaluate and report stages take them."""
        return [
            {
                "name": ranked.system,
                "variant": ranked.variant,
                "dataset": ranked.dataset,
                "split": ranked.split,
                "run": str(ranked.run),
                "run_manifest": str(ranked.manifest),
                "qrels": str(self.dataset(ranked.dataset).parent / f"qrels.{ranked.split}.tsv"),
                "dataset_manifest": str(self.dataset(ranked.dataset)),
            }
            for ranked in self.ranked_systems(experiment)
        ]


def run_manifest(run: Path) -> Path:
    """The manifest that stands beside a run."""
    return run.with_suffix(".manifest.json")
