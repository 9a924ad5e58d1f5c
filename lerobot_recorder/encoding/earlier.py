"""How the videos in a dataset are encoded, as far as the next ones depend on it."""

from __future__ import annotations

from pathlib import Path

from lerobot_recorder.dataset.features import is_depth, is_video
from lerobot_recorder.dataset.info import load_info
from lerobot_recorder.video import DepthSettings, EncoderSettings, depth_settings


def depth_in_dataset(root: Path, key: str, default: DepthSettings) -> DepthSettings:
    """Return how a camera's depth is turned into codes in the dataset, the default if it has none yet."""
    dataset = load_info(root)
    if dataset is None or key not in dataset.features:
        return default
    return depth_settings(dataset.features[key].get("info") or {}, default)


def codec_change(root: Path, settings: EncoderSettings) -> str:
    """Say that the dataset's videos have another codec than these settings give; empty if they do not."""
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
