"""Reads episodes for the page: those of the dataset, and those that still wait in the spool."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from lerobot_recorder.dashboard.pictures import depth_to_jpeg, to_jpeg
from lerobot_recorder.dataset import (
    FeatureDict,
    RecordedEpisode,
    open_dataset,
    recordings_of,
    value_names,
    vector_keys,
    video_keys,
)
from lerobot_recorder.editing import DatasetEditor
from lerobot_recorder.errors import DatasetError, SpoolError
from lerobot_recorder.spool import Manifest, Spool, SpooledEpisode
from lerobot_recorder.video import read_frames

THUMBNAIL_WIDTH = 160
_STATES = ("ready", "claimed", "committing", "rejected", "failed")
_MOST_POINTS = 600
"""Points of a curve: more than a screen shows."""

_KEPT_EPISODES = 4
_KEPT_THUMBNAILS = 500

Array = npt.NDArray[Any]


class _Committed:
    """An episode of the dataset.

    Attributes:
        length: number of rows.
        fps: rows per second.
        task: what it shows.
        features: as in ``info.json``.
    """

    def __init__(self, root: Path, number: int) -> None:
        self._episode = RecordedEpisode(root, number)
        self.length, self.fps = self._episode.length, self._episode.fps
        self.task, self.features = self._episode.task, self._episode.features

    def values(self, key: str) -> Array:
        return self._episode.vectors(key).rows

    def picture(self, key: str, row: int, width: int) -> bytes:
        path, frames = self._episode.video_frames(key, [row])
        return to_jpeg(read_frames(path, frames)[0], width)

    def video(self, key: str) -> tuple[Path, int] | None:
        path, (first,) = self._episode.video_frames(key, [0])
        return path, first


class _Waiting:
    """An episode of the spool, with the attributes of `_Committed`."""

    def __init__(self, episode: SpooledEpisode) -> None:
        self._episode = episode
        manifest = episode.manifest
        self.length, self.fps = manifest.length, manifest.fps
        self.task, self.features = manifest.task, cast("dict[str, FeatureDict]", manifest.features)

    def values(self, key: str) -> Array:
        rows = np.asarray(self._episode.rows()[key], np.float64)
        return rows.reshape(len(rows), -1)

    def picture(self, key: str, row: int, width: int) -> bytes:
        camera, images = self._episode.manifest.cameras[key], self._episode.images(key)
        if camera.format == "jpeg" and not width:
            return bytes(images.stored(row))
        image = images.frame(row)
        if camera.is_depth:
            return depth_to_jpeg(image, width)
        is_planar = camera.format == "raw"
        rgb = cv2.cvtColor(image, cv2.COLOR_YUV2RGB_I420) if is_planar else image
        return to_jpeg(cast("npt.NDArray[np.uint8]", rgb), width)

    def video(self, key: str) -> tuple[Path, int] | None:  # noqa: ARG002
        return None


PlayedEpisode = _Committed | _Waiting
"""An episode whose pictures and values can be read."""


class Library:
    """The episodes of one dataset.

    An episode is referred to by its number in the dataset, or by its identifier in the spool. All methods
    read files; they may be called from any thread.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._spool = Spool(root)
        self._lock = threading.Lock()
        self._episodes: OrderedDict[Any, PlayedEpisode] = OrderedDict()
        self._thumbnails: OrderedDict[Any, bytes] = OrderedDict()
        self._listed: tuple[Any, list[dict[str, Any]]] = (None, [])

    def listing(self, last: int) -> dict[str, Any]:
        """Return the last episodes and the edits that can be undone, as for JSON.

        Args:
            last: number of episodes of the dataset; those of the spool are all listed.

        Raises:
            DatasetError: the dataset cannot be read.
        """
        committed = self._committed()
        return {
            "state": self._state(),
            "count": len(committed),
            "episodes": committed[-last:],
            "spool": [*self._waiting({each["id"] for each in committed})],
            "edits": [edit.what for edit in DatasetEditor(self.root).edits()],
        }

    def details(self, ref: str) -> dict[str, Any]:
        """Return what playback needs besides pictures, as for JSON: cameras and curves.

        Raises:
            DatasetError: there is no such episode, or it cannot be read.
            SpoolError: it cannot be read.
        """
        episode = self.episode(ref)
        return {
            "ref": ref,
            "state": self._state(),
            "length": episode.length,
            "fps": episode.fps,
            "task": episode.task,
            "cameras": [_camera(episode, key) for key in video_keys(episode.features)],
            "curves": [
                _curve(key, feature, episode.values(key))
                for key, feature in episode.features.items()
                if key in vector_keys(episode.features) and _is_number(feature)
            ],
        }

    def picture(self, ref: str, key: str, row: int, width: int = 0) -> bytes:
        """Return a picture, JPEG.

        Raises:
            DatasetError: there is no such episode, camera or row, or it cannot be read.
            SpoolError: it cannot be read.
            VideoError: it cannot be read.
        """
        episode = self.episode(ref)
        if key not in video_keys(episode.features) or not 0 <= row < episode.length:
            raise DatasetError(f"{self.root}: episode {ref} has no row {row} of {key}")
        return episode.picture(key, row, width)

    def thumbnail(self, ref: str) -> bytes:
        """Return a small picture from the middle of an episode, of its first camera, JPEG.

        Raises:
            DatasetError: there is no such episode or no camera, or it cannot be read.
            SpoolError: it cannot be read.
            VideoError: it cannot be read.
        """
        key = self._key(ref)
        with self._lock:
            if key in self._thumbnails:
                return self._thumbnails[key]
        episode = self.episode(ref)
        cameras = video_keys(episode.features)
        if not cameras:
            raise DatasetError(f"{self.root}: episode {ref} has no camera")
        picture = episode.picture(cameras[0], episode.length // 2, THUMBNAIL_WIDTH)
        self._keep(self._thumbnails, key, picture, _KEPT_THUMBNAILS)
        return picture

    def video_file(self, ref: str, key: str) -> Path:
        """Return the video file of a camera.

        Raises:
            DatasetError: there is none, or it is outside the dataset.
        """
        episode = self.episode(ref)
        found = episode.video(key) if key in video_keys(episode.features) else None
        if found is None:
            raise DatasetError(f"{self.root}: episode {ref} has no video of {key}")
        path = found[0].resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise DatasetError(f"{found[0]} leads out of the dataset, to {path}")
        return path

    def episode(self, ref: str) -> PlayedEpisode:
        """Open an episode.

        Raises:
            DatasetError: there is no such episode, or it cannot be read.
            SpoolError: it cannot be read.
        """
        key = self._key(ref)
        with self._lock:
            if key in self._episodes:
                return self._episodes[key]
        episode = self._opened(ref)
        self._keep(self._episodes, key, episode, _KEPT_EPISODES)
        return episode

    def _opened(self, ref: str) -> PlayedEpisode:
        if ref.isdecimal():
            return _Committed(self.root, int(ref))
        for path in self._paths():
            if path.name == ref:
                return _Waiting(SpooledEpisode(path))
        raise DatasetError(f"{self.root}: no episode {ref}; it may be in the dataset by now")

    def _key(self, ref: str) -> Any:
        """Return what identifies an episode as long as no file of it changes or moves."""
        if not ref.isdecimal():
            return next((path for path in self._paths() if path.name == ref), ref)
        return ref, self._state()

    def _state(self) -> str:
        """Return what changes with every edit of the dataset, and with nothing else.

        Commits add episodes and change none. An edit puts another directory in the place of the dataset's.
        """
        found = []
        for path in (self.root, self.root / "meta" / "recordings" / "edit.json"):
            with contextlib.suppress(OSError):
                found.append(f"{path.stat().st_ino:x}")
        return ".".join(found)

    def _keep(self, kept: OrderedDict[Any, Any], key: Any, value: Any, most: int) -> None:
        with self._lock:
            kept[key] = value
            while len(kept) > most:
                kept.popitem(last=False)

    def _paths(self) -> list[Path]:
        return [path for state in _STATES for path in self._spool.paths(state)]

    # What is listed

    def _committed(self) -> list[dict[str, Any]]:
        """Return the episodes of the dataset; they are read again when ``info.json`` has changed."""
        with contextlib.suppress(OSError):
            found = (self.root / "meta" / "info.json").stat()
            key = self._state(), found.st_ino, found.st_mtime_ns
            if key != self._listed[0]:
                self._listed = key, list(self._read_committed())
            return self._listed[1]
        return []

    def _read_committed(self) -> Iterator[dict[str, Any]]:
        dataset = open_dataset(self.root)
        known = recordings_of(dataset.layout.recordings_files())
        for number, length in enumerate(dataset.lengths if dataset.info.total_episodes else ()):
            recording = known.get(number, {})
            yield {
                "ref": str(number),
                "number": number,
                "state": "dataset",
                "seconds": int(length) / dataset.info.fps,
                "task": dataset.task(number),
                **_facts(recording.get, recording),
            }

    def _waiting(self, counted: Container[str]) -> Iterator[dict[str, Any]]:
        for episode in self._spool.episodes(*_STATES):
            if episode.episode_id in counted:
                continue  # its commit is not finished
            try:
                yield _spooled(episode, episode.manifest, self._spool.error(episode))
            except SpoolError as error:
                yield {"ref": episode.episode_id, "state": episode.state, "error": str(error)}


def _facts(get: Callable[[str], Any], recording: Mapping[str, Any]) -> dict[str, Any]:
    success = get("success")
    return {
        "id": get("episode_id") or "",
        "verdict": str(recording.get("verdict", "unknown")),
        "accepted": bool(get("accepted")),
        "success": success if isinstance(success, bool) else None,
        "reasons": list(get("reasons") or ()),
        "notes": list(get("notes") or ()),
    }


def _spooled(episode: SpooledEpisode, manifest: Manifest, error: str) -> dict[str, Any]:
    return {
        "ref": episode.episode_id,
        "state": episode.state,
        "seconds": manifest.duration_s,
        "task": manifest.task,
        "error": error,
        **_facts(vars(manifest).get, vars(manifest)),
    }


def _camera(episode: PlayedEpisode, key: str) -> dict[str, Any]:
    found = episode.video(key)
    return {
        "key": key,
        "name": key.removeprefix("observation.images."),
        "first": found[1] if found else 0,
        "codec": str((episode.features[key].get("info") or {}).get("video.codec", "")) if found else "",
    }


def _is_number(feature: FeatureDict) -> bool:
    return str(feature["dtype"]).startswith(("float", "int", "uint"))


def _curve(key: str, feature: FeatureDict, values: Array) -> dict[str, Any]:
    step = -(-len(values) // _MOST_POINTS)
    thinned = np.asarray(values[::step], np.float64)
    names = value_names(feature)
    if len(names) != thinned.shape[1]:
        names = tuple(str(number) for number in range(thinned.shape[1]))
    columns = [[_plain(value) for value in column] for column in thinned.T]
    return {"feature": key, "names": list(names), "step": step, "values": columns}


def _plain(value: float) -> float | None:
    """Return a value for JSON, which has no NaN and no infinity."""
    return round(float(value), 4) if np.isfinite(value) else None
