"""A model over many proteins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from protloc.errors import UserError
from protloc.model.folder import encoder_of
from protloc.model.forward import CPU_TOKENS, Forward
from tests.models import build

CPU = torch.device("cpu")


def test_the_budget_by_itself_depends_on_the_kind_of_model(tmp_path: Path) -> None:
    for kind, attention in (("tiny", "padded"), ("esm2", "packed")):
        model, tokenizer = build(kind, tmp_path / kind)
        forward = Forward(model, tokenizer.pad_token_id, device=CPU, precision="fp32")
        assert (forward.attention, forward.max_tokens) == (attention, CPU_TOKENS[attention])


@pytest.mark.parametrize("attention", ["packed", "padded"])
def test_memory_that_runs_out_halves_the_budget_and_loses_nothing(attention: str, tmp_path: Path) -> None:
    """A device with room for 60 tokens."""
    model, tokenizer = build("esm2", tmp_path)
    encoder = encoder_of(model, tokenizer)
    given = [encoder.encode("MKVLAADE"[: i % 7 + 1] * 4) for i in range(20)]
    forward = Forward(model, tokenizer.pad_token_id, device=CPU, precision="fp32", max_tokens=400, attention=attention)

    def logits(batch: dict[str, Any]) -> torch.Tensor:
        if batch["input_ids"].numel() > 60:
            raise torch.OutOfMemoryError
        found: torch.Tensor = model(**batch).logits
        return found

    out = np.full((20, 3), np.nan)
    for indices, found in forward.over(given, logits):
        out[indices] = found.numpy()
    assert forward.max_tokens == 50
    alone = Forward(model, tokenizer.pad_token_id, device=CPU, precision="fp32", max_tokens=1)
    for (i,), one in alone.over(given, lambda batch: model(**batch).logits):
        np.testing.assert_allclose(out[i], one[0], atol=1e-5)


def test_a_protein_that_does_not_fit_alone(tmp_path: Path) -> None:
    model, _ = build("tiny", tmp_path)

    def full(batch: dict[str, Any]) -> torch.Tensor:
        raise torch.OutOfMemoryError

    forward = Forward(model, 0, device=CPU, precision="fp32")
    with pytest.raises(UserError, match="a protein of 7 tokens alone does not fit the memory of cpu"):
        list(forward.over([np.ones(7, np.int32)], full))
