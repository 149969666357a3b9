"""What a user is told of a broken record."""

from __future__ import annotations

from protloc.data.records import Broken, check


def test_what_is_told_steers_no_terminal() -> None:
    record = check("a\x1b]0;title\x07\u202eb", b"MK", "", 7)
    assert isinstance(record, Broken)
    assert record.told("x.csv") == "x.csv:7: a\\x1b]0;title\\x07\\u202eb: the id has a control character in it"
    record = check("two\nlines", b"MK", "", 7)
    assert isinstance(record, Broken)
    assert record.told("x.csv") == "x.csv:7: two\\nlines: the id has a control character in it"
