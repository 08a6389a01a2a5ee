"""A message as people read it: a title of one line, and plain text. Each channel escapes what it would interpret."""

from collections import Counter
from collections.abc import Sequence

from ingest.alerts.alert import Message, Note, State
from ingest.clock import iso

NOTES = 10  # told in full; of more than these the rest is counted
_GROUPS = 8
_TEXT = 300  # characters of one text: what an exchange says may be long
_OPEN: Sequence[State] = ("raised", "worse", "still")
_STATES: Sequence[State] = (*_OPEN, "passed", "recovered")


def title(message: Message, name: str) -> str:
    """One line: who speaks, and what it is about."""
    return f"[ticklake {_line(name)}] {_subject(message)}"


def body(message: Message) -> str:
    """The text below the title."""
    lines = [_line(text) for text in (message.report or "").splitlines()]
    ordered = sorted(message.notes, key=_urgency)
    lines += [_sentence(note) for note in ordered[:NOTES]]
    if rest := ordered[NOTES:]:
        lines.append(f"and {len(rest)} more: {_counts(rest)}")
    if message.no_room:
        lines.append(f"and {message.no_room} more that there was no room for")
    if message.undelivered:
        lines.append(f"messages before this one that this channel refused: {message.undelivered}")
    return "\n".join(lines)


def lasting(seconds: float) -> str:
    """A duration as people say it."""
    whole = round(seconds)
    for size, unit, below, of_below in ((86_400, "d", "h", 3600), (3600, "h", "min", 60)):
        if whole >= size:
            rest = whole % size // of_below
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole // 60} min" if whole >= 60 else f"{whole} s"  # noqa: PLR2004 - seconds of a minute


def clipped(text: str, most: int) -> str:
    """The text, or its beginning and how much is missing."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most} characters more)"


def _subject(message: Message) -> str:
    notes = message.notes
    if message.report is not None:
        return "report"
    if len(notes) == 1 and not message.no_room:
        (note,) = notes
        return _line(f"{note.severity if note.state in _OPEN else note.state}: {note.key}")
    counts = Counter(note.state for note in notes)
    parts = [f"{counts[state]} {state}" for state in _STATES if counts[state]]
    worst = max((note.severity for note in notes if note.state in _OPEN), default=None)
    told = ", ".join([*parts, *([f"{message.no_room} without room"] if message.no_room else [])])
    return f"{worst}: {told}" if worst else told


def _urgency(note: Note) -> tuple[bool, int]:
    return note.state not in _OPEN, -note.severity


def _sentence(note: Note) -> str:
    severity = str(note.severity).upper()
    since = f"since {_moment(note.since_ns)}"
    back = f", came back {_times(note.returns)}" if note.returns else ""
    what = f"{_line(str(note.key))}: {_line(note.text)}"
    match note.state:
        case "raised":
            return f"{severity} {what} ({since}{back})"
        case "worse":
            return f"NOW {severity} {what} ({since}{back})"
        case "still":
            return f"STILL {severity} {what} ({since}, for {lasting(note.seconds)}{back})"
        case "passed":
            return f"PASSED {severity} {what} ({since}, for {lasting(note.seconds)}{back})"
        case "recovered":
            return f"RECOVERED {_line(str(note.key))} ({since}, for {lasting(note.seconds)}{back})"


def _counts(notes: Sequence[Note]) -> str:
    groups = Counter(f"{_line(note.key.what)} {note.state}" for note in notes).most_common()
    parts = [f"{count} {group}" for group, count in groups[:_GROUPS]]
    if others := sum(count for _, count in groups[_GROUPS:]):
        parts.append(f"{others} of other kinds")
    return ", ".join(parts)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _moment(ns: int) -> str:
    return f"{iso(ns)[:19].replace('T', ' ')} UTC"


def _line(text: str) -> str:
    """The text in one line of characters that can be seen: it may have come from anywhere."""
    return clipped("".join(letter if letter.isprintable() else " " for letter in text).strip(), _TEXT)
