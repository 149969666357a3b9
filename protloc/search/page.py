"""A search in pictures: one HTML file that needs neither network nor scripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from protloc.search.space import Choice, Interval, Space

WIDTH, HEIGHT, MARGIN = 960, 300, 60

HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
  body {{ font: 15px system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
  svg {{ width: 100%; height: auto }}
  text {{ font-size: 12px; fill: #444 }}
  polyline, path {{ fill: none }}
  .line:hover {{ stroke: #d62728; stroke-width: 4; opacity: 1 }}
  table {{ border-collapse: collapse; font-size: 13px }}
  td, th {{ padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }}
</style>
"""


@dataclass(frozen=True)
class Shown:
    """One trial.

    Attributes:
        number: of the trial, and of its run's folder.
        state: complete, pruned, fail or running.
        values: of the objectives, as a person reads them; a pruned trial's last figure; none where it failed.
        words: its setting.
        params: the same by Optuna's names.
        error: why it failed.
        epochs: how many were judged.
    """

    number: int
    state: str
    values: Sequence[float]
    words: Sequence[str]
    params: Mapping[str, Any]
    error: str
    epochs: int

    @property
    def about(self) -> str:
        """For a person who points at it."""
        values = ", ".join(f"{value:.5g}" for value in self.values) or self.error
        return f"trial {self.number}, {self.state} after {self.epochs} epochs: {values}\n" + "\n".join(self.words)


def page(
    name: str, monitor: str, objectives: Sequence[str], trials: Sequence[Shown], weights: Mapping[str, float],
    space: Space,
) -> str:  # fmt: skip
    """The page.

    Args:
        name: of the search.
        monitor: the figure that was searched for.
        objectives: what the trials' values are.
        trials: in the order of their numbers.
        weights: share of each option in the differences, the largest first.
        space: what was searched.
    """
    title = f"Search {name}"
    label = f"validation {monitor}" if objectives[0] == "figure" else objectives[0]
    lower = objectives[0] != "figure" or monitor == "loss"
    parts = [HEAD.format(title=escape(title)), f"<h1>{escape(title)}</h1>"]
    valued = [trial for trial in trials if trial.values]
    if valued:
        parts += ["<h2>History</h2>", _history(valued, label, lower)]
        parts += ["<h2>Settings side by side</h2>", _parallel(valued, label, lower, space)]
    if len(objectives) > 1 and valued:
        parts += [f"<h2>{escape(label)} and {objectives[1]}</h2>", _against(valued, label, objectives[1])]
    if weights:
        parts += ["<h2>What the differences come from</h2>", _bars(weights)]
    return "\n".join([*parts, "<h2>Trials</h2>", _table(trials, [label, *objectives[1:]])]) + "\n"


def _history(trials: Sequence[Shown], label: str, lower: bool) -> str:
    """Each trial's value by its number, and the best so far as a line."""
    xs = _scale([trial.number for trial in trials], MARGIN, WIDTH - 20)
    ys = _scale([trial.values[0] for trial in trials], HEIGHT - 40, 20)
    better: Callable[[float, float], float] = min if lower else max
    steps, best = [], None
    for trial in trials:
        if trial.state == "complete":
            best = trial.values[0] if best is None else better(best, trial.values[0])
        if best is not None:
            steps.append(f"{xs(trial.number):.1f},{ys(best):.1f}")
    marks = [_dot(xs(trial.number), ys(trial.values[0]), trial) for trial in trials]
    line = f'<polyline points="{" ".join(steps)}" stroke="#1f77b4" stroke-width="2"/>'
    axes = _y_axis(ys, [trial.values[0] for trial in trials]) + _x_axis(xs, [trial.number for trial in trials], "trial")
    return _svg(HEIGHT, f"{label} by trial; filled: to its end, hollow: stopped early; line: the best so far",
                axes + line + "".join(marks))  # fmt: skip


def _against(trials: Sequence[Shown], label: str, other: str) -> str:
    """The first objective against the second."""
    both = [trial for trial in trials if len(trial.values) > 1]
    xs = _scale([trial.values[1] for trial in both], MARGIN, WIDTH - 20)
    ys = _scale([trial.values[0] for trial in both], HEIGHT - 40, 20)
    axes = _y_axis(ys, [trial.values[0] for trial in both]) + _x_axis(xs, [trial.values[1] for trial in both], other)
    marks = "".join(_dot(xs(trial.values[1]), ys(trial.values[0]), trial) for trial in both)
    return _svg(HEIGHT, f"{label} by {other}", axes + marks)


