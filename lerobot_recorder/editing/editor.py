"""One edit at a time, in place; the dataset is the old or the new one at every instant."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import math
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lerobot_recorder.dataset import (
    STREAM_KEYS,
    DatasetWriter,
    Edit,
    FeatureDict,
    History,
    Piece,
    Source,
    changed_bytes,
    compose,
    compose_empty,
    differences,
    file_states,
    origin,
    user_features,
    video_keys,
)
from lerobot_recorder.durable import require_room
from lerobot_recorder.editing.selection import Selection
from lerobot_recorder.errors import ConfigError, DatasetError, DatasetMismatchError
from lerobot_recorder.excerpt import counted, excerpt
from lerobot_recorder.spool import Spool
from lerobot_recorder.video import Mp4Files, VideoCutter

UNDO_BYTES = 20 * 1024**3
"""Bytes that the undo of all edits may take on disk; beyond, the oldest edits become final."""


_MARKS: Mapping[object, str] = {True: "success", False: "failure"}

_NAMED = 8
"""Episodes that the description of an edit names."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Change:
    """What an edit does to an episode.

    Attributes:
        episode: its number before; of a merged one, its number in the other dataset.
        what: in words.
        seconds: its length before.
        task: its task before.
        seconds_after: its length after the edit; 0 if it is removed.
        becomes: its number after the edit; None if it is removed.
    """

    episode: int
    what: str
    seconds: float
    task: str
    seconds_after: float
    becomes: int | None


@dataclass(frozen=True)
class _Plan:
    what: str
    pieces: Sequence[Piece]
    changes: Sequence[Change]
    others: Sequence[Source] = ()
    episode_id: str = ""
    order: str = ""


