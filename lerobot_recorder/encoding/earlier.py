"""The existing dataset, and what it requires of the next episodes."""

from __future__ import annotations

from pathlib import Path

from lerobot_recorder.dataset import DatasetInfo, check_appendable, differences, is_depth, is_video, load_info
from lerobot_recorder.errors import DatasetError
from lerobot_recorder.video import DepthSettings, EncoderSettings, depth_settings


class SeenDataset:
    """A dataset as the encoder first saw it; its features, fps and robot do not change by themselves."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._first: DatasetInfo | None = None
        self.look()

    def look(self) -> None:
        """Read the dataset's description, if it was not there before.

        Raises:
            DatasetError: it cannot be read.
        """
        self._first = self._first or load_info(self._root)

    def confirm(self) -> None:
        """Check that the dataset is still the same, so that a misfit is the episode's fault.

        Raises:
            DatasetError: the dataset is damaged or was changed; the episode may fit once that is undone.
        """
        check_appendable(self._root)
        first, now = self._first, load_info(self._root)
        if first is None or now is None:
            return
        changed = differences(first.features, now.features)
        pairs = {"fps": (first.fps, now.fps), "robot_type": (first.robot_type, now.robot_type)}
        changed += [
            f"{name} was {was!r}, found {found!r}" for name, (was, found) in pairs.items() if was != found
        ]
        if changed:
            raise DatasetError(
                f"{self._root}: was changed since the encoder started: {'; '.join(changed)}. "
                "Undo the change, or start the encoder again"
            )


def depth_in_dataset(root: Path, key: str, default: DepthSettings) -> DepthSettings:
    """Return how the dataset encodes a camera's depth; the default if it has none yet."""
    dataset = load_info(root)
    if dataset is None or key not in dataset.features:
        return default
    return depth_settings(dataset.features[key].get("info") or {}, default)


def codec_change(root: Path, settings: EncoderSettings) -> str:
    """Describe how the codec of these settings differs from that of the dataset; empty if it does not."""
    dataset = load_info(root)
    features = dataset.features if dataset else {}
    infos = [each.get("info") or {} for each in features.values() if is_video(each) and not is_depth(each)]
    before = {info["video.codec"] for info in infos if info.get("video.codec")}
    codec = "av1" if "av1" in settings.vcodec else settings.vcodec.partition("_")[0]
    if before <= {codec}:
        return ""
    return (
        f"the videos in the dataset are {', '.join(sorted(before))}, new ones become {codec}, and LeRobot's "
        "tools for editing datasets expect one codec: set vcodec back, or record to another root"
    )
