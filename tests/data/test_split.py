"""Stratified choices: exact counts, the same for the same seed."""

import numpy as np

from protloc.data.split import stratified_first, stratified_split

LABELS = np.array([0] * 20 + [1] * 5 + [2] * 3 + [3] * 2)


def test_each_class_gives_its_share_and_small_ones_stay() -> None:
    stay, held = stratified_split(LABELS, 0.1, seed=0)
    assert np.bincount(LABELS[held], minlength=4).tolist() == [2, 1, 1, 0]
    assert sorted([*stay, *held]) == list(range(len(LABELS)))
    assert stay.tolist() == sorted(stay)
    assert held.tolist() == sorted(held)


def test_the_seed_decides() -> None:
    same = [stratified_split(LABELS, 0.3, seed=7)[1].tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert stratified_split(LABELS, 0.3, seed=8)[1].tolist() != same[0]


def test_limit_takes_the_first_of_each_class() -> None:
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
    assert stratified_first(labels, 5).tolist() == [0, 1, 2, 6, 9]
    assert stratified_first(labels, 3).tolist() == [0, 6, 9]
    assert stratified_first(labels, 10).tolist() == list(range(10))
    assert stratified_first(labels, 99).tolist() == list(range(10))
