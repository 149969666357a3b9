"""The tokenizer that a model folder carries: raw residues in, the backbone's own ids out.

ProtBert's tokenizer wants `M K V`, and reads an unspaced protein as one unknown word; ESM-2's wants `MKV`. The saved
model should not care. So the backbone's tokenizer is asked once what it makes of every letter, and a tokenizer that
gives the same ids for raw residues is saved instead.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from protloc.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

STANDARD = "ACDEFGHIKLMNPQRSTVWY"


def residue_tokenizer(
    source: PreTrainedTokenizerBase, *, spaces: bool = False, unknown: str = "", prefix: str = ""
) -> PreTrainedTokenizerFast:
    """A fast tokenizer for raw residues with the ids of `source`.

    Args:
        source: the backbone's own tokenizer.
        spaces: `source` wants a space between residues.
        unknown: letters that the backbone reads as X.
        prefix: a token of `source` to be put before the protein.

    Raises:
        UserError: `source` does not give one token a residue.
    """
    ids = {letter: _ids(source, letter, spaces, prefix) for letter in string.ascii_uppercase}
    start, end = _frame(source, ids, spaces)
    as_x = "".join(letter for letter in ids if letter in unknown or _residue(source, ids[letter], start, end) is None)
    for letter in (*STANDARD, "X"):
        if letter in as_x and letter != "X":
            raise UserError(f"the backbone's tokenizer has no token for residue {letter}: it is no protein model")
    vocabulary = source.get_vocab()
    raw = _raw(source, vocabulary, as_x if "X" in vocabulary else "", start, end)
    _check(source, raw, as_x, spaces, prefix)
    return raw


def from_vocabulary(tokens: list[str], *, pad: str, unknown: str) -> PreTrainedTokenizerFast:
    """A tokenizer for a backbone of ours: `tokens` in order of their ids, no start and end tokens."""
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(tokens)}
    source = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token=unknown)), pad_token=pad, unk_token=unknown
    )
    rest = "".join(letter for letter in string.ascii_uppercase if letter not in vocabulary)
    return _raw(source, vocabulary, rest, [], [])


def _ids(source: PreTrainedTokenizerBase, residues: str, spaces: bool, prefix: str) -> list[int]:
    text = " ".join(residues) if spaces else residues
    return list(source(f"{prefix} {text}" if prefix else text)["input_ids"])


def _frame(source: PreTrainedTokenizerBase, ids: dict[str, list[int]], spaces: bool) -> tuple[list[int], list[int]]:
    """The ids before and behind a protein: what the ids of `A` hold beside A's own."""
    a = source.convert_tokens_to_ids("A")
    if ids["A"].count(a) != 1:
        hint = "; try model.spaces=true" if not spaces else ""
        raise UserError(f"the backbone's tokenizer does not give one token a residue: A becomes {ids['A']}{hint}")
    at = ids["A"].index(a)
    return ids["A"][:at], ids["A"][at + 1 :]


def _residue(source: PreTrainedTokenizerBase, ids: list[int], start: list[int], end: list[int]) -> int | None:
    """The id of a letter, None where the backbone has none for it."""
    inner = ids[len(start) : len(ids) - len(end)]
    return inner[0] if len(inner) == 1 and inner[0] != source.unk_token_id else None


def _raw(
    source: PreTrainedTokenizerBase, vocabulary: dict[str, int], as_x: str, start: list[int], end: list[int]
) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel(vocabulary, unk_token=source.unk_token))
    steps: list[normalizers.Normalizer] = [normalizers.Replace(Regex(r"\s|\*\s*$"), "")]
    steps += [normalizers.Replace(lower, lower.upper()) for lower in string.ascii_lowercase]
    if as_x:
        steps.append(normalizers.Replace(Regex(f"[{as_x}]"), "X"))
    core.normalizer = normalizers.Sequence(steps)
    core.pre_tokenizer = pre_tokenizers.Split("", behavior="isolated")
    names = {i: token for token, i in vocabulary.items()}
    frame = [names[i] for i in (*start, *end)]
    if frame:
        core.post_processor = processors.TemplateProcessing(
            single=[*(names[i] for i in start), "$A", *(names[i] for i in end)],
            special_tokens=[(token, vocabulary[token]) for token in dict.fromkeys(frame)],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, padding_side="right", model_input_names=["input_ids", "attention_mask"],
        **{name: str(token) for name, token in source.special_tokens_map.items() if isinstance(token, str)},
    )  # fmt: skip


def _check(source: PreTrainedTokenizerBase, raw: PreTrainedTokenizerFast, as_x: str, spaces: bool, prefix: str) -> None:
    """Both tokenizers must agree on a protein with every letter of the alphabet."""
    residues = string.ascii_uppercase
    seen_by_source = "".join("X" if letter in as_x else letter for letter in residues)
    ours, theirs = list(raw(residues)["input_ids"]), _ids(source, seen_by_source, spaces, prefix)
    if ours != theirs:
        hint = "" if spaces else "; try model.spaces=true"
        raise UserError(
            f"the backbone's tokenizer does not give one token a residue: {residues} becomes {theirs}{hint}"
        )
