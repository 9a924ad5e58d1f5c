"""The encoder's parameters, and the settings that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lerobot_recorder.dataset import check_repo_id, default_root, load_info
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.nodes.parameters import Parameter
from lerobot_recorder.video import ENCODERS, PICTURE_CHECKS, SVT_DEFAULT_PRESET, EncoderSettings

NOW, NEXT = "at once", "from the next batch"

PARAMETERS = (
    Parameter("repo_id", "", "The dataset's name, user/name; says where it is unless root does"),
    Parameter("root", "", "The dataset's directory"),
    Parameter(
        "video_encoding_batch_size", 1, "Episodes that must wait before all are encoded", "", 1, effect=NOW
    ),
    Parameter("paused", False, "Whether no new batch is begun", effect=NOW),
    Parameter("vcodec", "libsvtav1", "The video codec", choices=("auto", *ENCODERS), effect=NEXT),
    Parameter("pix_fmt", "yuv420p", "The video's pixel format", effect=NEXT),
    Parameter("g", 2, "Frames from key frame to key frame", "frames", 1, effect=NEXT),
    Parameter("crf", 30, "Quality; lower is better and larger", "", 0, 63, effect=NEXT),
    Parameter(
        "preset",
        SVT_DEFAULT_PRESET,
        "Speed of libsvtav1, higher is faster and larger; one with which the loaded SVT-AV1 loses blocks is "
        "replaced by the fastest that is right; other codecs have only the default",
        "",
        0,
        13,
        effect=NEXT,
    ),
    Parameter(
        "encoder_threads",
        0,
        "Threads of each h264, hevc or libaom-av1 encoder; 0: its own choice; libsvtav1 always has one",
        "",
        0,
        effect=NEXT,
    ),
    Parameter(
        "picture_check",
        PICTURE_CHECKS[0],
        "Frames that are compared with their images before these are deleted; some: as many as cost a tenth "
        "of encoding",
        choices=PICTURE_CHECKS,
        effect=NEXT,
    ),
    Parameter("parallel_encodings", 0, "Cameras encoded side by side; 0: one per core", "", 0, effect=NEXT),
    Parameter("nice", 19, "How much encoding yields to other programs; 19: most", "", 0, 19, effect=NEXT),
    Parameter("encode_on_exit", True, "Whether what waits is encoded before the node ends", effect=NOW),
    # A dataset that has depth already keeps to what it began with.
    Parameter("depth_min", 0.01, "Smallest depth that a new dataset tells apart", "m", 0),
    Parameter("depth_max", 10.0, "Largest depth that a new dataset tells apart", "m", 0.001),
    Parameter("depth_shift", 3.5, "Added to depth before the logarithm, in a new dataset", "m", 0),
    Parameter("depth_use_log", True, "Whether the steps of depth grow with it, in a new dataset"),
)


def dataset_root(values: Mapping[str, Any]) -> Path:
    """Return the dataset's directory.

    Raises:
        ConfigError: neither `root` nor `repo_id` is given, or `repo_id` is no name of a dataset.
        DatasetError: there is something that is not a dataset.
    """
    if not values["root"] and not values["repo_id"]:
        raise ConfigError("give repo_id (user/name), or root (a directory), so that the dataset has a place")
    if values["repo_id"]:
        check_repo_id(values["repo_id"])
    root = Path(values["root"]).expanduser().absolute() if values["root"] else default_root(values["repo_id"])
    load_info(root)
    return root


def encoder_settings(values: Mapping[str, Any]) -> EncoderSettings:
    """Return the settings that the parameters describe.

    Raises:
        ConfigError: they are out of range.
        EncoderUnavailableError: this machine lacks the encoder.
    """
    settings = EncoderSettings(
        vcodec=values["vcodec"],
        pix_fmt=values["pix_fmt"],
        g=values["g"],
        crf=values["crf"],
        threads=values["encoder_threads"],
        picture_check=values["picture_check"],
    ).resolved()
    preset, vcodec = values["preset"], settings.vcodec
    if vcodec == "libsvtav1":
        return replace(settings, preset=preset)
    if preset != SVT_DEFAULT_PRESET:
        raise ConfigError(
            f"preset {preset} is for libsvtav1, and {vcodec} would be used with its own default: "
            f"leave preset at {SVT_DEFAULT_PRESET}"
        )
    return settings
