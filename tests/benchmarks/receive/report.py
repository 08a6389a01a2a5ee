"""What the measurements mean: figures, goals, the part of the page. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Found = Mapping[str, Sequence[Mapping[str, float]]]  # contender -> its rounds
BEGIN, NOTES = "## Ingest\n", "### What was tried on the way to the spool\n"
FLAT_MS = 20.0  # by how much the last part's lag may be above the first's

TITLES = {
    "ours": "`ingest collect`",
    "websockets": "`websockets`, the same pipeline",
    "websocketapp": "`WebSocketApp`, json, gzip",
    "cryptofeed": "cryptofeed's Binance handler, json, gzip",
}


@dataclass(frozen=True)
class Goal:
    """A figure and the bound it must not be below, or above."""

    figure: str
    bound: float
    says: str
    is_least: bool = True

    def verdict(self, value: float | None) -> str:
        if value is None:
            return "not measured"
        return "met" if (value >= self.bound if self.is_least else value <= self.bound) else "**missed**"


GOALS = (
    Goal("ratio_websockets", 1.3, "messages a processor second, in those of `websockets` before the same pipeline"),
    Goal("ratio_websocketapp", 4, "the same, in those of `WebSocketApp` with json and gzip"),
    Goal("backlog_end", 0, "frames that wait somewhere after minutes at 80% of the peak, one core", is_least=False),
    Goal("lag_growth_ms", FLAT_MS, "by how much the lag of that run's last fifth is above its first's", is_least=False),
)


def figures(found: Found, long: Mapping[str, Any] | None, *, share: float) -> dict[str, Any]:
    """The JSON line."""
    middle = {name: median(each["rate"] for each in rounds) for name, rounds in found.items() if rounds}

    def ratio(name: str) -> float | None:
        return round(middle["ours"] / middle[name], 3) if "ours" in middle and name in middle else None

    told = dict(long or {})
    lags = [lag for lag in told.get("lag_ms", ()) if lag is not None]
    return {
        "bench": "ingest",
        **{f"ratio_{name}": ratio(name) for name in TITLES if name != "ours"},
        **{f"{name}_k_per_cpu_s": round(middle[name] / 1000, 1) if name in middle else None for name in TITLES},
        "sustained_share": share if long else None,
        "backlog_end": told.pop("backlog_end", None),
        "lag_growth_ms": round(lags[-1] - lags[0], 2) if lags else None,
        **{f"sustained_{name}": round(value) if name == "rate" else value for name, value in told.items()},
    }


HEAD = ("thousand messages a processor second", "times", "min", "median", "max")


def table(found: Found) -> list[tuple[str, ...]]:
    """Contender, number of rounds, min, median, max."""
    rows = []
    for name, title in TITLES.items():
        rates = [each["rate"] / 1000 for each in found.get(name, ())]
        values = [f"{of(rates):.1f}" for of in (min, median, max)] if rates else ["not measured", "", ""]
        rows.append((title, str(len(rates)), *values))
    return rows


def verdicts(told: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Goal, bound, figure, verdict."""
    return [
        (
            f"`{goal.figure}`: {goal.says}",
            f"at {'least' if goal.is_least else 'most'} {goal.bound:g}",
            "?" if told[goal.figure] is None else f"{told[goal.figure]:g}",
            goal.verdict(told[goal.figure]),
        )
        for goal in GOALS
    ]


def page(found: Found, told: Mapping[str, Any], machine: Mapping[str, str], before: str) -> str:
    """The whole page: what stands before our part is the stream's, the notes that people wrote at our part's end stay."""
    stream, _, own = before.partition(BEGIN)
    notes = own[own.index(NOTES) :] if NOTES in own else NOTES
    lines = {
        "goals": _rows(verdicts(told)),
        "head": " | ".join(HEAD),
        "measured": _rows(table(found)),
        "where": "\n".join(f"- {name}: {value}" for name, value in machine.items()),
        "lags": ", ".join("?" if lag is None else f"{lag:g}" for lag in told["sustained_lag_ms"]),
    }
    part = PART.format(**lines, **told)
    return f"{stream.rstrip()}\n\n{BEGIN}{part}{notes}"


def _rows(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


PART = """
Written by `make bench-ingest`, which keeps what is above and the notes at the end. It takes about fifteen minutes on two quiet cores;
`.venv/bin/python -m tests.benchmarks.receive --help` names the parts and other sizes.

| Goal | | here | |
|---|---:|---:|---|
{goals}

| {head} |
|---|---:|---:|---:|---:|
{measured}

One core takes {sustained_peak:,} frames a second. At {sustained_share:.0%} of it, {sustained_rate:,} a second for {sustained_seconds:g} s:
all of the {sustained_frames:,} frames landed. The core was busy for {sustained_core_share:.0%} of the time. Lag from the sender's clock to
ours, medians of five parts of the run: {lags} ms; 99 in 100 within {sustained_lag_p99_ms:g} ms, the longest {sustained_lag_max_ms:g} ms.
The sender was never more than {sustained_late_most:,} frames behind its clock, never more than {sustained_waiting_most} sealed segments
waited, memory stayed below {sustained_rss_mb:g} MB.

{where}

### What is measured at the socket

- Combined `aggTrade` frames of Binance spot, four pairs, made by the simulator's market and framed beforehand; a process of its own
  writes the bytes to the socket, without TLS. Its time does not count.
- Processor seconds of all threads of the client, from the subscription to the end of the process, kernel's included; so the last upload
  counts, the start of Python does not. The last two get a fifth of the 600,000 frames. Contenders take turns in one run. Before a time
  counts, the output is read back: ours and
  `websockets`' byte by byte against what was sent, the others' by the number of lines.
- *ours*: `python -m ingest collect` with its defaults: frames, lines, ids followed, spool synced every 200 ms, segments sealed, gzip
  members, objects in a lake on files.
- *websockets*: its asyncio client before the same spool, lines, members and objects. It does less: which ids are missing is not asked.
- *WebSocketApp*: a callback a message, `json.loads`, `json.dumps`, a gzip file at level 4. No spool, no sync.
- *cryptofeed*: its Binance handler with its own loop, the callback writes the trade as such a line. Measured where
  `make bench-ingest CRYPTOFEED=PYTHON` names a Python that has it, for it is no dependency of ours.

"""
