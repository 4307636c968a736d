"""Batches: the encoder's contract, each passage once, and the masks of the loss."""

import pytest
import torch

from denseflow.collection import Document
from denseflow.contract import apply_contract
from denseflow.encoder import load_encoder, tokenize
from denseflow.negatives.training_file import TrainingExample, TrainingSet
from denseflow.train.batches import Batches
from denseflow.train.examples import Draw
from denseflow.train.pieces import cut_pieces
from denseflow.train.tokens import Tokens

PASSAGES = [
    Document("a", "diet", "heart disease and diet"),
    Document("b", "", "cancer"),
    Document("c", "milk", "milk and fruit are food for men and women"),
    Document("same words as b", "", "cancer"),
    Document("e", "", "array"),
]


def example(query, positives, negatives=(), relevant=()):
    return TrainingExample(query, query, tuple(positives), tuple(negatives), frozenset({*positives, *relevant}))


@pytest.fixture
def model(tiny_model):
    model = load_encoder(tiny_model)
    apply_contract(model, {"query_prefix": "query: ", "passage_prefix": "passage ", "passage_max_length": 10})
    return model


def rows(pieces):
    """The texts of the pieces as lists of token ids."""
    return [
        ids[mask.bool()].tolist()
        for piece in pieces
        for ids, mask in zip(piece["input_ids"], piece["attention_mask"], strict=True)
    ]


def batch(model, examples, draws, **options):
    return Batches(model, TrainingSet(PASSAGES, examples), seed=0, **options)(draws)


def test_texts_are_tokenised_as_the_contract_says(model):
    made = batch(model, [example("what is diet", [2])], [Draw(0, 0, 0, 2, (0,))])
    assert rows(made["queries"]) == tokenize(model, ["what is diet"], "query")["input_ids"].tolist()
    expected = tokenize(model, ["diet heart disease and diet", f"milk {PASSAGES[2].text}"], "passage")
    assert rows(made["passages"]) == rows([expected])
    assert len(rows(made["passages"])[1]) == 10


@pytest.mark.parametrize("side", ["right", "left"])
def test_cached_token_ids_are_padded_as_the_tokenizer_pads(model, side):
    model.tokenizer.padding_side = side
    texts = ["milk", "heart disease and diet in women", "fruit and food"]
    tokens = Tokens(model, texts.__getitem__, "query")
    tokens.lengths([2, 0])
    (piece,) = tokens.pieces([0, 1, 2], 8)
    expected = tokenize(model, texts, "query")
    assert piece.pop("kind") == "query"
    assert piece.keys() == expected.keys()
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(piece[name], expected[name])
    assert piece["prompt_length"] == expected["prompt_length"]


def test_a_passage_is_tokenised_once_however_often_it_comes(model, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "denseflow.token_rows.tokenize",
        lambda m, texts, *args, **kw: calls.extend(texts) or tokenize(m, texts, *args, **kw),
    )
    tokens = Tokens(model, ["milk", "diet"].__getitem__, "passage")
    for _ in range(3):
        tokens.pieces([0, 1, 0], 2)
    assert sorted(calls) == ["diet", "milk"]


def test_a_passage_that_comes_twice_in_a_batch_is_encoded_once(model):
    examples = [example("milk", [2], [0]), example("diet", [0], [2]), example("risk", [1], [3])]
    made = batch(model, examples, [Draw(0, n, n, e.positives[0], e.negatives) for n, e in enumerate(examples)])
    texts = rows(made["passages"])
    assert len(texts) == 3
    assert len({tuple(text) for text in texts}) == 3
    assert made["targets"].drawn.shape == (3, 3)


def test_the_positive_index_points_at_each_querys_own_positive(model):
    examples = [example("the effect of milk on women", [2]), example("diet", [0]), example("array function", [4])]
    made = batch(model, examples, [Draw(0, n, n, e.positives[0], ()) for n, e in enumerate(examples)])
    queries, passages = rows(made["queries"]), rows(made["passages"])
    for text, passage in (
        ("the effect of milk on women", "milk milk and fruit are food for men and women"),
        ("array function", "array"),
    ):
        row = queries.index(tokenize(model, [text], "query")["input_ids"][0].tolist())
        expected = tokenize(model, [passage], "passage")["input_ids"][0].tolist()
        assert passages[made["targets"].positive[row]] == expected


