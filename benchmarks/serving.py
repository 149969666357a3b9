"""What is gained by computing requests together? The server, and the same server computing one request at a time.

    python benchmarks/serving.py
    python benchmarks/serving.py --model-dir RUN/model --input proteome.fasta --json serving.json

- `protloc`: `python -m protloc.serving` as users start it.
- `one by one`: the same process, HTTP and model, but each request is a batch of its own.

Both run side by side and are asked in turn, by clients that each send the next request when the last one is answered,
on a connection that stays open. Latency is what a client waits. The clients take their share of the processor too.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SERVERS = {"one by one": [__file__, "--one-by-one"], "protloc": ["-m", "protloc.serving"]}


@dataclass(frozen=True)
class Figures:
    """One server under one load.

    Attributes:
        throughput: proteins a second.
        p50: the time that half of the requests took at most, in ms.
        p99: the time that 99 of 100 took at most, in ms.
    """

    throughput: float
    p50: float
    p99: float


def serve_one_by_one(words: list[str]) -> None:
    """The server's process, without batching."""
    from protloc.cli.main import serve
    from protloc.serving import app
    from protloc.serving.batcher import Batcher, Request

    class OneByOne(Batcher):
        """A batch is the request that has waited longest."""

        def _take(self) -> list[tuple[Request, Any]]:
            with self._changed:
                first = self._requests[0]
            return [(first, first.proteins)]

    app.Batcher = OneByOne
    sys.argv[1:] = [*words, "wait_ms=0"]
    serve()


@contextmanager
def started(command: list[str], model_dir: Path, device: str) -> Iterator[str]:
    """A server's address, while it runs."""
    words = [f"model_dir='{model_dir}'", "port=0", f"device={device}", "queue=1024"]
    environment = {**os.environ, "THP_MEM_ALLOC_ENABLE": "1"}  # as the command sets it, before torch is imported
    process = subprocess.Popen(
        [sys.executable, *command, *words], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"http://(\S+)", line)
        if found is None:
            raise SystemExit(line + process.stderr.read())
        threading.Thread(target=process.stderr.read, daemon=True).start()  # its log, so that it never waits for us
        yield found[1]
    finally:
        process.terminate()
        process.wait()


def load(address: str, bodies: list[str], clients: int, proteins: int) -> Figures:
    """Send every body once, `clients` at a time; each holds `proteins`."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for body in bodies:
        waiting.put(body)
    seconds: list[float] = []

    def client() -> None:
        connection = http.client.HTTPConnection(address)
        while True:
            try:
                body = waiting.get_nowait()
            except queue.Empty:
                return connection.close()
            began = time.perf_counter()
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            seconds.append(time.perf_counter() - began)
            if answer.status != 200 or len(json.loads(content)) != proteins:
                raise RuntimeError(f"{answer.status}: {content[:200]!r}")

    threads = [threading.Thread(target=client) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = time.perf_counter() - began
    if len(seconds) != len(bodies):
        raise SystemExit("a client ended before its time")
    p50, p99 = 1000 * np.percentile(seconds, [50, 99])
    return Figures(len(bodies) * proteins / whole, float(p50), float(p99))


def requests(options: argparse.Namespace) -> list[str]:
    """The bodies: proteins of a file or random ones, in a seeded order, the same for every server and load."""
    count = options.requests * options.proteins
    rng = np.random.default_rng(0)
    if options.input is None:
        from throughput import protein_lengths

        letters = list("ACDEFGHIKLMNPQRSTVWY")
        sequences = ["".join(rng.choice(letters, size=n)) for n in protein_lengths(None, count)]
    else:
        from protloc.data.fasta import read_fasta
        from protloc.data.records import Protein

        found = [record.sequence for record in read_fasta(str(options.input)) if isinstance(record, Protein)]
        sequences = [found[i] for i in rng.choice(len(found), size=count)]
    return [json.dumps({"sequences": sequences[i : i + options.proteins]}) for i in range(0, count, options.proteins)]


def default_model(folder: Path, name: str) -> Path:
    """A model with random weights, which do not change the speed: the default one, or a small BERT."""
    if name == "small":
        from pipeline import folders

        return folders(folder, "small")[1]
    import yaml

    from protloc.config import ModelConfig, Recipe
    from protloc.model.build import build_model

    values = yaml.safe_load((ROOT / "conf" / "model" / "tiny.yaml").read_text())
    del values["defaults"]
    model, tokenizer = build_model(
        ModelConfig(**{**values, "recipe": Recipe(**values["recipe"])}), [f"class {i}" for i in range(10)]
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def medians(rounds: list[Figures]) -> Figures:
    """Each figure's median over the rounds."""
    return Figures(
        *(float(np.median(column)) for column in zip(*(asdict(each).values() for each in rounds), strict=True))
    )


def table(found: dict[int, dict[str, Figures]]) -> str:
    """The figures in Markdown."""
    head = [f"{name}: {what}" for name in SERVERS for what in ("proteins/s", "p50 ms", "p99 ms")]
    lines = ["| clients | " + " | ".join(head) + " | throughput |", "|---" * (len(head) + 2) + "|"]
    for clients, servers in found.items():
        cells = [f"{value:,.0f}" for name in SERVERS for value in asdict(servers[name]).values()]
        gain = servers["protloc"].throughput / servers["one by one"].throughput
        lines.append(f"| {clients} | " + " | ".join(cells) + f" | {gain:.2f} × |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", type=Path, help="a model folder; without it, one with random weights")
    parser.add_argument("--model", default="tiny", choices=("tiny", "small"), help="which one then")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--input", type=Path, help="FASTA; without it, random proteins with lengths like DeepLoc's")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--requests", type=int, default=512, help="a load")
    parser.add_argument("--proteins", type=int, default=1, help="a request")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved; medians are shown")
    parser.add_argument("--json", type=Path, help="where the figures of every round go")
    options = parser.parse_args()
    bodies = requests(options)
    seen: dict[int, dict[str, list[Figures]]] = {n: {name: [] for name in SERVERS} for n in options.clients}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        model_dir = options.model_dir or default_model(Path(folder), options.model)
        addresses = {
            name: running.enter_context(started(command, model_dir.resolve(), options.device))
            for name, command in SERVERS.items()
        }
        for address in addresses.values():
            load(address, bodies[:32], 4, options.proteins)  # to warm up
        for _ in range(options.rounds):
            for clients in options.clients:
                for name, address in addresses.items():
                    seen[clients][name].append(load(address, bodies, clients, options.proteins))
    shown = (
        f"{options.requests} requests a load, of {options.proteins} proteins each; medians of {options.rounds} rounds"
    )
    print(f"{options.model_dir or options.model}, {options.device}, {os.cpu_count()} cores; {shown}\n")
    print(table({n: {name: medians(rounds) for name, rounds in of.items()} for n, of in seen.items()}))
    if options.json:
        rounds = [
            {"clients": n, "server": name, "round": i, **asdict(figures)}
            for n, of in seen.items() for name, each in of.items() for i, figures in enumerate(each)
        ]  # fmt: skip
        settings = {name: str(value) for name, value in vars(options).items()}
        options.json.write_text(json.dumps({"settings": settings, "rounds": rounds}, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one-by-one"]:
        serve_one_by_one(sys.argv[2:])
    else:
        main()
