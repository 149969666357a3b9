"""How many tokens fit: the arithmetic, which needs no GPU."""

from __future__ import annotations

from protloc.training.memory import PROBES, SHARE, tokens_that_fit


def test_what_does_not_grow_with_the_tokens_is_taken_off_once() -> None:
    few, many = (50_000 + 100 * tokens for tokens in PROBES)
    assert tokens_that_fit(int((50_000 + 100 * 5_000) / SHARE), few, many) == 4_096
    assert tokens_that_fit(int((50_000 + 100 * 5_130) / SHARE), few, many) == 5_120


def test_at_least_a_thousand() -> None:
    assert tokens_that_fit(1, 50_000 + 100 * PROBES[0], 50_000 + 100 * PROBES[1]) == 1_024
