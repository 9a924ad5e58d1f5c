"""Where the episodes in a bag begin and end."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from lerobot_recorder.discovery import JOY, TEXT
from lerobot_recorder.errors import BagError, ConfigError
from lerobot_recorder.excerpt import listing
from lerobot_recorder.importing.parameters import ImportParameters
from lerobot_recorder.importing.sim_time import TimedBag
from lerobot_recorder.importing.streams import require_topic
from lerobot_recorder.recording import CompletedEpisode
from lerobot_recorder.status import from_json
from lerobot_recorder.topics import task_in

BOOL = "std_msgs/msg/Bool"
_COMPLETED = "episode_completed"
_EPOCH_S = 1e8
"""Larger numbers are seconds since 1970, smaller ones since the start of the bag."""

_UNREADABLE: Mapping[type[OSError], str] = {
    FileNotFoundError: "it does not exist: check the path",
    IsADirectoryError: "it is a directory: give the path of a CSV file",
    PermissionError: "you may not read it: change its permissions",
}

_COLUMNS = ("start", "end", "task", "bag")


@dataclass(frozen=True)
class Cut:
    """A part of a bag that is an episode.

    Attributes:
        start_ns: earliest time of the first row; its exact time if ``rows`` is given
        end_ns: latest time of the last row
        task: what it shows; empty: the task of the parameters
        rows: number of rows; 0: as many as fit
        success: the operator's mark; None: there is none
        said: the last text on the task's topic before it, and all during it, with their times
        missing: what the bag lacks of it; empty: nothing
        is_timed: whether its start is a time that was given, marked or announced, so that it lacks something
            if its first row is later
    """

    start_ns: int
    end_ns: int
    task: str = ""
    rows: int = 0
    success: bool | None = None
    said: tuple[tuple[int, str], ...] = ()
    missing: str = ""
    is_timed: bool = True

    def task_at(self, time_ns: int) -> str:
        """Return its task if its first row is at a time: the last text until then, else the first one."""
        texts = [text for at_ns, text in self.said if at_ns <= time_ns]
        return self.task or (texts[-1] if texts else self.said[0][1] if self.said else "")


@dataclass(frozen=True)
class Range:
    """A time range as it is given.

    Attributes:
        start: seconds since the start of the bag, seconds since 1970, or a date in ISO 8601; empty: the start
        end: the same; empty: the end of the bag
        task: what it shows; empty: the task of the parameters
        bag: name or path of the bag; empty: any
        place: where it is given, for messages
    """

    start: str
    end: str
    task: str = ""
    bag: str = ""
    place: str = "--range"


@dataclass(frozen=True)
class Cutting:
    """How bags are cut into episodes.

    Attributes:
        by: ``whole``: each bag is an episode; ``recorder``: the episodes that the recorder announced;
            ``marks``: a topic; ``ranges``: given times; ``gaps``: times without messages
        topic: topic for ``marks``
        button: number of the button for ``marks`` by a joystick
        gap_s: length of a gap
        ranges: the time ranges
        task_topic: topic with the task that is valid when an episode starts; empty: that of the parameters

    Raises:
        ConfigError: the gap has no length
    """

    by: Literal["whole", "recorder", "marks", "ranges", "gaps"] = "whole"
    topic: str = ""
    button: int = 0
    gap_s: float = 0.0
    ranges: tuple[Range, ...] = ()
    task_topic: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.gap_s * 1e9):
            raise ConfigError(f"--gap {self.gap_s:g}: expected a number of seconds, such as 5")


def cuts_of(
    bag: TimedBag, topics: Sequence[str], cutting: Cutting, parameters: ImportParameters
) -> list[Cut]:
    """Return the episodes in a bag, in the order of their times.

    Args:
        bag: the bag
        topics: the topics that are recorded
        cutting: how to cut
        parameters: for the names of topics and the rate

    Raises:
        BagError: a topic that marks episodes is missing, or the bag cannot be read.
        ConfigError: time ranges cannot be read, or overlap.
    """
    found = {
        "whole": lambda: [Cut(bag.start_ns, bag.end_ns, is_timed=False)],
        "recorder": lambda: _recorded(bag, parameters),
        "marks": lambda: _marked(bag, parameters.topic(cutting.topic), cutting.button),
        "ranges": lambda: _ranges(bag, cutting.ranges, parameters.rows.fps),
        "gaps": lambda: _between_gaps(bag, topics, cutting.gap_s),
    }[cutting.by]()
    cuts = sorted(found, key=lambda cut: cut.start_ns)
    for before, after in pairwise(cuts):
        if after.start_ns < before.end_ns:
            start_s = (after.start_ns - bag.start_ns) / 1e9
            raise ConfigError(
                f"{bag.path}: two episodes overlap at {start_s:.2f} s: expected one after the other"
            )
    task_topic = cutting.task_topic or parameters.rows.task_topic
    return _with_tasks(bag, cuts, parameters.topic(task_topic)) if task_topic else cuts


# Episodes of our recorder


def _recorded(bag: TimedBag, parameters: ImportParameters) -> list[Cut]:
    """Return the episodes that the recorder announced; earlier ones were kept for late subscribers."""
    topic, fps = parameters.topic(_COMPLETED), parameters.rows.fps
    require_topic(bag, topic, (TEXT,))
    episodes: dict[str, CompletedEpisode] = {}
    for message in bag.messages([topic]):
        try:
            episode = from_json(CompletedEpisode, json.loads(message.decode().data))
        except (ValueError, TypeError, AttributeError) as error:
            raise BagError(f"{bag.path}: a message on {topic} is not one of the recorder: {error}") from error
        if not episode.started_at_ns:
            raise BagError(
                f"{bag.path}: the messages on {topic} lack started_at_ns, because the recorder was an "
                "earlier version: cut by ranges, marks or gaps"
            )
        if episode.fps != fps:
            raise ConfigError(
                f"{bag.path}: the recorder took {episode.fps} rows per second, but fps is {fps}: "
                f"set fps to {episode.fps}"
            )
        episodes[episode.episode_id] = episode
    cuts = [_of_recorder(episode) for episode in episodes.values() if episode.length]
    return [cut for cut in cuts if cut.end_ns > bag.start_ns and cut.start_ns < bag.end_ns]


def _of_recorder(episode: CompletedEpisode) -> Cut:
    last_ns = episode.started_at_ns + (episode.length - 1) * 1_000_000_000 // episode.fps
    return Cut(episode.started_at_ns, last_ns, episode.task, episode.length, episode.success)


# Marks


def _marked(bag: TimedBag, topic: str, button: int) -> list[Cut]:
    """Return the episodes that a topic marks; one that has not ended lasts until the end of the bag."""
    message_type = require_topic(bag, topic, (BOOL, TEXT, JOY))
    cuts: list[Cut] = []
    start_ns, current = 0, ""
    for time_ns, state in _states(bag, topic, message_type, button):
        if state == current:
            continue
        if current:
            cuts.append(Cut(start_ns, time_ns, current.strip()))
        start_ns, current = time_ns, state
    return [*cuts, Cut(start_ns, bag.end_ns, current.strip())] if current else cuts


_WITHOUT_TASK = " "


def _states(bag: TimedBag, topic: str, message_type: str, button: int) -> Iterator[tuple[int, str]]:
    """Yield the task at each message: `_WITHOUT_TASK` in an episode without one, empty between episodes."""
    state, was_pressed = "", False
    for message in bag.messages([topic]):
        content = message.decode()
        if message_type == TEXT:
            state = content.data.strip()
        elif message_type == BOOL:
            state = _WITHOUT_TASK if content.data else ""
        else:
            pressed = _is_pressed(bag, topic, content.buttons, button)
            if pressed and not was_pressed:
                state = "" if state else _WITHOUT_TASK
            was_pressed = pressed
        yield message.log_ns, state


def _is_pressed(bag: TimedBag, topic: str, buttons: Sequence[int], button: int) -> bool:
    if button >= len(buttons):
        raise BagError(
            f"{bag.path}: {topic} has {len(buttons)} buttons, 0 to {len(buttons) - 1}, not {button}"
        )
    return bool(buttons[button])


# Times


def _ranges(bag: TimedBag, ranges: Iterable[Range], fps: int) -> list[Cut]:
    return [_cut(bag, each, fps) for each in ranges if not each.bag or _names(each.bag, bag.path)]


def unmatched(ranges: Iterable[Range], bags: Sequence[Path]) -> list[str]:
    """Return a sentence for each name of a bag that no bag has, with the lines of its ranges."""
    lines: dict[tuple[str, str], list[str]] = {}
    for each in ranges:
        if each.bag and not any(_names(each.bag, bag) for bag in bags):
            file, colon, line = each.place.rpartition(":")
            lines.setdefault((file + colon, each.bag), []).append(line)
    given = listing([bag.name for bag in bags])
    return [
        f"{place}{listing(numbers)}: no bag is named {name!r}: expected {given}"
        for (place, name), numbers in lines.items()
    ]


def _names(name: str, path: Path) -> bool:
    given = Path(name).expanduser()
    return name in (path.name, path.stem) or given.absolute() == path.absolute()


def _cut(bag: TimedBag, given: Range, fps: int) -> Cut:
    start_ns = _time_ns(bag, given.start, given.place) if given.start else bag.start_ns
    end_ns = _time_ns(bag, given.end, given.place) if given.end else bag.end_ns
    if start_ns >= end_ns or start_ns >= bag.end_ns or end_ns <= bag.start_ns:
        length_s = (bag.end_ns - bag.start_ns) / 1e9
        raise ConfigError(
            f"{given.place}: {given.start or 'start'} to {given.end or 'end'} is no time range of "
            f"{bag.path}, which is {length_s:.2f} s long and starts at {_iso(bag.start_ns)}"
        )
    missing = _missing(bag, start_ns, end_ns, 1_000_000_000 // fps)
    times = max(start_ns, bag.start_ns), min(end_ns, bag.end_ns)
    return Cut(*times, given.task, missing=missing, is_timed=bool(given.start))


def _missing(bag: TimedBag, start_ns: int, end_ns: int, period_ns: int) -> str:
    """Return by how much a time range reaches beyond a bag; less than a row is nothing."""
    found = []
    if (before_ns := bag.start_ns - start_ns) > period_ns:
        found.append(f"starts {before_ns / 1e9:.2f} s after the start of the time range")
    if (after_ns := end_ns - bag.end_ns) > period_ns:
        length_s = (bag.end_ns - bag.start_ns) / 1e9
        found.append(f"ends at {length_s:.2f} s, {after_ns / 1e9:.2f} s before the end of the time range")
    return f"the bag {' and '.join(found)}" if found else ""


def _time_ns(bag: TimedBag, text: str, place: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        return _date_ns(text, place)
    if not math.isfinite(seconds * 1e9):
        raise _no_time(text, place)
    return int(seconds * 1e9) if seconds >= _EPOCH_S else bag.start_ns + int(seconds * 1e9)


def _date_ns(text: str, place: str) -> int:
    try:
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6) * 1000
    except (ValueError, OverflowError):
        raise _no_time(text, place) from None


def _no_time(text: str, place: str) -> ConfigError:
    return ConfigError(
        f"{place}: {text!r} is no time: expected seconds from the start of the bag, seconds since 1970, "
        "or a date such as 2026-11-28T12:30:15"
    )


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, timezone.utc).isoformat(timespec="seconds")


def range_of(text: str) -> Range:
    """Read a range from an option: START,END or START,END,TASK.

    Raises:
        ConfigError: it has another form.
    """
    start, comma, rest = text.partition(",")
    if not comma:
        raise ConfigError(f"--range {text!r}: expected START,END or START,END,TASK, such as 2.5,10,Pick up")
    end, _, task = rest.partition(",")
    return Range(start.strip(), end.strip(), task.strip(), place=f"--range {text}")


def read_ranges(file: Path) -> tuple[Range, ...]:
    """Read ranges from a CSV file with the columns start, end, and perhaps task and bag.

    A first line that names the columns may change their order.

    Raises:
        ConfigError: it cannot be read, or has other columns.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = [(number, row) for number, row in enumerate(csv.reader(lines), 1) if any(row)]
    except OSError as error:
        why = _UNREADABLE.get(type(error)) or error.strerror or str(error)
        raise ConfigError(f"cannot read {file}: {why}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {file}: expected a CSV file in UTF-8: {error}") from error
    columns: Sequence[str] = _COLUMNS
    if rows and "start" in (names := [name.strip().lower() for name in rows[0][1]]):
        if unknown := [name for name in names if name not in _COLUMNS]:
            raise ConfigError(f"{file}:1: unknown column {unknown[0]!r}: expected {', '.join(_COLUMNS)}")
        columns, rows = names, rows[1:]
    if not rows:
        raise ConfigError(f"{file}: expected a line per episode, found none")
    return tuple(_range(file, number, row, columns) for number, row in rows)


