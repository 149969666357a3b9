"""Where in a header the location stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from protloc.data.corpus import load_corpus
from protloc.errors import UserError
from tests.data.test_corpus import fasta, options
from tests.scripts import ROOT


@pytest.mark.parametrize(
    ("header", "pattern"),
    [
        ("p{i} loc={c}; human", r"loc=(?P<label>\w+)"),
        ("p{i}|loc={c}|human", r"\|loc=(?P<label>[^|]+)"),
        ("p{i}|{c} human loc=X", r"^\w+\|(?P<label>\w+)"),
        ("p{i} human {c}", r"(?P<label>\S+)\s*$"),
    ],
)
def test_a_label_pattern(tmp_path: Path, header: str, pattern: str) -> None:
    train = fasta(tmp_path, [(header.format(i=i, c="AB"[i % 2]), "MK" * (i + 1)) for i in range(20)])
    corpus = load_corpus(options(tmp_path, train, label_pattern=pattern))
    assert corpus.task.names == ("A", "B")


def test_the_documented_pattern_works_as_typed(tmp_path: Path) -> None:
    """Through the shell's quotes and Hydra's."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    for page in ("docs/data-formats.md", "docs/configuration.md", "conf/data/fasta.yaml"):
        (typed,) = re.findall(r"'data\.label_pattern=[^']*'", (ROOT / page).read_text())
        (word,) = shlex.split(typed)
        pattern = OverridesParser.create().parse_override(word).value()
        train = fasta(tmp_path, [(f"p{i} loc={'AB'[i % 2]}; human", "MK" * (i + 1)) for i in range(20)])
        assert load_corpus(options(tmp_path, train, label_pattern=pattern)).task.names == ("A", "B"), page


def test_a_pattern_that_finds_the_same_everywhere(tmp_path: Path) -> None:
    train = fasta(tmp_path, [(f"p{i} {'AB'[i % 2]} human", "MK" * (i + 1)) for i in range(20)])
    with pytest.raises(UserError) as caught:
        load_corpus(options(tmp_path, train))
    assert str(caught.value) == (
        f"{train}: one class only, 'human'; a classifier needs 2 or more "
        r"(data.label_pattern=(?P<label>\S+)\s*$ finds it everywhere)"
    )


@pytest.mark.parametrize(
    ("pattern", "message"),
    [(r"(", "data.label_pattern=(: no regular expression"), (r"(\w+)", "needs a group named label")],
)
def test_a_wrong_label_pattern(tmp_path: Path, pattern: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        load_corpus(options(tmp_path, fasta(tmp_path, []), label_pattern=pattern))
