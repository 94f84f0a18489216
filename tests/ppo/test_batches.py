from datasets import Dataset

from autorefine_lib.ppo.batches import Batches

DATA = Dataset.from_dict({"job": ["a", "a", "b", "c", "c", "c", "d"]})


def test_passes_follow_without_a_gap():
    batches = Batches(DATA, 3, seed=0)
    rows = [row for step in range(7) for row in batches.rows(step)]
    for epoch in range(3):
        assert sorted(rows[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert rows[:7] != rows[7:14]
    assert Batches(DATA, 3, seed=0, shuffle=False).rows(2) == [6, 0, 1]


def test_groups_stay_together_and_in_order():
    orders = {tuple(Batches(DATA, 7, seed, group_column="job").rows(0)) for seed in range(20)}
    assert len(orders) > 5
    for order in orders:
        for group in ([0, 1], [3, 4, 5]):
            first = order.index(group[0])
            assert list(order[first : first + len(group)]) == group


def test_generator_depends_on_seed_step_and_purpose_only():
    draws = {
        int(Batches(DATA, 3, seed).generator(step, purpose, "cpu").initial_seed())
        for seed in range(3) for step in range(3) for purpose in range(3)
    }  # fmt: skip
    assert len(draws) == 27


def test_generations_of_a_prompt_stand_one_after_the_other():
    once, twice = Batches(DATA, 3, seed=0), Batches(DATA, 6, seed=0, generations=2)
    for step in range(5):
        assert twice.rows(step) == [row for row in once.rows(step) for _ in range(2)]
    assert twice.uniforms(0, 4).shape == (6, 4)