def _range(file: Path, number: int, row: Sequence[str], columns: Sequence[str]) -> Range:
    values: dict[str, Any] = dict(zip(columns, (value.strip() for value in row), strict=False))
    if len(row) > len(columns) or not {"start", "end"} <= values.keys():
        raise ConfigError(f"{file}:{number}: expected {','.join(columns)}, found {','.join(row)}")
    return Range(**values, place=f"{file}:{number}")


# Gaps


def _between_gaps(bag: TimedBag, topics: Sequence[str], gap_s: float) -> list[Cut]:
    cuts, gap_ns, start_ns, last_ns = [], int(gap_s * 1e9), 0, 0
    for message in bag.messages(topics):
        if start_ns and message.log_ns - last_ns > gap_ns:
            cuts.append(Cut(start_ns, last_ns, is_timed=False))
            start_ns = 0
        start_ns, last_ns = start_ns or message.log_ns, message.log_ns
    return [*cuts, Cut(start_ns, last_ns, is_timed=False)] if start_ns else cuts


# Tasks


def _with_tasks(bag: TimedBag, cuts: Sequence[Cut], topic: str) -> list[Cut]:
    """Return the cuts with the texts that may be their tasks; empty texts do not count."""
    require_topic(bag, topic, (TEXT,))
    said = [(message.log_ns, task_in(message.decode())) for message in bag.messages([topic])]
    said = [each for each in said if each[1]]
    return [replace(cut, said=tuple(_said_for(cut, said))) for cut in cuts]


def _said_for(cut: Cut, said: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield from [each for each in said if each[0] <= cut.start_ns][-1:]
    yield from (each for each in said if cut.start_ns < each[0] <= cut.end_ns)
