"""Processes: started, joined, and ended together."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch.distributed as dist

from protloc.errors import RankError, Stopped, UserError
from protloc.runs.processes import launch, outer_rank

# The functions below run in processes of their own, which find them by this module's name.


def add_up(start: int) -> int:
    """The sum of all ranks, plus `start`, from each."""
    import torch

    dist.init_process_group("gloo")
    total = torch.tensor(int(os.environ["RANK"]) + 1)
    dist.all_reduce(total)
    dist.destroy_process_group()
    return start + int(total)


def second_fails(how: str) -> None:
    """Rank 1 ends badly; rank 0 would wait for ever."""
    if os.environ["RANK"] == "0":
        time.sleep(600)
    if how == "user":
        raise UserError("the file is empty")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("boom")


def say(folder: str) -> None:
    """Each rank logs a line and a warning."""
    logging.getLogger("protloc").info("line of %s", os.environ["RANK"])
    logging.getLogger("protloc").warning("warning of %s", os.environ["RANK"])
    (Path(folder) / os.environ["RANK"]).write_text(str(os.getpid()))


def wait_for_ever(folder: str) -> None:
    """Say who is there, then wait."""
    (Path(folder) / os.environ["RANK"]).write_text(str(os.getpid()))
    time.sleep(600)


def run(function: object, *arguments: object) -> object:
    return launch(function, arguments, processes=2, nodes=1, rendezvous=None)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ranks_work_together_and_give_a_value_back() -> None:
    assert run(add_up, 10) == 13
    assert run(add_up, 20) == 23, "and again, as in a sweep"


def test_a_rank_that_raises_ends_all_with_its_own_traceback() -> None:
    with pytest.raises(RankError) as caught:
        run(second_fails, "bug")
    text = str(caught.value)
    assert text.startswith("rank 1 of 2 failed with exit code 1; the others were ended")
    assert text.count("ValueError: boom") == 1
    assert "in second_fails" in text


def test_a_mistake_of_the_user_stays_one() -> None:
    with pytest.raises(UserError, match=r"^the file is empty$"):
        run(second_fails, "user")


def test_a_killed_rank_ends_all() -> None:
    with pytest.raises(RankError, match=r"rank 1 of 2 failed with exit code -9 \(SIGKILL\); the others were ended"):
        run(second_fails, "killed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_ends_all_and_leaves_the_handlers_as_they_were(number: signal.Signals, tmp_path: Path) -> None:
    before = signal.getsignal(number)

    def send() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    threading.Thread(target=send).start()
    with pytest.raises(Stopped) as caught:
        run(wait_for_ever, str(tmp_path))
    assert (caught.value.code, caught.value.name) == (128 + number, number.name)
    assert not any(alive(int(path.read_text())) for path in tmp_path.iterdir())
    assert signal.getsignal(number) is before


def test_the_first_rank_logs_and_the_others_warn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    handler = logging.FileHandler(tmp_path / "run.log")
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [handler]
    try:
        (tmp_path / "ranks").mkdir()
        run(say, str(tmp_path / "ranks"))
    finally:
        root.handlers[:] = before
        handler.close()
    assert (tmp_path / "run.log").read_text().splitlines() == ["line of 0", "warning of 0"]
    said = capfd.readouterr().err
    assert "[rank 1] WARNING warning of 1" in said
    assert "line of 1" not in said


def test_several_machines_need_a_meeting_point() -> None:
    with pytest.raises(UserError, match=r"trainer\.nodes above 1 needs trainer\.rendezvous=HOST:PORT"):
        launch(add_up, (1,), processes=1, nodes=2, rendezvous=None)


def test_who_has_started_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert outer_rank() is None
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert outer_rank() == 3
