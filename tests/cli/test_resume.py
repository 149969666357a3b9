"""Going on with a run: the words that began it, and what may differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from protloc.cli.resume import check_same, check_unused, overrides_to_resume
from protloc.errors import UserError
from protloc.runs.folder import store_run

CONFIG = {
    "seed": 1, "resume": None, "data": {"train": "a.fasta"}, "trainer": {"gpus": 0, "epochs": 3, "args": {}},
    "logger": {"name": "none"},
}  # fmt: skip


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run folder."""
    store_run(tmp_path, CONFIG, ["model=tiny", "seed=1", "data.path='a b'"])
    return tmp_path


def test_without_resume_nothing_changes() -> None:
    assert overrides_to_resume(["-m", "seed=1,2"]) == ["-m", "seed=1,2"]
    assert overrides_to_resume(["resume=null"]) == ["resume=null"]


def test_the_first_words_come_back_and_new_ones_win(begun: Path) -> None:
    words = overrides_to_resume([f"resume={begun}", "seed=1", "trainer.gpus=2"])
    assert words == ["model=tiny", "data.path='a b'", f"resume={begun}", "seed=1", "trainer.gpus=2",
                     f"hydra.run.dir={begun}"]  # fmt: skip


def test_auto_begins_or_goes_on_or_has_nothing_to_do(
    begun: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    new = [f"hydra.run.dir={tmp_path_factory.mktemp('new')}", "resume=auto", "model=tiny"]
    assert overrides_to_resume(new) == new
    there = overrides_to_resume([f"hydra.run.dir={begun}", "resume=auto", "model=tiny"])
    assert there == ["seed=1", "data.path='a b'", "resume=auto", "model=tiny", f"hydra.run.dir={begun}"]
    (begun / "metrics.json").write_text("{}")
    with pytest.raises(SystemExit) as caught:
        overrides_to_resume([f"hydra.run.dir={begun}", "resume=auto"])
    assert caught.value.code == 0
    assert "has come to its end; nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["resume=nowhere"], "resume=nowhere: no run of train.py was begun there"),
        (["resume=auto"], "resume=auto needs hydra.run.dir=FOLDER"),
        (["-m", "resume=x"], "resume= goes on with one run"),
    ],
)
def test_refusals(words: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        overrides_to_resume(words)


def test_a_run_at_its_end_is_not_begun_again(begun: Path) -> None:
    (begun / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match="this run has come to its end; its model is in"):
        overrides_to_resume([f"resume={begun}"])
    (begun / "metrics.json").write_text('{"pruned": true}')
    with pytest.raises(UserError, match="its search has stopped this run early; begin a new run with its words"):
        overrides_to_resume([f"resume={begun}"])


def test_what_may_change_and_what_not(begun: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trainer = CONFIG["trainer"]
    assert isinstance(trainer, dict)
    moved = {**CONFIG, "resume": str(begun), "data": {"train": "b.fasta"}, "trainer": {**trainer, "gpus": 2}}
    check_same(begun, moved)
    assert "going on with data.train=b.fasta (was a.fasta)" in caplog.text
    assert "going on with trainer.gpus=2 (was 0)" in caplog.text
    with pytest.raises(UserError, match=r"with other options: seed=2 \(was 1\), trainer.epochs=9 \(was 3\)"):
        check_same(begun, {**CONFIG, "seed": 2, "trainer": {**trainer, "epochs": 9, "gpus": 2}})


@pytest.mark.parametrize("name", ["checkpoints", "metrics.json", "predictions_test.csv"])
def test_a_folder_with_what_a_run_leaves_is_not_used_again(tmp_path: Path, name: str) -> None:
    """A table of predictions there may be the proteins that the new run is to learn from."""
    check_unused(tmp_path)
    (tmp_path / name).write_text("precious")
    with pytest.raises(UserError, match=rf"holds a run already \({name}\)"):
        check_unused(tmp_path)
