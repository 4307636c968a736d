"""The four registries of config/, read as far as the chosen experiments reach, and checked against each other."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

from denseflow.bm25.analyzers import check_analyzer
from denseflow.config.answers import check_answers, may_have_answers
from denseflow.config.data_file import data_files
from denseflow.config.dataset import Dataset
from denseflow.config.experiment import Experiment
from denseflow.config.fusion import Tune
from denseflow.config.kept_models import check_kept_models
from denseflow.config.kinds import PAIR_LOSSES, check_base, check_systems
from denseflow.config.load import check, read_yaml
from denseflow.config.model import Model, Trained
from denseflow.config.negatives import Bm25Negatives, DenseNegatives, GivenNegatives, Negatives, RankedNegatives
from denseflow.config.section import Section
from denseflow.config.sources.beir import BeirSource
from denseflow.config.sources.columns import gives_negatives
from denseflow.config.sources.dpr import DprSource
from denseflow.config.sources.flag_embedding import FlagEmbeddingSource
from denseflow.config.sources.hugging_face import HuggingFaceSource
from denseflow.config.sources.sentences import SentencesSource
from denseflow.config.workflow import Workflow
from denseflow.errors import DenseflowError

S = TypeVar("S", bound=Section)

TEST = "test"
"""The split that is for the table, never for choices."""


class Registry:
    """What the chosen experiments need of config/, by name, each file validated once.

    Attributes:
        workflow: config.yaml as Snakemake hands it over, command line included.
        experiments, datasets, negatives, models: The files that the chosen experiments reach.
    """

    def __init__(self, config: dict[str, Any], folder: Path = Path("config")) -> None:
        """Read and check everything.

        Args:
            config: Snakemake's configuration.
            folder: Where the registries are.

        Raises:
            DenseflowError: Anything a user can get wrong, all before a job starts.
        """
        self._folder = folder
        self.workflow = check(Workflow, config, f"{folder / 'config.yaml'} or --config")
        self.experiments: dict[str, Experiment] = {}
        self.datasets: dict[str, Dataset] = {}
        self.negatives: dict[str, Negatives] = {}
        self.models: dict[str, Model] = {}
        for name in self.workflow.experiments:
            self._add_experiment(name)

    def file(self, registry: str, name: str) -> Path:
        """The file that says what a name means, such as config/models/NAME.yaml."""
        return self._folder / registry / f"{name}.yaml"

    def trained(self, name: str) -> bool:
        """Whether a model is trained here, and so depends on the seed."""
        return self.models[name].trained is not None

    def cross_encoder(self, name: str) -> bool:
        """Whether a model reads query and passage together."""
        return self.models[name].kind == "cross_encoder"

    def evaluation_dataset(self, model: str) -> str:
        """The dataset that a model is scored on while it is trained."""
        trained = self.models[model].trained
        assert trained is not None
        return str(_evaluation_dataset(trained))

    def _add_experiment(self, name: str) -> None:
        where = f"{self._folder / 'config.yaml'} or --config: key 'experiments'"
        experiment = self._read(Experiment, "experiments", name, where)
        self.experiments[name] = experiment
        file = self.file("experiments", name)
        for number, on in enumerate(experiment.evaluate_on):
            self._add_split(on.dataset, on.split, f"{file}: key 'evaluate_on[{number}]'")
        for system_name, system in experiment.systems.items():
            where = f"{file}: key 'systems.{system_name}"
            if system.model is not None:
                self._add_model(system.model, f"{where}.model'", ())
            elif system.rerank is not None:
                self._add_model(system.rerank.model, f"{where}.rerank.model'", ())
            elif system.bm25 is not None:
                for on in experiment.evaluate_on:
                    self._check_analyzer(on.dataset, system.bm25.analyzer, f"{where}.bm25.analyzer'")
            elif system.fusion is not None and system.fusion.tune is not None:
                self._check_tuning(experiment, system.fusion.tune, f"{where}.fusion.tune")
        for number, scores in enumerate(experiment.checkpoints):
            self._add_split(scores.dataset, scores.split, f"{file}: key 'checkpoints[{number}]'")
        check_systems(experiment, self.models, file)
        check_kept_models(experiment, self.models, file)
        check_answers(experiment, self.datasets, file)
        self._check_similarity(experiment, file)

    def _check_similarity(self, experiment: Experiment, file: Path) -> None:
        for name, one in experiment.similarity.items():
            if one.path is not None and one.url is None:
                _require_path(Path(one.path), f"{file}: key 'similarity.{name}.path'")
        scored = [system for system in experiment.systems.values() if system.model is not None and system.index is None]
        if experiment.similarity and not scored:
            raise DenseflowError(
                f"{file}: key 'similarity': none of the systems has a `model` that could be scored on sentences; add "
                "one, or leave the key out"
            )

    def _add_model(self, name: str, where: str, on_the_way: tuple[str, ...]) -> None:
        if name in on_the_way:
            cycle = " -> ".join([*on_the_way[on_the_way.index(name) :], name])
            raise DenseflowError(
                f"{where}: the models form a cycle: {cycle}; a model cannot need itself. Choose another one there"
            )
        if name in self.models:
            return
        model = self._read(Model, "models", name, where)
        file = self.file("models", name)
        if model.pretrained is not None:
            for source, key in ((model.pretrained, "pretrained"), (model.pretrained.passage, "pretrained.passage")):
                if source is not None and source.path is not None:
                    _require_path(Path(source.path), f"{file}: key '{key}.path'")
                if source is not None and source.adapter is not None and source.adapter.path is not None:
                    _require_path(Path(source.adapter.path), f"{file}: key '{key}.adapter.path'")
        if model.trained is not None:
            data = model.trained.data
            on_the_way = (*on_the_way, name)
            self._add_model(model.trained.base, f"{file}: key 'trained.base'", on_the_way)
            check_base(model, self.models[model.trained.base], f"{file}: key 'trained.base'")
            if data.file is not None:
                _require_path(Path(data.file), f"{file}: key 'trained.data.file'")
            if data.dataset is not None and data.negatives is not None:
                self._add_mined_data(data.dataset, data.negatives, model.trained, file, on_the_way)
            if model.trained.recipe.evaluate is not None:
                self._add_evaluation(model.trained, f"{file}: key 'trained.recipe.evaluate")
        self.models[name] = model

    def _add_mined_data(
        self, dataset: str, negatives: str, trained: Trained, file: Path, on_the_way: tuple[str, ...]
    ) -> None:
        data, loss = trained.data, trained.recipe.loss.name
        where = f"{file}: key 'trained.data"
        if negatives not in self.negatives:
            self.negatives[negatives] = self._read(Negatives, "negatives", negatives, f"{where}.negatives'")
        mining = self.negatives[negatives]
        if mining.queries == "passages":
            self._add_dataset(dataset, f"{where}.dataset'")
            if data.split is not None:
                raise DenseflowError(
                    f"{where}.split': {data.split!r}, but {self.file('negatives', negatives)} says `queries: "
                    "passages`, which needs no split; leave the key out"
                )
        else:
            self._add_split(dataset, data.split or "train", f"{where}'")
            if loss in ("simcse", "mixcse"):
                raise DenseflowError(
                    f"{where}.negatives': {negatives!r}, but the loss is {loss!r}, which learns from passages alone; "
                    "name a file in config/negatives with `queries: passages`, or take the loss infonce"
                )
        if loss in PAIR_LOSSES and not mining.sources:
            raise DenseflowError(
                f"{where}.negatives': {negatives!r}, which has no `sources`, but the loss {loss!r} learns from hard "
                "negatives alone; add some there, or name another file"
            )
        for number, source in enumerate(mining.sources):
            if isinstance(source, GivenNegatives):
                self._check_given(dataset, data.split or "train", source.kind, negatives, number)
            if isinstance(source, RankedNegatives) and source.without_answer is not None:
                self._check_answered(dataset, data.split or "train", negatives, number)
            if isinstance(source, Bm25Negatives):
                chosen = f"{self.file('negatives', negatives)}: key 'sources[{number}].analyzer'"
                self._check_analyzer(dataset, source.analyzer, chosen if source.analyzer else f"{where}.negatives'")
            elif isinstance(source, DenseNegatives):
                key = f"{self.file('negatives', negatives)}: key 'sources[{number}].model'"
                self._add_model(source.model, key, on_the_way)
                if self.cross_encoder(source.model):
                    raise DenseflowError(
                        f"{key}: {source.model!r} is a cross-encoder, which cannot search a collection; name an "
                        "encoder. A cross-encoder can be a `teacher` or rerank"
                    )
        if data.teacher is not None:
            self._add_model(data.teacher, f"{where}.teacher'", on_the_way)
            if not mining.sources:
                raise DenseflowError(
                    f"{where}.teacher': {data.teacher!r}, but {self.file('negatives', negatives)} has no `sources`, so "
                    "that there is nothing for it to tell apart; add some, or leave the teacher out"
                )

    def _check_given(self, dataset: str, split: str, kind: str, negatives: str, number: int) -> None:
        source, where = self.datasets[dataset].source, f"{self.file('negatives', negatives)}: key 'sources[{number}]"
        if not isinstance(source, DprSource | FlagEmbeddingSource) and not gives_negatives(source, split):
            raise DenseflowError(
                f"{where}.type': 'given', but the questions of {dataset!r} come without negatives in the split "
                f"{split!r}; sources of `type: dpr` and `flag_embedding` have such, and pairs whose `negatives` name "
                "columns. Mine them with bm25, dense or random"
            )
        if kind == "easy" and not isinstance(source, DprSource):
            raise DenseflowError(
                f"{where}.kind': 'easy', but only sources of `type: dpr` have such, and {dataset!r} is of `type: "
                f"{source.type}`; leave `kind` out"
            )

    def _check_answered(self, dataset: str, split: str, negatives: str, number: int) -> None:
        if not may_have_answers(self.datasets[dataset], split):
            raise DenseflowError(
                f"{self.file('negatives', negatives)}: key 'sources[{number}].without_answer': given, but the queries "
                f"of {dataset!r} have no answers; leave it out"
            )

    def _add_evaluation(self, trained: Trained, where: str) -> None:
        evaluate, data = trained.recipe.evaluate, trained.data
        dataset = _evaluation_dataset(trained)
        assert evaluate is not None
        if dataset is None:
            raise DenseflowError(
                f"{where}.dataset' is missing, and `data.file` belongs to no dataset that could take its place; name "
                "a dataset to score on during training"
            )
        self._add_split(dataset, evaluate.split, f"{where}'")
        if evaluate.split == TEST:
            raise DenseflowError(
                f"{where}.split': {TEST!r}; weights chosen on the test split make its scores too good. Choose another "
                f"split, such as dev, of {self.file('datasets', dataset)}"
            )
        own_queries = data.negatives is not None and self.negatives[data.negatives].queries == "split"
        if own_queries and (dataset, evaluate.split) == (data.dataset, data.split or "train"):
            raise DenseflowError(
                f"{where}.split': {evaluate.split!r}, the split that the model is trained on, where a model that only "
                f"learns by heart is the best; choose another split of {self.file('datasets', dataset)}"
            )

    def _check_tuning(self, experiment: Experiment, tune: Tune, where: str) -> None:
        for dataset in [tune.dataset] if tune.dataset else [on.dataset for on in experiment.evaluate_on]:
            self._add_split(dataset, tune.split, f"{where}'")
        if tune.split == TEST:
            raise DenseflowError(
                f"{where}.split': {TEST!r}; weights chosen on the test split make its scores too good. Choose another, "
                "such as dev"
            )

    def _add_dataset(self, name: str, where: str) -> None:
        if name not in self.datasets:
            dataset = self._read(Dataset, "datasets", name, where).at_hand()
            if isinstance(dataset.source, BeirSource | HuggingFaceSource) and dataset.source.path is not None:
                _require_path(Path(dataset.source.path), f"{self.file('datasets', name)}: key 'source.path'")
            for key, file in data_files(dataset.source, "source"):
                if file.path is not None and file.url is None:
                    _require_path(Path(file.path), f"{self.file('datasets', name)}: key '{key}.path'")
            self.datasets[name] = dataset
            if isinstance(dataset.source, SentencesSource):
                self._add_origin(name, dataset.source)

    def _add_origin(self, name: str, source: SentencesSource) -> None:
        """The collection that another one is made from; one that is made from a third would come from the first."""
        where = f"{self.file('datasets', name)}: key 'source.of'"
        self._add_dataset(source.of, where)
        if isinstance(self.datasets[source.of].source, SentencesSource):
            raise DenseflowError(
                f"{where}: {source.of!r}, which is of sentences itself; name the collection that these are taken from"
            )

    def _add_split(self, name: str, split: str, where: str) -> None:
        self._add_dataset(name, where)
        splits = self.datasets[name].source.split_names()
        if split not in splits:
            raise DenseflowError(
                f"{where}: split {split!r} does not exist in {self.file('datasets', name)}, which has "
                f"{', '.join(splits) or 'none'}; choose one of these or add it there"
            )

    def _check_analyzer(self, dataset: str, analyzer: str | None, where: str) -> None:
        try:
            check_analyzer(analyzer or self.datasets[dataset].language)
        except DenseflowError as error:
            if analyzer is None:
                where = f"{self.file('datasets', dataset)}: key 'language', for {where}"
            raise DenseflowError(f"{where}: {error}") from None

    def _read(self, section: type[S], registry: str, name: str, where: str) -> S:
        file = self.file(registry, name)
        if not file.is_file():
            known = sorted(path.stem for path in file.parent.glob("*.yaml"))
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
            raise DenseflowError(f"{where}: {name!r}, but there is no file {file}; {hint}")
        return check(section, read_yaml(file), str(file))


def _evaluation_dataset(trained: Trained) -> str | None:
    evaluate = trained.recipe.evaluate
    return None if evaluate is None else evaluate.dataset or trained.data.dataset


def _require_path(path: Path, where: str) -> None:
    if not path.exists():
        raise DenseflowError(
            f"{where}: {str(path)!r} does not exist (looked for {path.resolve()}); paths are relative to the "
            "working directory"
        )
