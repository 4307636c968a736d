"""Batches by passage: queries that share passages, as a function of seed and epoch."""

from denseflow.collection import Document
from denseflow.negatives.training_file import TrainingExample, TrainingSet
from denseflow.train.examples import Draws
from denseflow.train.plans import ByPassage, ByQuery

PASSAGES, EXAMPLES = 20, 30


def draws(negatives_per_query: int = 0) -> Draws:
    """Thirty queries over twenty passages: query n has the passages n, n + 1 ... (1 to 5 of them)."""
    passages = [Document(f"d{n}", "", f"text {n}") for n in range(PASSAGES + 3)]
    examples = []
    for n in range(EXAMPLES):
        relevant = tuple(sorted({(n + place) % PASSAGES for place in range(1 + n % 5)}))
        examples.append(TrainingExample(f"q{n}", f"query {n}", relevant, (20, 21, 22), frozenset(relevant)))
    return Draws(TrainingSet(passages, examples), seed=0, negatives_per_query=negatives_per_query)


def epoch_of(plan, epoch: int) -> list[list[tuple]]:
    plan.set_epoch(epoch)
    return list(plan)


def test_a_batch_by_passage_holds_different_queries_each_with_a_positive_of_its_own():
    made = draws()
    for batch in epoch_of(ByPassage(made, 8, 2, seed=0), 0):
        examples = [example for _, _, example, _ in batch]
        assert len(set(examples)) == len(examples) <= 8
        assert len({passage for *_, passage in batch}) <= 4
        assert all(passage in made.examples[example].positives for _, _, example, passage in batch)


def test_an_epoch_goes_through_all_positives_in_pieces():
    plan = ByPassage(draws(), 8, 2, seed=0)
    batches = epoch_of(plan, 0)
    assert len(batches) == len(plan) == PASSAGES // 4
    seen = [passage for batch in batches for passage in {passage for *_, passage in batch}]
    assert len(seen) == len(set(seen))


def test_more_queries_a_passage_make_fewer_passages_a_batch():
    assert len(ByPassage(draws(), 8, 4, seed=0)) == 2 * len(ByPassage(draws(), 8, 2, seed=0))


def test_batches_by_passage_depend_on_seed_and_epoch_alone():
    once, again = ByPassage(draws(), 8, 2, seed=0), ByPassage(draws(), 8, 2, seed=0)
    epoch_of(once, 0)
    assert epoch_of(once, 3) == epoch_of(again, 3)
    assert epoch_of(once, 3) != epoch_of(once, 4)
    assert epoch_of(once, 3) != epoch_of(ByPassage(draws(), 8, 2, seed=1), 3)


def test_the_draw_of_a_pair_has_its_positive_and_negatives_of_its_query():
    made = draws(negatives_per_query=2)
    key = epoch_of(ByPassage(made, 8, 2, seed=0), 0)[0][0]
    draw = made[key]
    assert (draw.epoch, draw.index, draw.example, draw.positive) == key
    assert len(set(draw.negatives) & {20, 21, 22}) == 2


def test_a_query_with_many_positives_does_not_crowd_out_the_others():
    passages = [Document(f"d{n}", "", f"text {n}") for n in range(100)]
    broad = TrainingExample("broad", "broad", tuple(range(100)), (), frozenset(range(100)))
    narrow = [TrainingExample(f"q{n}", f"query {n}", (n,), (), frozenset({n})) for n in range(100)]
    made = Draws(TrainingSet(passages, [broad, *narrow]), seed=0, negatives_per_query=0)
    drawn = [example for batch in epoch_of(ByPassage(made, 10, 1, seed=0), 0) for _, _, example, _ in batch]
    assert drawn.count(0) <= 10
    assert len(drawn) >= 95


def test_batches_by_query_hold_each_draw_once_an_epoch_the_last_batch_what_is_left():
    batches = epoch_of(ByQuery(10, 4, seed=0), 0)
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(key for batch in batches for key in batch) == [(0, index) for index in range(10)]
