"""Scoring on a split while a model is trained: the curve, the best weights, and when to stop."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback

from denseflow.attention import attention_in_float32
from denseflow.encoder import learns
from denseflow.evaluate.names import parse_measure
from denseflow.evaluate.retrieval import Retrieval
from denseflow.train.checkpoints import KEPT
from denseflow.train.due_steps import due_steps
from denseflow.train.weights_by_step import WeightsByStep

LOG = logging.getLogger("denseflow")

PREFIX = "dev/"
"""Stands before a measure's name in the history."""
ALSO = "R@100"
"""Measured beside the one that decides."""


class DevEvaluation(TrainerCallback):
    """Scores the model before the first step, at the steps that are due, and after the last one.

    The scores are those that the encode, search and evaluate stages give the model of that step: the same code, in
    evaluation mode, in float32 whatever the training's precision. Nothing that the training depends on is touched.

    The state goes into each checkpoint. The best weights stand beside the checkpoints, and stay as long as a
    checkpoint that may be resumed counts on them.

    Attributes:
        note: Is called with each line for the history and the seconds that it took: the trainer's own method, once
            there is a trainer.
    """

    def __init__(
        self,
        dataset_manifest: Path,
        model: SentenceTransformer,
        options: dict[str, Any],
        folder: Path,
        *,
        seed: int,
        steps_per_epoch: int,
        steps: int,
        threads: int,
    ) -> None:
        """Score ``model`` on a split.

        Args:
            dataset_manifest: Of the dataset stage.
            model: The encoder that is trained.
            options: ``split``, ``measure``, ``keep_best``; and ``every_epochs`` or ``every_steps`` (each epoch where
                both are missing), ``patience`` and ``passages``, which may be missing.
            folder: Where the best weights are kept while the training lasts.
            seed: Of the draw of passages, where only some are searched.
            steps_per_epoch: Optimizer steps of an epoch.
            steps: Of the whole training.
            threads: Of the search.
        """
        self.retrieval = Retrieval(dataset_manifest, options["split"], passages=options.get("passages"), seed=seed)
        self.model, self.options = model, options
        self.steps, self.threads = steps, threads
        self.measures = list(dict.fromkeys(str(parse_measure(name)) for name in (options["measure"], ALSO)))
        self.due = {*due_steps(options, steps_per_epoch=steps_per_epoch, steps=steps), steps}
        self.weights = WeightsByStep(folder)
        self.scores: list[dict[str, Any]] = []
        """A dictionary a look: ``step``, and each measure's mean."""
        self._frozen: np.ndarray | None = None
        """The passages' vectors, where the passages' side does not learn."""
        self._counted_on: list[int] = []
        """The best steps as the newest checkpoints know them."""
        self.note: Callable[[dict[str, float], float], None] = lambda line, seconds: None

    # What the trainer calls.

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Score the model that training starts from."""
        if state.global_step == 0:
            self._look(0)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Score where it is due; stop where patience is over."""
        if state.global_step not in self.due:
            return
        self._look(state.global_step)
        if self.options["keep_best"] and self._best()["step"] == state.global_step:
            self.weights.save(state.global_step, self.model)
            self.weights.keep_only({state.global_step, *self._counted_on})
        if self.stopped_early():
            patience, best = self.options["patience"], self._best()
            LOG.info(
                "training: stops after step %d of %d; %s was no better than %.4f, after step %d, in %d scores in a row",
                *(state.global_step, self.steps, self.measures[0], best[self.measures[0]], best["step"], patience),
            )
            control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Remember which weights the checkpoint that was just written counts on."""
        self._count_on_best()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep, as plain values."""
        return {"scores": self.scores, "counted_on": self._counted_on}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            DenseflowError: The best weights so far are missing.
        """
        self.scores, self._counted_on = list(state["scores"]), list(state["counted_on"])
        self._count_on_best()
        if self.options["keep_best"] and self._trained():
            self.weights.require([self._best()["step"]])

    # What the train stage asks at the end.

    def load_best(self) -> None:
        """Give the model its best weights, where the recipe keeps them; warn where training never beat its start."""
        best, start = self._best(), self.scores[0]
        measure = self.measures[0]
        if best[measure] <= start[measure]:
            LOG.warning(
                "DEV: training never beat the model that it started from: %s was %.4f before the first step and %.4f "
                "at best, after step %d. Lower recipe.learning_rate, raise recipe.batch_size, or look at the negatives",
                measure,
                start[measure],
                best[measure],
                best["step"],
            )
        if self.options["keep_best"]:
            self.weights.load(best["step"], self.model)
            LOG.info("training: the model is that of step %d, %s %.4f", best["step"], measure, best[measure])

    def summary(self) -> dict[str, Any]:
        """For the manifest: how often was looked, what was found, and which step's weights are the model's."""
        best, last = self._best(), self.scores[-1]
        return {
            "measure": self.measures[0],
            "queries": len(self.retrieval.qrels),
            "passages": len(self.retrieval.passages),
            "looks": len(self.scores),
            "start": self.scores[0],
            "best": best,
            "last": last,
            "beat_its_start": best[self.measures[0]] > self.scores[0][self.measures[0]],
            "stopped_early": self.stopped_early(),
            "model_of_step": (best if self.options["keep_best"] else last)["step"],
        }

    def stopped_early(self) -> bool:
        """Whether, before the last step, as many scores in a row as ``patience`` were no better than the best."""
        patience, trained = self.options.get("patience"), self._trained()
        if patience is None or trained[-1]["step"] == self.steps:
            return False
        return len(trained) - 1 - trained.index(self._best()) >= patience

    def score(self) -> dict[str, float]:
        """Each measure's mean for the model as it stands."""
        with scoring_mode(self.model):
            if self._frozen is None and not learns(self.model, "passage"):
                self._frozen = self.retrieval.encode_passages(self.model)
            return self.retrieval.score(self.model, self.measures, threads=self.threads, corpus=self._frozen)

    def _look(self, step: int) -> None:
        started = time.monotonic()
        found = self.score()
        seconds = time.monotonic() - started
        self.scores.append({"step": step, **found})
        self.note({f"{PREFIX}{measure}": value for measure, value in found.items()}, seconds)
        said = ", ".join(f"{measure} {value:.4f}" for measure, value in found.items())
        LOG.info("dev after step %d: %s (%.1f s)", step, said, seconds)

    def _count_on_best(self) -> None:
        if self._trained():
            self._counted_on = [*self._counted_on, self._best()["step"]][-KEPT:]

    def _trained(self) -> list[dict[str, Any]]:
        return [look for look in self.scores if look["step"] > 0]

    def _best(self) -> dict[str, Any]:
        """The best look after a step of training, the first of equals."""
        return max(self._trained(), key=lambda look: look[self.measures[0]])


@contextmanager
def scoring_mode(model: SentenceTransformer) -> Iterator[None]:
    """The model as it is when it encodes: in evaluation mode, and without the training's mixed precision.

    Afterwards each part of it is in the mode in which it was.
    """
    training = {module: module.training for module in model.modules()}
    # accelerate puts mixed precision round the model by an attribute of this name.
    wrapped = model.__dict__.pop("forward", None)
    model.eval()
    try:
        with attention_in_float32(model):
            yield
    finally:
        if wrapped is not None:
            model.forward = wrapped  # type: ignore[method-assign]
        for module, mode in training.items():
            module.training = mode
