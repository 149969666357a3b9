"""The wheel: what is inside, and that it works in a fresh environment, from any folder."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.scripts import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_its_configurations(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {str(p.relative_to(ROOT)) for p in (ROOT / "protloc").rglob("*.py")}
    conf = {f"protloc/{p.relative_to(ROOT)}" for p in (ROOT / "conf").rglob("*.yaml")}
    assert package | conf <= names
    assert {name.split("/")[0] for name in names} == {
        "protloc",
        "hydra_plugins",
        wheel.name.split("-py3")[0] + ".dist-info",
    }


def test_the_wheel_works_in_a_fresh_environment_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """The dependencies come from this environment by a path file: they are large, and are not what is tested."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for arguments, expected in (
        (["protloc-train", "--cfg", "job"], "model:\n  name: tiny\n"),
        (["protloc-train", "--help"], "python train.py"),
        (["protloc-train", "hydra/launcher=sagemaker", "--cfg", "hydra"], "SageMakerLauncher"),
        (["protloc-launch", "--help"], "python launch_sagemaker.py"),
        (["protloc-predict", "--cfg", "job", "model_dir=x", "input=y"], "model_dir: x\n"),
    ):
        command = [str(tmp_path / "env" / "bin" / arguments[0]), *arguments[1:]]
        result = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert expected in result.stdout
    code = "import protloc; print(protloc.__file__)"
    where = subprocess.run([str(python), "-c", code], cwd=elsewhere, capture_output=True, text=True, check=True).stdout
    assert where.startswith(str(site))
    assert list(elsewhere.iterdir()) == []