def _parallel(trials: Sequence[Shown], label: str, lower: bool, space: Space) -> str:
    """A line a trial through its values, one axis an option; the darker, the better."""
    keys = list(dict.fromkeys(key for trial in trials for key in trial.params))
    places = _scale(list(range(len(keys) + 1)), MARGIN + 20, WIDTH - MARGIN)
    axes = [_axis(key, trials, space) for key in keys]
    ends = _scale([trial.values[0] for trial in trials], HEIGHT - 40, 40)
    out = []
    for i, key in enumerate([*keys, label]):
        out.append(f'<path d="M{places(i):.1f} 40V{HEIGHT - 40}" stroke="#999"/>')
        shift = HEIGHT - 8 if i % 2 else 18  # names are long: above and below in turn
        out.append(f'<text x="{places(i):.1f}" y="{shift}" text-anchor="middle">{escape(key)}</text>')
        ticks = axes[i][1] if i < len(keys) else _ticks([trial.values[0] for trial in trials])
        at = axes[i][0] if i < len(keys) else ends
        out += [f'<text x="{places(i) + 5:.1f}" y="{at(tick) + 4:.1f}">{escape(_short(tick))}</text>' for tick in ticks]
    ranked = sorted(trials, key=lambda trial: trial.values[0], reverse=lower)  # the best are drawn last, on top
    for rank, trial in enumerate(ranked):
        points = [(places(i), at(trial.params[key])) for i, (key, (at, _)) in enumerate(zip(keys, axes, strict=True))
                  if key in trial.params]  # fmt: skip
        points.append((places(len(keys)), ends(trial.values[0])))
        share = (rank + 1) / len(ranked)
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = ' stroke-dasharray="3 3"' if trial.state == "pruned" else ""
        out.append(
            f'<polyline class="line" points="{line}" stroke="#1f3b6f" stroke-width="{1 + share:.1f}" '
            f'opacity="{0.1 + 0.8 * share**2:.2f}"{dashes}><title>{escape(trial.about)}</title></polyline>'
        )
    return _svg(HEIGHT, "a line a trial; the darker, the better; dashed: stopped early", "".join(out))


def _axis(key: str, trials: Sequence[Shown], space: Space) -> tuple[Callable[[Any], float], list[Any]]:
    """Where a value stands on an option's axis, and the values that are written beside it."""
    values = _values(key.split(" (")[0], space)
    found = [trial.params[key] for trial in trials if key in trial.params]
    if isinstance(values, Choice) or not all(isinstance(value, int | float) for value in found):
        names = list(values.words) if isinstance(values, Choice) else sorted(set(map(str, found)))
        at = _scale(list(range(len(names))), HEIGHT - 40, 40)
        return lambda value: at(names.index(str(value)) if str(value) in names else 0), names
    if isinstance(values, Interval) and values.log and min(found) > 0:
        logs = _scale([math.log(value) for value in found], HEIGHT - 40, 40)
        return lambda value: logs(math.log(value)), [min(found), max(found)]
    return _scale(found, HEIGHT - 40, 40), _ticks(found)


def _values(name: str, space: Space) -> Interval | Choice | None:
    if name in space:
        return space[name]
    inner = [under for values in space.values() if isinstance(values, Choice) for under in values.under.values()]
    return next((found for under in inner if (found := _values(name, under)) is not None), None)


def _bars(weights: Mapping[str, float]) -> str:
    rows = []
    for i, (name, share) in enumerate(weights.items()):
        y = 8 + 24 * i
        rows.append(f'<text x="260" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        rows.append(f'<rect x="270" y="{y}" width="{600 * share:.1f}" height="18" fill="#1f77b4"/>')
        rows.append(f'<text x="{276 + 600 * share:.1f}" y="{y + 13}">{share:.0%}</text>')
    return _svg(
        16 + 24 * len(weights), "share of each option in the differences between trials (fANOVA)", "".join(rows)
    )


def _table(trials: Sequence[Shown], names: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in ("trial", "state", *names, "epochs", "setting"))
    rows = []
    for trial in trials:
        values = [f"{value:.5g}" for value in trial.values] + [""] * (len(names) - len(trial.values))
        cells = [str(trial.number), trial.state, *values, str(trial.epochs), " ".join(trial.words) + f" {trial.error}"]
        rows.append("<tr>" + "".join(f"<td>{escape(cell.strip())}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{head}</tr>\n" + "\n".join(rows) + "\n</table>"


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    """From values to places between `start` and `end`; a single value stands in the middle."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    if low == high:
        return lambda value: (start + end) / 2
    return lambda value: start + (end - start) * ((value if math.isfinite(value) else low) - low) / (high - low)


def _ticks(values: Sequence[float]) -> list[float]:
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    middle = (low + high) // 2 if all(isinstance(value, int) for value in finite) else (low + high) / 2
    return [low, middle, high] if low < high else [low]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _dot(x: float, y: float, trial: Shown) -> str:
    fill = "#1f77b4" if trial.state == "complete" else "white"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="#1f77b4">'
        f"<title>{escape(trial.about)}</title></circle>"
    )


def _y_axis(at: Callable[[float], float], values: Sequence[float]) -> str:
    marks = (
        f'<path d="M{MARGIN - 5} {at(tick):.1f}H{WIDTH}" stroke="#eee"/>'
        f'<text x="{MARGIN - 10}" y="{at(tick) + 4:.1f}" text-anchor="end">{_short(float(tick))}</text>'
        for tick in _ticks(values)
    )
    return "".join(marks)


def _x_axis(at: Callable[[float], float], values: Sequence[float], label: str) -> str:
    marks = (
        f'<text x="{at(tick):.1f}" y="{HEIGHT - 18}" text-anchor="middle">{tick:,.0f}</text>' for tick in _ticks(values)
    )
    return "".join(marks) + f'<text x="{WIDTH / 2}" y="{HEIGHT - 2}" text-anchor="middle">{escape(label)}</text>'


def _svg(height: float, about: str, body: str) -> str:
    return (
        f'<p>{escape(about)}</p>\n<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(about)}">'
        f"{body}</svg>"
    )
