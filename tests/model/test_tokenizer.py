"""The tokenizer for raw residues, against the backbones' own."""

import string
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from protloc.errors import UserError
from protloc.model.tokenizer import residue_tokenizer
from tests.backbones import ESM2, PROTBERT, write_esm2, write_protbert


def test_protbert_reads_raw_residues(tmp_path: Path) -> None:
    own = AutoTokenizer.from_pretrained(write_protbert(tmp_path))
    raw = residue_tokenizer(own, spaces=True, unknown="UZOB")
    assert raw("MKVUZOBJX")["input_ids"] == own("M K V X X X X X X")["input_ids"]
    assert raw("mkv*")["input_ids"] == [PROTBERT.index(t) for t in ("[CLS]", "M", "K", "V", "[SEP]")]


def test_esm2_keeps_the_letters_that_it_knows(tmp_path: Path) -> None:
    own = AutoTokenizer.from_pretrained(write_esm2(tmp_path))
    raw = residue_tokenizer(own)
    known = string.ascii_uppercase.replace("J", "")
    assert raw(known)["input_ids"] == own(known)["input_ids"]
    assert raw("J")["input_ids"] == [ESM2.index(t) for t in ("<cls>", "X", "<eos>")]


def test_it_survives_saving_and_spaces_or_line_breaks_do_not_matter(tmp_path: Path) -> None:
    raw = residue_tokenizer(AutoTokenizer.from_pretrained(write_esm2(tmp_path / "esm2")))
    raw.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert isinstance(again, PreTrainedTokenizerFast)
    assert again("M K\nV")["input_ids"] == raw("MKV")["input_ids"]
    assert (again.pad_token_id, again.padding_side) == (ESM2.index("<pad>"), "right")


def test_a_prefix_stands_before_the_protein(tmp_path: Path) -> None:
    own = AutoTokenizer.from_pretrained(write_esm2(tmp_path))
    raw = residue_tokenizer(own, prefix="<null_1>")
    assert raw("MK")["input_ids"] == [ESM2.index(t) for t in ("<cls>", "<null_1>", "M", "K", "<eos>")]


def test_forgetting_the_spaces_is_an_error_that_says_so(tmp_path: Path) -> None:
    own = AutoTokenizer.from_pretrained(write_protbert(tmp_path))
    with pytest.raises(UserError, match=r"one token a residue: .* becomes \[2, 1, 3\]; try model.spaces=true$"):
        residue_tokenizer(own, spaces=False, unknown="UZOB")
