"""Does predict.py hold its memory constant? A generated proteome, and the process's resident memory as it goes on.

python benchmarks/memory.py MODEL_DIR --proteins 1000000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


def write_proteome(path: Path, count: int, shortest: int, longest: int) -> None:
    """`count` proteins of random residues and lengths, written as they are drawn."""
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", dtype=np.uint8)
    pool = letters[rng.integers(0, 20, size=1_000_000)].tobytes()
    with open(path, "wb") as out:
        for i in range(count):
            start = int(rng.integers(0, len(pool) - longest))
            out.write(b">sp|Q%07d|GENERATED\n%b\n" % (i, pool[start : start + int(rng.integers(shortest, longest))]))


def resident(pid: int) -> float:
    """MiB of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def watch(process: subprocess.Popen[bytes], rows: Path, every: int) -> list[tuple[int, float]]:
    """(rows written, MiB) each time that about `every` more rows are there."""
    curve: list[tuple[int, float]] = []
    written, position = 0, 0
    while process.poll() is None:
        time.sleep(0.5)
        for path in rows.parent.glob(f".{rows.name}.tmp"):
            with open(path, "rb") as file:
                file.seek(position)
                new = file.read()
            position += len(new)
            written += new.count(b"\n")
        if written >= every * (len(curve) + 1):
            curve.append((written, resident(process.pid)))
            print(f"{curve[-1][0]:12,} proteins {curve[-1][1]:8.0f} MiB", flush=True)
    return curve


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir")
    parser.add_argument("--proteins", type=int, default=1_000_000)
    parser.add_argument("--shortest", type=int, default=30, help="residues")
    parser.add_argument(
        "--longest", type=int, default=90, help="residues; short ones, as it is memory that is measured"
    )
    parser.add_argument("--points", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, rows = Path(folder) / "proteome.fasta", Path(folder) / "rows.csv"
        write_proteome(source, options.proteins, options.shortest, options.longest)
        print(f"{options.proteins:,} proteins, {source.stat().st_size / 2**20:.0f} MiB of FASTA")
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "predict.py"), f"model_dir={options.model_dir}", f"input={source}",
             f"output={rows}", "device=cpu"]
        )  # fmt: skip
        curve = watch(process, rows, options.proteins // (options.points + 1))
        if process.returncode:
            sys.exit(process.returncode)
        with open(rows, "rb") as file:
            found = sum(1 for _ in file) - 1
        first, last = curve[0][1], curve[-1][1]
        print(f"{found:,} rows; from the first point to the last {last - first:+.0f} MiB ({last / first - 1:+.1%})")


if __name__ == "__main__":
    main()