class DatasetEditor:
    """Edits the dataset at ``root``, also while others record into it.

    Every method returns what it changes, episode by episode; if that is nothing, there is no edit to undo.
    Files are touched only if they change, and videos are not encoded again, except for at most ``g - 1``
    frames before the first key frame of a trimmed episode.

    Args:
        root: the dataset's directory.
        dry_run: whether to change nothing.
        at_key_frames: whether cuts move to the next key frame, so that no frame is encoded again.
        progress: called with the numbers of files done and of all files.

    Attributes:
        dry_run: see above.
        renumbered: episodes of which the last edit has changed the number only, with the new number.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        dry_run: bool = False,
        at_key_frames: bool = False,
        progress: Progress = lambda _done, _total: None,
    ) -> None:
        self.root = Path(root).expanduser().absolute()
        self.dry_run = dry_run
        self.renumbered: Mapping[int, int] = {}
        self._at_key_frames, self._progress = at_key_frames, progress
        self._writer = DatasetWriter(self.root, Mp4Files(), forget=Spool(self.root).forget)

    def delete(self, episodes: Selection | Iterable[int]) -> list[Change]:
        """Remove episodes.

        Raises:
            ConfigError: no episode is chosen.
            DatasetError: an episode does not exist, none would be left, or the dataset cannot be edited.
        """

        def plan(source: Source) -> _Plan:
            chosen = set(_chosen(source, episodes))
            return _keeping(source, [n for n in range(source.info.total_episodes) if n not in chosen])

        return self._edit(plan)

    def delete_recorded(self, episode_id: str, order: str) -> list[Change]:
        """Remove an episode for the operator of a recorder, whose ``undo_delete`` can take it back.

        Args:
            episode_id: its identifier in the spool.
            order: identifier that sorts this among removals from the spool.

        Raises:
            DatasetError: the dataset does not have it, or cannot be edited.
        """

        def plan(source: Source) -> _Plan:
            chosen = set(Selection(episode_ids=(episode_id,)).of(source))
            kept = [n for n in range(source.info.total_episodes) if n not in chosen]
            return dataclasses.replace(_keeping(source, kept), episode_id=episode_id, order=order)

        return self._edit(plan)

    def keep(self, episodes: Selection | Iterable[int]) -> list[Change]:
        """Remove all other episodes. Raises the same as `delete`."""
        return self._edit(lambda source: _keeping(source, _chosen(source, episodes)))

    def trim(self, episode: int, start_s: float = 0.0, stop_s: float | None = None) -> list[Change]:
        """Remove the start and the end of an episode.

        Args:
            episode: its number.
            start_s: seconds from its start to its new start.
            stop_s: seconds from its start to its new end; None keeps the end.

        Raises:
            DatasetError: the episode does not exist, or is not that long, or the dataset cannot be edited.
        """

        def plan(source: Source) -> _Plan:
            piece = _existing(source, episode)
            start = self._cut(source, piece, start_s)
            stop = piece.stop if stop_s is None else _row(source, piece, stop_s)
            if not 0 <= start < stop:
                raise DatasetError(f"{self.root}: nothing of episode {episode} would be left")
            if stop - start == piece.length:
                raise DatasetError(
                    f"{self.root}: episode {episode} would keep all {counted(piece.length, 'frame')}; give a "
                    f"later start or an earlier end than 0 s and {source.seconds(episode):g} s"
                )
            return _replaced(source, {episode: [dataclasses.replace(piece, start=start, stop=stop)]}, "trim")

        return self._edit(plan)

    def split(self, episode: int, at_s: float) -> list[Change]:
        """Make two episodes of one; the success mark stays with the second one.

        Args:
            episode: its number.
            at_s: seconds from its start to the start of the second one.

        Raises:
            DatasetError: the episode does not exist, or is not that long, or the dataset cannot be edited.
        """

        def plan(source: Source) -> _Plan:
            piece = _existing(source, episode)
            row = self._cut(source, piece, at_s)
            if not piece.start < row < piece.stop:
                raise DatasetError(
                    f"{self.root}: episode {episode} cannot be split at {at_s:g} s, because one part would "
                    f"have no frame; expected a time from {1 / source.info.fps:.3g} s to "
                    f"{(piece.stop - 1) / source.info.fps:g} s"
                )
            first = dataclasses.replace(piece, stop=row, success=None)
            return _replaced(source, {episode: [first, dataclasses.replace(piece, start=row)]}, "split")

        return self._edit(plan)

    def set_task(self, episodes: Selection | Iterable[int], task: str) -> list[Change]:
        """Give episodes another task. Raises the same as `delete`."""
        if not task.strip():
            raise ConfigError("task: expected a sentence, found an empty one")
        if not task.isprintable():
            raise ConfigError(f"task: expected one line of printable text, found {excerpt(repr(task))}")

        def plan(source: Source) -> _Plan:
            chosen = _chosen(source, episodes)
            chosen = [n for n in chosen if source.tasks_of(source.piece(n)) != [task]]
            new = {n: [dataclasses.replace(source.piece(n), task=task)] for n in chosen}
            return _replaced(source, new, f"task {task!r}")

        return self._edit(plan)

    def set_success(self, episodes: Selection | Iterable[int], success: bool) -> list[Change]:
        """Mark episodes as successes or failures. Raises the same as `delete`."""

        def plan(source: Source) -> _Plan:
            marks = {n: source.recordings.get(n, {}).get("success") for n in _chosen(source, episodes)}
            new = {
                n: [dataclasses.replace(source.piece(n), success=success)]
                for n, mark in marks.items()
                if mark is not success
            }
            before = {n: f", was {_MARKS.get(mark, 'not marked')}" for n, mark in marks.items()}
            return _replaced(source, new, _MARKS[success], before)

        return self._edit(plan)

    def merge(self, others: Sequence[Path | str]) -> list[Change]:
        """Add all episodes of other datasets, which do not change.

        Raises:
            DatasetMismatchError: a dataset differs; the message names each difference.
            DatasetError: a dataset cannot be read, or this one cannot be edited.
        """
        roots = [Path(other).expanduser().absolute() for other in others]
        if not roots:
            raise ConfigError("give at least one dataset to merge")

        def plan(source: Source) -> _Plan:
            sources = [Source(root) for root in roots]
            for other in sources:
                _check_mergeable(source, other)
            pieces = [piece for each in (source, *sources) for piece in each.pieces()]
            numbers = itertools.count(source.info.total_episodes)
            changes = [
                Change(
                    n,
                    f"from {each.root}",
                    each.seconds(n),
                    each.dataset.task(n),
                    each.seconds(n),
                    next(numbers),
                )
                for each in sources
                for n in range(each.info.total_episodes)
            ]
            return _Plan(f"merge {', '.join(map(str, roots))}", pieces, changes, sources)

        return self._edit(plan)

    def undo(self) -> Edit:
        """Take the last edit back; episodes that were recorded since stay.

        Returns:
            The edit that was undone.

        Raises:
            DatasetError: there is none, another program has changed the dataset since, or an episode that
                was recorded since is one that would come back.
        """
        self._last(History(self.root))
        _check_writable(self.root.resolve())
        with self._writer.exclusive("undo"):
            history = History(self.root)
            last, current = self._last(history), Source(self.root)
            self._check_undoable(history, last, current)
            if self.dry_run:
                return last
            restored = history.old(last)
            if current.info.total_episodes > last.episodes_after:
                restored = self._with_later(history, last, current)
                self._check_undoable(history, last, current)
            history.undo(last, restored)
            return last

    def _last(self, history: History) -> Edit:
        edits = history.edits()
        if not edits:
            raise DatasetError(f"{self.root}: there is no edit to undo")
        return edits[-1]

    def _check_undoable(self, history: History, last: Edit, current: Source) -> None:
        """Refuse an undo that would take back more than the edit, or give a recording twice.

        Raises:
            DatasetError: it would.
        """
        way_out = f"nothing was changed. The dataset before the edit is in {history.old(last)}"
        if current.info.total_episodes < last.episodes_after or not history.is_current(last):
            raise DatasetError(
                f"{self.root}: another program has changed the dataset since the edit; {way_out}"
            )
        if changed := history.foreign_changes(last):
            more = f" and {counted(len(changed) - 1, 'more file')}" if len(changed) > 1 else ""
            raise DatasetError(
                f"{self.root}: another program has changed {changed[0]}{more} since the edit, and undo would "
                f"take that back, too; {way_out}"
            )
        origins = [origin(current.recordings.get(n, {})) for n in range(current.info.total_episodes)]
        old, stays = Source(history.old(last)), {"", *origins[: last.episodes_after]}
        back = {origin(old.recordings.get(n, {})): n for n in range(old.info.total_episodes)}
        for number, name in enumerate(origins[last.episodes_after :], last.episodes_after):
            if name not in stays and (same := back.get(name)) is not None:
                raise DatasetError(
                    f"{self.root}: episode {number} is the same recording as episode {same} before the edit, "
                    f"so the undo would give it twice; {way_out}"
                )

    def edits(self) -> list[Edit]:
        """List the edits that can be undone, oldest first."""
        return History(self.root).edits()

    def version(self) -> str:
        """Return a text that changes with each edit and each undo."""
        return History(self.root).version()

    def numbers_of(self, episode_ids: Iterable[str]) -> dict[str, int]:
        """Return the numbers of the episodes that had these identifiers in the spool, as far as they exist.

        Raises:
            DatasetError: there is no dataset, or it cannot be read.
        """
        wanted, source = set(episode_ids), Source(self.root.resolve())
        return {
            str(line["episode_id"]): number
            for number, line in source.recordings.items()
            if line.get("episode_id") in wanted and number < source.info.total_episodes
        }

    def forget(self) -> int:
        """Make all edits final, and free the disk space that undoing them needs.

        Returns:
            The number of bytes that were freed.
        """
        if not self.edits():
            return 0
        with self._writer.exclusive():
            history = History(self.root)
            edits = history.edits()
            size = sum(map(history.size, edits))
            if not self.dry_run:
                for edit in edits:
                    history.forget(edit)
            return size

    # How an edit is done

    def _edit(self, plan: Callable[[Source], _Plan]) -> list[Change]:
        _check_writable(self.root.resolve())
        with self._writer.exclusive():
            source = Source(self.root.resolve())
            _check_complete(source)
            planned = plan(source)
            changed = {change.episode for change in planned.changes}
            self.renumbered = {
                piece.episode: number
                for number, piece in enumerate(planned.pieces)
                if piece.root == source.root and piece.episode not in changed and piece.episode != number
            }
            if not self.dry_run and planned.changes:
                self._apply(source, planned)
            return list(planned.changes)

    def _apply(self, source: Source, plan: _Plan) -> None:
        history = History(self.root)
        _require_room(source, plan)
        new = history.begin()
        try:
            self._compose(new, source, plan)
            if file_states(source.root) != source.files:
                raise DatasetError(
                    f"{self.root}: another program has changed the dataset; nothing was edited. Wait until "
                    "it has ended, then try again"
                )
            now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            counts = (source.info.total_episodes, len(plan.pieces))
            removal = {"episode_id": plan.episode_id, "order": plan.order}
            history.apply(new, plan.what, counts, now, **removal)
        except BaseException:
            history.recover()
            raise
        self._limit(history)

    def _compose(self, new: Path, source: Source, plan: _Plan) -> None:
        if plan.order and not plan.pieces:  # the operator's first episode: the next one replaces it
            compose_empty(new, source)
            return
        sources = {each.root: each for each in (source, *plan.others)}
        cutter = VideoCutter(source.info.fps)
        compose(new, source, plan.pieces, sources=sources, videos=cutter, progress=self._progress)

    def _with_later(self, history: History, edit: Edit, current: Source) -> Path:
        """Compose the dataset before an edit and the episodes that were recorded since."""
        old = Source(history.old(edit))
        pieces = [*old.pieces(), *current.pieces()[edit.episodes_after :]]
        sources = {old.root: old, current.root: current}
        restored = history.restored(edit)
        shutil.rmtree(restored, ignore_errors=True)
        cutter = VideoCutter(current.info.fps)
        compose(restored, old, pieces, sources=sources, videos=cutter, progress=self._progress)
        return restored

    def _limit(self, history: History) -> None:
        edits = history.edits()
        while len(edits) > 1 and sum(map(history.size, edits)) > UNDO_BYTES:
            history.forget(edits.pop(0))

    def _cut(self, source: Source, piece: Piece, at_s: float) -> int:
        """Return the row at a time, moved to a key frame of all cameras if asked to."""
        row = _row(source, piece, at_s)
        if not self._at_key_frames or row == 0:
            return row
        keys = video_keys(source.info.features)
        cutter = VideoCutter(source.info.fps)
        found: set[int] | None = None
        for key in keys:
            first = source.first_frame(key, piece.episode)
            video = source.layout.video_file(key, source.file(f"videos/{key}", piece.episode))
            numbers = {n - first for n in cutter.key_frames(video, first + row, first + piece.stop)}
            found = numbers if found is None else found & numbers
        if found is None:
            return row
        if not found:
            raise DatasetError(f"{source.root}: episode {piece.episode} has no key frame after {at_s:g} s")
        return min(found)


def _chosen(source: Source, episodes: Selection | Iterable[int]) -> list[int]:
    selection = episodes if isinstance(episodes, Selection) else Selection(list(episodes))
    return selection.of(source)


def _existing(source: Source, episode: int) -> Piece:
    return source.piece(Selection([episode]).of(source)[0])


def _row(source: Source, piece: Piece, at_s: float) -> int:
    at = at_s * source.info.fps
    row = round(at) if math.isfinite(at) else -1
    if not 0 <= row <= piece.stop:
        raise DatasetError(
            f"{source.root}: episode {piece.episode} is {source.seconds(piece.episode):g} s long, "
            f"expected a time in it, found {at_s:g} s"
        )
    return row


def _keeping(source: Source, kept: Sequence[int]) -> _Plan:
    removed = sorted(set(range(source.info.total_episodes)) - set(kept))
    changes = [Change(n, "delete", source.seconds(n), source.dataset.task(n), 0.0, None) for n in removed]
    return _Plan(f"delete {counted(len(removed), 'episode')}", [source.piece(n) for n in kept], changes)


def _replaced(
    source: Source, new: dict[int, list[Piece]], what: str, details: Mapping[int, str] | None = None
) -> _Plan:
    pieces: list[Piece] = []
    changes: list[Change] = []
    for number in range(source.info.total_episodes):
        parts = new.get(number, [source.piece(number)])
        if number in new:
            seconds, task = source.seconds(number), source.dataset.task(number)
            done = what + (details or {}).get(number, "")
            changes += [
                Change(number, done, seconds, task, part.length / source.info.fps, len(pieces) + place)
                for place, part in enumerate(parts)
            ]
        pieces += parts
    named = ", ".join(map(str, new)) if len(new) <= _NAMED else f"{len(new)} in all"
    return _Plan(f"{what} of episode {named}", pieces, changes)


def _check_mergeable(source: Source, other: Source) -> None:
    mine, theirs = source.info, other.info
    if other.root.resolve() == source.root.resolve():
        raise DatasetError(f"{other.root}: is the dataset itself")
    found = _feature_differences(user_features(mine.features), user_features(theirs.features))
    for name in ("fps", "robot_type"):
        if getattr(mine, name) != getattr(theirs, name):
            found.append(f"{name} is {getattr(mine, name)!r}, there it is {getattr(theirs, name)!r}")
    for key in set(video_keys(mine.features)) & set(video_keys(theirs.features)):
        here, there = (each.features[key].get("info") or {} for each in (mine, theirs))
        found += [
            f"{name} of {key} is {here.get(name)!r}, there it is {there.get(name)!r}"
            for name in STREAM_KEYS
            if here.get(name) != there.get(name)
        ]
    if found:
        raise DatasetMismatchError(f"{other.root}: cannot be merged into {source.root}: {'; '.join(found)}")


def _feature_differences(mine: Mapping[str, FeatureDict], theirs: Mapping[str, FeatureDict]) -> list[str]:
    missing = [f"it has no feature {key!r}" for key in mine if key not in theirs]
    extra = [f"feature {key!r} is only there" for key in theirs if key not in mine]
    mine, theirs = ({key: each[key] for key in mine if key in theirs} for each in (mine, theirs))
    return missing + extra + differences(mine, theirs, place="there")


def _check_complete(source: Source) -> None:
    """Refuse a dataset that another program is writing: its last files have no end yet."""
    if not source.info.total_episodes:
        raise DatasetError(f"{source.root}: it has no episodes yet")
    source.check_rows()


def _check_writable(root: Path) -> None:
    for path in (root, root.parent):
        if path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
            raise DatasetError(
                f"{path}: no permission to write there, so {root} cannot be edited; change its owner or mode"
            )


def _require_room(source: Source, plan: _Plan) -> None:
    needed = changed_bytes(source, plan.pieces, plan.others)
    hint = "free some space, or make earlier edits final with `lerobot-recorder edit forget`"
    require_room(source.root, needed, "the edit", hint)
