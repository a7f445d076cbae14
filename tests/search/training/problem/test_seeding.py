"""What a seed means."""

from __future__ import annotations

import keras
import numpy as np

from search.training.problem.seeding import build_under, epoch_order


def test_an_epochs_order_is_numpys_permutation_under_seed_and_epoch() -> None:
    np.testing.assert_array_equal(epoch_order(3, 7, 50), np.random.default_rng([3, 7]).permutation(50))


def test_rows_that_are_not_shuffled_have_one_order_under_every_seed() -> None:
    for seed, epoch in ((3, 7), (4, 0)):
        np.testing.assert_array_equal(epoch_order(seed, epoch, 50, shuffle=False), np.arange(50))


def test_point_sets_have_orders_of_their_own() -> None:
    assert epoch_order(3, 7, 50, stream=1).tolist() != epoch_order(3, 7, 50).tolist()


def test_a_model_built_under_a_seed_has_the_weights_of_set_random_seed() -> None:
    def build_model() -> keras.Model:
        inputs = keras.Input((3,))
        return keras.Model(inputs, {"a": keras.layers.Dense(2)(inputs)})

    keras.utils.set_random_seed(11)
    expected = build_model().get_weights()
    model, _ = build_under(11, build_model)
    np.testing.assert_array_equal(model.get_weights()[0], expected[0])
