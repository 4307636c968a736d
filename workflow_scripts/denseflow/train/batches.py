"""From the draws of a batch to what the encoder and the loss take."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, overload

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from denseflow.contract import passage_text, read_contract
from denseflow.negatives.teacher import TeacherScores
from denseflow.negatives.training_file import TrainingExample, TrainingSet
from denseflow.train.examples import Draw
from denseflow.train.grad_cache import Features
from denseflow.train.losses.targets import Targets
from denseflow.train.tokens import Tokens

_DROPOUT = 3  # beside the kinds of draws of examples.py, which share the seed


class Batches:
    """Collates draws; each different passage text of a batch is encoded once.

    A batch is a dictionary of ``queries`` and ``passages`` (lists of pieces, shortest texts first, so that little is
    padded) and ``targets``, a :class:`denseflow.train.losses.targets.Targets`.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        training_set: TrainingSet,
        *,
        seed: int,
        micro_batch: int | None = None,
        teacher_scores: TeacherScores | None = None,
    ) -> None:
        """Collate for ``model``.

        Args:
            model: The encoder, whose contract says how texts are tokenised.
            training_set: What the draws' numbers refer to.
            seed: Of the dropout.
            micro_batch: The most texts a piece, where fewer than 32 are wanted. Smaller pieces draw other dropout.
            teacher_scores: What a teacher says of the queries' passages; None where nothing is distilled.
        """
        self.seed = seed
        self.micro_batch = micro_batch
        contract = read_contract(model)
        examples, passages = training_set.examples, training_set.passages
        self.queries = Tokens(model, lambda number: examples[number].query, "query")
        self.passages = Tokens(model, lambda number: passage_text(passages[number], contract), "passage")
        self._same_text: Sequence[int] = range(len(passages))
        self._relevant: Sequence[Collection[int]] = _Themselves(len(examples))
        self._positives: Sequence[Collection[int]] = self._relevant
        if not training_set.own_positives:
            first: dict[str, int] = {}
            texts = (passage_text(document, contract) for document in passages)
            self._same_text = [first.setdefault(text, place) for place, text in enumerate(texts)]
            # Two queries of the same words are one query to the encoder: what is relevant for one is for the other.
            self._relevant = self._by_words(examples, [example.relevant for example in examples])
            self._positives = self._by_words(examples, [example.positives for example in examples])
        self._teacher = None if teacher_scores is None else self._teacher_by_text(training_set, teacher_scores)

    def __call__(self, draws: Sequence[Draw]) -> dict[str, Any]:
        """The batch of ``draws``, in an order of its own."""
        seeds = iter(self._seeds(draws))
        query_lengths = self.queries.lengths([draw.example for draw in draws])
        draws = [draws[place] for place in np.argsort(query_lengths, kind="stable")]
        drawn_texts = [[self._same_text[passage] for passage in (draw.positive, *draw.negatives)] for draw in draws]
        passages = list(dict.fromkeys(text for texts in drawn_texts for text in texts))
        order = np.argsort(self.passages.lengths(passages), kind="stable")
        passages = [passages[place] for place in order]
        column = {passage: place for place, passage in enumerate(passages)}

        drawn = torch.zeros(len(draws), len(passages), dtype=torch.bool)
        relevant, positives = torch.zeros_like(drawn), torch.zeros_like(drawn)
        for row, (draw, texts) in enumerate(zip(draws, drawn_texts, strict=True)):
            drawn[row, [column[text] for text in texts]] = True
            for mask, known in ((relevant, self._relevant), (positives, self._positives)):
                mask[row, [place for place, passage in enumerate(passages) if passage in known[draw.example]]] = True
        return {
            "queries": self._seeded(self.queries.pieces([draw.example for draw in draws], self.micro_batch), seeds),
            "passages": self._seeded(self.passages.pieces(passages, self.micro_batch), seeds),
            "targets": Targets(
                positive=torch.tensor([column[texts[0]] for texts in drawn_texts]),
                drawn=drawn,
                relevant=relevant,
                positives=positives,
                teacher=self._teacher_of(draws, passages),
            ),
        }

    def _teacher_by_text(self, training_set: TrainingSet, scores: TeacherScores) -> list[dict[int, float]]:
        """Each example's scores by passage text; of passages of one text, the score of the last is taken."""
        passages = training_set.passages
        return [
            {
                self._same_text[place]: own[passages[place].id]
                for place in (*example.positives, *example.negatives)
                if passages[place].id in own
            }
            for example in training_set.examples
            for own in (scores.get(example.query_id, {}),)
        ]

    def _teacher_of(self, draws: Sequence[Draw], passages: Sequence[int]) -> torch.Tensor | None:
        """The teacher's scores [Q, P], NaN where it gave none."""
        if self._teacher is None:
            return None
        nothing = float("nan")
        rows = [[self._teacher[draw.example].get(passage, nothing) for passage in passages] for draw in draws]
        return torch.tensor(rows, dtype=torch.float32)

    def _by_words(self, examples: Sequence[TrainingExample], passages: Sequence[Iterable[int]]) -> list[set[int]]:
        """Each example's passages, those of the examples of the same query text included."""
        by_words: defaultdict[str, set[int]] = defaultdict(set)
        for example, own in zip(examples, passages, strict=True):
            by_words[example.query].update(self._same_text[passage] for passage in own)
        return [by_words[example.query] for example in examples]

    def _seeds(self, draws: Sequence[Draw]) -> list[int]:
        """Enough seeds for the pieces of a batch, as its first draw, which is in no other batch, gives them."""
        most = sum(2 + len(draw.negatives) for draw in draws) + 2
        sequence = np.random.SeedSequence([self.seed, draws[0].epoch, draws[0].index, _DROPOUT])
        return [int(seed) for seed in sequence.generate_state(most)]

    @staticmethod
    def _seeded(pieces: list[Features], seeds: Any) -> list[Features]:
        return [{**piece, "seed": next(seeds)} for piece in pieces]


class _Themselves(Sequence[tuple[int]]):
    """What is relevant where each query's own passage alone is."""

    def __init__(self, length: int) -> None:
        self._numbers = range(length)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> tuple[int]: ...
    @overload
    def __getitem__(self, number: slice) -> list[tuple[int]]: ...
    def __getitem__(self, number: int | slice) -> tuple[int] | list[tuple[int]]:
        if isinstance(number, slice):
            return [(place,) for place in self._numbers[number]]
        return (self._numbers[number],)
