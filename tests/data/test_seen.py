"""Ids met so far."""

import threading

import pytest

from protloc.data.seen import Seen
from protloc.errors import UserError


def test_an_id_is_new_once() -> None:
    seen = Seen()
    ids = ["a", "A", "a", "é", "", "", "P1;2'"]
    assert [id for id in ids if not seen.add(id)] == ["a", ""]
    seen.close()


def test_a_reading_thread_may_be_closed_by_another() -> None:
    made: list[Seen] = []
    thread = threading.Thread(target=lambda: made.append(Seen()))
    thread.start()
    thread.join()
    made[0].close()


def test_thousands_are_told_apart() -> None:
    seen = Seen()
    assert all(seen.add(f"sp|P{i:06}|X") for i in range(20_000))
    assert not any(seen.add(f"sp|P{i:06}|X") for i in range(0, 20_000, 7))
    seen.close()


def test_a_full_disk_is_one_line() -> None:
    seen = Seen()
    seen._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(UserError, match="no room for the ids met so far: database or disk is full; TMPDIR=FOLDER"):
        all(seen.add(f"sp|P{i:06}|X") for i in range(20_000))
    seen.close()
