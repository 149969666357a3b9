"""Checkpoints: which one a run goes on from, whatever became of their files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from protloc.config import MISSING, TrainConfig
from protloc.errors import UserError
from protloc.training.checkpoints import COMPLETE, checkpoint_to_resume, is_whole, mark_whole

RESUMED = TrainConfig(MISSING, MISSING, MISSING, MISSING, MISSING, resume="auto")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run with three checkpoints, the second its best, the first the best until then."""
    for step, best in ((3, 3), (6, 6), (9, 6)):
        path = tmp_path / "checkpoints" / f"checkpoint-{step}"
        (path / "optimizer").mkdir(parents=True)
        (path / "model.safetensors").write_bytes(b"weights")
        (path / "optimizer" / "part_0").write_bytes(b"moments")
        state = {"best_model_checkpoint": str(path.with_name(f"checkpoint-{best}"))}
        (path / "trainer_state.json").write_text(json.dumps(state))
        mark_whole(path, "proteins")
    return tmp_path


def resumed(run_dir: Path, data: str = "proteins") -> str | None:
    """The name of the checkpoint that the run goes on from."""
    path = checkpoint_to_resume(RESUMED, run_dir, data)
    return Path(path).name if path else None


def names(run_dir: Path) -> list[str]:
    return sorted(path.name for path in (run_dir / "checkpoints").iterdir())


def test_the_last_file_lists_the_others(run_dir: Path) -> None:
    path = run_dir / "checkpoints" / "checkpoint-3"
    files = {
        "model.safetensors": 7,
        "optimizer/part_0": 7,
        "trainer_state.json": (path / "trainer_state.json").stat().st_size,
    }
    assert json.loads((path / COMPLETE).read_text()) == {"data": "proteins", "files": files}


def test_the_newest_is_used(run_dir: Path) -> None:
    assert resumed(run_dir) == "checkpoint-9"
    assert names(run_dir) == ["checkpoint-3", "checkpoint-6", "checkpoint-9"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer/part_0", "trainer_state.json", COMPLETE])
@pytest.mark.parametrize("content", [None, b"", b"half"])
def test_a_torn_one_is_removed_and_the_one_before_it_used(
    name: str, content: bytes | None, run_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = run_dir / "checkpoints" / "checkpoint-9"
    (path / name).unlink()
    if content is not None:
        (path / name).write_bytes(content)
    assert resumed(run_dir) == "checkpoint-6"
    assert f"{path} is half-written: it is removed, and the one before it used" in caplog.text
    assert names(run_dir) == ["checkpoint-3", "checkpoint-6"]


def test_one_whose_best_is_torn_is_not_used(run_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    (run_dir / "checkpoints" / "checkpoint-6" / "model.safetensors").write_bytes(b"")
    assert resumed(run_dir) == "checkpoint-3"
    assert "checkpoint-9 needs checkpoint-6, which is half-written" in caplog.text
    assert names(run_dir) == ["checkpoint-3"]


def test_all_torn_begins(run_dir: Path) -> None:
    for path in (run_dir / "checkpoints").iterdir():
        (path / "model.safetensors").unlink()
    assert resumed(run_dir) is None


def test_a_run_that_was_moved_finds_its_best(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    moved = run_dir.rename(tmp_path_factory.mktemp("elsewhere") / "run")
    path = moved / "checkpoints" / "checkpoint-9"
    assert resumed(moved) == path.name
    state = json.loads((path / "trainer_state.json").read_text())
    assert state["best_model_checkpoint"] == str(path.with_name("checkpoint-6"))
    assert is_whole(path)


def test_other_proteins_are_refused(run_dir: Path) -> None:
    with pytest.raises(UserError, match="the proteins have changed since this checkpoint was written"):
        resumed(run_dir, "others")
    assert len(names(run_dir)) == 3
