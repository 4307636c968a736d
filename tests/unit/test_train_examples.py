"""What is drawn depends on seed, epoch and query alone."""

from collections import Counter

import pytest

from denseflow.collection import Document
from denseflow.negatives.training_file import TrainingExample, TrainingSet
from denseflow.train.examples import Draws
from denseflow.train.plans import ByQuery


def training_set(examples=6, positives=3, negatives=5):
    each = positives + negatives
    passages = [Document(f"d{n}", "", f"text {n}") for n in range(examples * each)]
    rows = []
    for n in range(examples):
        first = n * each
        relevant = tuple(range(first, first + positives))
        rows.append(
            TrainingExample(
                f"q{n}", f"query {n}", relevant, tuple(range(first + positives, first + each)), frozenset(relevant)
            )
        )
    return TrainingSet(passages, rows)


def epoch_of(draws, epoch):
    return [draws[epoch, index] for index in range(len(draws))]


def test_a_draw_is_the_same_in_whatever_order_draws_are_made():
    one = Draws(training_set(), seed=3, negatives_per_query=2)
    other = Draws(training_set(), seed=3, negatives_per_query=2)
    keys = [(epoch, index) for epoch in range(4) for index in range(len(one))]
    assert {key: one[key] for key in keys} == {key: other[key] for key in reversed(keys)}


def test_another_seed_draws_otherwise():
    drawn = [epoch_of(Draws(training_set(), seed=seed, negatives_per_query=2), 0) for seed in (0, 1)]
    assert drawn[0] != drawn[1]


def test_negatives_are_drawn_without_replacement_in_an_epoch_and_over_epochs():
    draws = Draws(training_set(negatives=6), seed=0, negatives_per_query=2)
    for index in range(len(draws)):
        over_epochs = [negative for epoch in range(3) for negative in draws[epoch, index].negatives]
        assert sorted(over_epochs) == sorted(draws.examples[index].negatives)


def test_sources_come_up_in_proportion_to_what_they_found_exactly_over_a_round_and_nearly_in_every_epoch():
    # Of each query's eight negatives, the file holds two of a first source, then four, then two.
    draws = Draws(training_set(examples=500, positives=1, negatives=8), seed=0, negatives_per_query=2)
    shares = []
    for epoch in range(4):
        places = [
            draw.negatives[n] - draws.examples[draw.example].negatives[0]
            for draw in epoch_of(draws, epoch)
            for n in (0, 1)
        ]
        counts = Counter(0 if place < 2 else 1 if place < 6 else 2 for place in places)
        shares.append([counts[source] / len(places) for source in range(3)])
    assert [sum(share) / 4 for share in zip(*shares, strict=True)] == [0.25, 0.5, 0.25]
    assert all(
        abs(share - expected) < 0.05 for one in shares for share, expected in zip(one, (0.25, 0.5, 0.25), strict=True)
    )


def test_the_negatives_of_the_next_epoch_are_others():
    draws = Draws(training_set(), seed=0, negatives_per_query=2)
    for one, other in zip(epoch_of(draws, 0), epoch_of(draws, 1), strict=True):
        assert not set(one.negatives) & set(other.negatives)


def test_an_example_with_too_few_negatives_gives_all_and_is_counted():
    draws = Draws(training_set(negatives=2), seed=0, negatives_per_query=4)
    assert draws.lacking_negatives() == 6
    for draw in epoch_of(draws, 0):
        assert sorted(draw.negatives) == sorted(draws.examples[draw.example].negatives)
    assert Draws(training_set(negatives=4), seed=0, negatives_per_query=4).lacking_negatives() == 0


def test_an_example_without_negatives_draws_none():
    assert Draws(training_set(negatives=0), seed=0, negatives_per_query=4)[0, 0].negatives == ()


def test_first_takes_the_first_positive_in_every_epoch_and_random_takes_all_in_turn():
    first = Draws(training_set(), seed=0, negatives_per_query=0, positive="first")
    assert {first[epoch, 0].positive for epoch in range(9)} == {first.examples[0].positives[0]}
    random = Draws(training_set(), seed=0, negatives_per_query=0, positive="random")
    assert Counter(random[epoch, 0].positive for epoch in range(9)) == dict.fromkeys(random.examples[0].positives, 3)


@pytest.mark.parametrize("positive", ["first", "random"])
def test_a_query_comes_up_with_as_many_positives_an_epoch_as_asked_and_there_are(positive):
    draws = Draws(training_set(positives=3), seed=0, negatives_per_query=0, positive=positive, positives_per_query=2)
    assert len(draws) == 12
    drawn = Counter((draw.example, draw.positive) for draw in epoch_of(draws, 1))
    assert set(drawn.values()) == {1}
    assert Counter(example for example, _ in drawn) == dict.fromkeys(range(6), 2)
    assert len(Draws(training_set(positives=3), seed=0, negatives_per_query=0, positives_per_query=9)) == 18


def test_each_epoch_is_a_permutation_of_its_own_and_the_last_batch_holds_the_rest():
    batches = ByQuery(10, 4, seed=0)
    epochs = []
    for epoch in range(2):
        batches.set_epoch(epoch)
        made = list(batches)
        assert [len(batch) for batch in made] == [4, 4, 2]
        assert len(batches) == 3
        epochs.append([key for batch in made for key in batch])
        assert sorted(epochs[-1]) == [(epoch, index) for index in range(10)]
    assert [index for _, index in epochs[0]] != [index for _, index in epochs[1]]
    again = ByQuery(10, 4, seed=0)
    assert [key for batch in again for key in batch] == epochs[0]
    other = ByQuery(10, 4, seed=1)
    assert [key for batch in other for key in batch] != epochs[0]