def test_known_relevant_passages_of_a_query_are_masked_wherever_they_come_from(model):
    examples = [example("milk", [2], [4], relevant=[0]), example("diet", [0], [1])]
    made = batch(model, examples, [Draw(0, n, n, e.positives[0], e.negatives) for n, e in enumerate(examples)])
    negatives = made["targets"].negatives(in_batch=True)
    milk = rows(made["queries"]).index(tokenize(model, ["milk"], "query")["input_ids"][0].tolist())
    assert negatives.numel() - negatives.sum() == 3  # the two positives, and one that is known to be relevant
    assert not negatives[milk, made["targets"].positive[1 - milk]]


def test_a_passage_with_the_words_of_a_relevant_one_is_masked_too(model):
    examples = [example("risk of cancer", [1]), example("diet", [0], [3])]
    made = batch(model, examples, [Draw(0, n, n, e.positives[0], e.negatives) for n, e in enumerate(examples)])
    assert made["targets"].relevant.sum(1).tolist() == [1, 1]
    assert len(rows(made["passages"])) == 2


def test_queries_of_the_same_words_share_what_is_relevant(model):
    first = example("milk", [2])
    second = TrainingExample("another id", "milk", (0,), (), frozenset({0}))
    made = batch(model, [first, second], [Draw(0, 0, 0, 2, ()), Draw(0, 1, 1, 0, ())])
    assert made["targets"].relevant.all()


def test_two_positives_of_a_query_in_one_batch_are_no_negatives_of_each_other(model):
    made = batch(model, [example("milk", [2, 0])], [Draw(0, 0, 0, 2, ()), Draw(0, 1, 0, 0, ())])
    assert made["targets"].relevant.all()
    assert made["targets"].negatives(in_batch=True).sum() == 0


def test_a_small_micro_batch_makes_small_pieces_and_a_large_one_changes_nothing(model):
    examples = [example(f"milk {n}", [n]) for n in range(5)]
    draws = [Draw(0, n, n, n, ()) for n in range(5)]
    sizes = {
        size: [len(piece["input_ids"]) for piece in batch(model, examples, draws, micro_batch=size)["queries"]]
        for size in (1, 2, 64, None)
    }
    assert sizes == {1: [1] * 5, 2: [2, 2, 1], 64: [5], None: [5]}


def test_each_piece_has_a_seed_of_its_own_that_depends_on_seed_and_epoch(model):
    examples = [example(f"milk {n}", [n]) for n in range(5)]
    made = Batches(model, TrainingSet(PASSAGES, examples), seed=0, micro_batch=2)
    other = Batches(model, TrainingSet(PASSAGES, examples), seed=1, micro_batch=2)

    def seeds(batches, epoch):
        built = batches([Draw(epoch, n, n, n, ()) for n in range(5)])
        return [piece["seed"] for piece in (*built["queries"], *built["passages"])]

    assert len({*seeds(made, 0), *seeds(made, 1), *seeds(other, 0)}) == 3 * 5  # three query and two passage pieces
    assert seeds(made, 0) == seeds(made, 0)


def cut(lengths, micro_batch=None):
    return [(piece.start, piece.stop) for piece in cut_pieces(lengths, micro_batch)]


def test_a_piece_has_32_texts_or_fewer():
    assert cut([5] * 70) == [(0, 32), (32, 64), (64, 70)]
    assert cut([5] * 70, 64) == cut([5] * 70)
    assert cut([5] * 5, 2) == [(0, 2), (2, 4), (4, 5)]
    assert cut([]) == []


def test_a_piece_has_4096_tokens_or_fewer_unless_it_is_one_text():
    assert cut([128] * 33) == [(0, 32), (32, 33)]
    assert cut([256] * 33) == [(0, 16), (16, 32), (32, 33)]
    assert cut([10, 200, 5000, 5000]) == [(0, 2), (2, 3), (3, 4)]
    assert cut([5000, 10, 10]) == [(0, 1), (1, 3)]
