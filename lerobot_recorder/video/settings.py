"""How videos are encoded: codec and quality, with LeRobot's names, defaults and options."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import av
import av.error

from lerobot_recorder.errors import ConfigError, EncoderUnavailableError
from lerobot_recorder.settings import check_settings, setting
from lerobot_recorder.video import svt
from lerobot_recorder.video.memory import return_memory
from lerobot_recorder.video.priority import unchanged_priority

logger = logging.getLogger(__name__)

HARDWARE_ENCODERS = (
    "h264_videotoolbox",
    "hevc_videotoolbox",
    "h264_nvenc",
    "hevc_nvenc",
    "h264_vaapi",
    "h264_qsv",
)
ENCODERS = ("libsvtav1", "h264", "hevc", "libaom-av1", *HARDWARE_ENCODERS)
SOFTWARE_FALLBACK = "libsvtav1"
SVT_DEFAULT_PRESET = 12
_SLOWER_PRESETS = (10, 8)
_IN_ORDER = "open-gop=0:bframes=0"
"""For x265. A reader that jumps to a key frame has not decoded the frames before it, so no frame may need
them.

B-frames are displayed before frames that are stored earlier, and 12-bit B-frames are not lossless.
"""
_SEGMENT_FRAMES = 128
"""The period of AV1's order hint: libsvtav1's packets do not depend on what came before a multiple of it."""
LARGEST_CRF = {"h264": 51, "hevc": 51}
"""Codecs whose limit is not 63."""
PICTURE_CHECKS = ("some", "all")
SETTINGS_TAG = "comment"
"""Key of the settings in a video's metadata."""

_COLOUR = dict.fromkeys(("colorspace", "color_primaries", "color_trc"), "smpte170m") | {"color_range": "tv"}
"""The color space that RGB is converted to. If a video does not name one, players guess it from the
height."""


@dataclass(frozen=True)
class EncoderSettings:
    """How a camera's images become a video; the defaults are LeRobot's.

    Attributes:
        g: None: the codec's default
        crf: None: the codec's default
        preset: as the codec names it; None: the codec's default
        fast_decode: 0 to 2; the level for libsvtav1, on or off for other codecs
        extra_options: more options of the codec; they never override the others
    """

    vcodec: str = setting(
        "libsvtav1",
        "Video codec; auto: the first hardware encoder that works on this machine, otherwise libsvtav1",
        choices=("auto", *ENCODERS),
        effect="from the next batch",
    )
    pix_fmt: str = setting("yuv420p", "Pixel format of the videos", effect="from the next batch")
    g: int | None = setting(
        2,
        "Distance between key frames; 2 makes it fast to read single frames",
        unit="frames",
        low=1,
        effect="from the next batch",
    )
    crf: float | None = setting(
        30,
        "Quality; lower values give better pictures and larger files",
        low=0,
        high=63,
        effect="from the next batch",
    )
    preset: int | str | None = setting(
        None,
        "Speed of libsvtav1; higher values are faster and give larger files. A preset with which the "
        "installed SVT-AV1 loses blocks is replaced by the fastest correct one. Other codecs accept only "
        "the default",
        low=0,
        high=13,
        effect="from the next batch",
        as_parameter=SVT_DEFAULT_PRESET,
    )
    fast_decode: int = 0
    threads: int = setting(
        0,
        "Threads of each h264, hevc or libaom-av1 encoder; 0: the codec chooses. libsvtav1 always has one, "
        "because it can deliver packets in the wrong order with more",
        name="encoder_threads",
        low=0,
        effect="from the next batch",
    )
    extra_options: Mapping[str, Any] = field(default_factory=dict)
    picture_check: str = setting(
        PICTURE_CHECKS[0],
        "Frames that are compared with their images before the images are deleted; some: as many as cost a "
        "tenth of the encoding time",
        choices=PICTURE_CHECKS,
        effect="from the next batch",
    )

    def __post_init__(self) -> None:
        largest = LARGEST_CRF.get(self.vcodec)
        if self.crf is not None and largest is not None and self.crf > largest:
            raise ConfigError(f"crf: expected 0 to {largest} for {self.vcodec}, found {self.crf}")
        check_settings(self)
        if self.vcodec == "libsvtav1":
            self._require_what_svt_takes()
        if self.preset is None and self.vcodec == "libsvtav1":
            object.__setattr__(self, "preset", SVT_DEFAULT_PRESET)

    def _require_what_svt_takes(self) -> None:
        """Refuse values that libsvtav1 would silently round or replace."""
        if self.crf is not None and (self.crf < 1 or self.crf != int(self.crf)):
            raise ConfigError(f"crf: libsvtav1 takes whole numbers from 1 to 63, found {self.crf:g}")
        if self.threads > 1:
            raise ConfigError(
                f"encoder_threads: libsvtav1 uses one thread per camera, found {self.threads}; leave it at 0 "
                "and set parallel_encodings, the number of cameras encoded at the same time"
            )

    def resolved(self) -> EncoderSettings:
        """Replace `auto` by an encoder of this machine, and check that the encoder accepts the settings.

        A preset with which the loaded SVT-AV1 loses blocks is replaced by the fastest correct one.

        Raises:
            EncoderUnavailableError: this machine lacks the encoder.
            ConfigError: the encoder refuses a setting.
        """
        vcodec = self.vcodec if self.vcodec != "auto" else _automatic()
        if not _works(vcodec):  # to try all takes memory that is not given back
            raise EncoderUnavailableError(
                f"this machine has no encoder {vcodec}; it has {', '.join(available_encoders())}"
            )
        found = dataclasses.replace(self, vcodec=vcodec)
        _try(found)
        return_memory()
        return _with_right_preset(found) if vcodec == "libsvtav1" else found

    def require_size(self, width: int, height: int) -> None:
        """Check that the codec takes images of this size.

        Raises:
            ConfigError: it takes only even sizes.
        """
        is_subsampled = self.pix_fmt.startswith(("yuv420", "yuv422"))
        if is_subsampled and "av1" not in self.vcodec and (width % 2 or height % 2):
            raise ConfigError(
                f"{self.vcodec} takes only images of even width and height, found {width}x{height}: "
                "set vcodec to libsvtav1, odd_size of the stream to crop or pad, or resize the images"
            )

    def alternatives(self) -> tuple[EncoderSettings, ...]:
        """Return settings to try, in this order, if these have damaged a picture.

        All frames are compared then. The last ones use key frames only.
        """
        strict = dataclasses.replace(self, picture_check="all")
        if self.vcodec == "libsvtav1":
            slower = (preset for preset in _SLOWER_PRESETS if preset < _number(self.preset))
            others = [dataclasses.replace(strict, preset=preset) for preset in slower]
        else:
            others = [strict]
        return (*others, dataclasses.replace((others or [strict])[-1], g=1))

    def segment_frames(self) -> int | None:
        """Return after how many frames the encoding begins anew; None if a video is encoded in one piece.

        The cuts depend on nothing but the settings, so every video is the same however it was encoded. Videos
        of libsvtav1 also equal those that are encoded in one piece, with SVT-AV1 3.1.2 to 4.2.0 and pictures
        of at least 96x64; otherwise up to seven packets before a cut differ.
        """
        if self.g is None or self.vcodec in HARDWARE_ENCODERS:
            return None
        if self.vcodec == "libsvtav1":
            return math.lcm(self.g, _SEGMENT_FRAMES)
        return math.ceil(_SEGMENT_FRAMES / self.g) * self.g

    def options(self) -> dict[str, str]:
        """Return the codec's options, as LeRobot sets them."""
        values: dict[str, Any] = {"g": self.g, **_tuning(self)}
        values.update({key: value for key, value in self.extra_options.items() if key not in values})
        return {key: str(value) for key, value in values.items() if value is not None}

    def tag(self) -> str:
        """Return everything that determines the bits of a video, as a line for its metadata.

        Videos with different tags are never joined into one file.
        """
        options = self.options()
        if self.vcodec == "libsvtav1":
            options["svtav1-params"] = _svt_parameters(self)
        return json.dumps({"vcodec": self.vcodec, "pix_fmt": self.pix_fmt, **options}, sort_keys=True)

    def info(self) -> dict[str, Any]:
        """Return the entries of a feature's `info` for these settings, as LeRobot writes them.

        Options that are always set for readers are in the file's `tag` only: LeRobot's merge empties extra
        options that differ, and would then encode depth with losses.
        """
        return {
            "video.g": self.g,
            "video.crf": _whole(self.crf),
            "video.preset": self.preset,
            "video.fast_decode": self.fast_decode,
            "video.video_backend": "pyav",
            "video.extra_options": dict(self.extra_options),
        }


def depth_encoder() -> EncoderSettings:
    """Return LeRobot's settings for depth: lossless 12-bit HEVC."""
    return EncoderSettings("hevc", "gray12le", extra_options={"x265-params": "lossless=1"})


def _tuning(settings: EncoderSettings) -> dict[str, Any]:
    """Return quality, speed and thread options, which differ from codec to codec."""
    crf, preset, threads = _whole(settings.crf), settings.preset, settings.threads or None
    if settings.vcodec == "libsvtav1":
        return {
            "crf": crf,
            "preset": preset,
            "svtav1-params": f"{_svt_parameters(settings)}:{svt.ONE_THREAD}",
        }
    if settings.vcodec in ("h264", "hevc"):
        tune = "fastdecode" if settings.fast_decode else None
        return {"crf": crf, "preset": preset, "tune": tune, "threads": threads, **_added(settings)}
    if settings.vcodec == "libaom-av1":
        return {"crf": crf, "preset": preset, "threads": threads, "row-mt": 1 if threads else None}
    return _hardware_tuning(settings.vcodec, crf, preset)


def _added(settings: EncoderSettings) -> dict[str, Any]:
    """Return the options that are always set because readers need them."""
    colour: dict[str, Any] = _COLOUR if settings.pix_fmt.startswith("yuv") else {}
    if settings.vcodec == "h264":
        return {"bf": 0, **colour}  # store frames in display order
    if settings.vcodec == "hevc":
        given = settings.extra_options.get("x265-params")
        return {"x265-params": ":".join(filter(None, (given, _IN_ORDER))), **colour}
    return {}


def _hardware_tuning(vcodec: str, crf: float | None, preset: int | str | None) -> dict[str, Any]:
    if vcodec.endswith("_videotoolbox"):
        return {"q:v": None if crf is None else max(1, min(100, int(100 - crf * 2)))}
    if vcodec.endswith("_nvenc"):
        return {"rc": 0, "qp": crf, "preset": preset}
    if vcodec == "h264_vaapi":
        return {"qp": crf}
    return {"global_quality": crf, "preset": preset}


def _svt_parameters(settings: EncoderSettings) -> str:
    """Return the parameters of libsvtav1 that determine the bits of a video."""
    decoding = f"fast-decode={max(0, min(2, settings.fast_decode))}"
    return svt.parameters(decoding, settings.g, _number(settings.preset))


def _number(preset: int | str | None) -> int:
    """Return a preset of libsvtav1 as a number."""
    return SVT_DEFAULT_PRESET if preset is None else int(preset)


def _with_right_preset(settings: EncoderSettings) -> EncoderSettings:
    version = svt.loaded_version()
    right = svt.fastest_right_preset(version, settings.g)
    if _number(settings.preset) <= right:
        return settings
    _warn_of_preset(_number(settings.preset), right, version)
    return dataclasses.replace(settings, preset=right)


@functools.cache
def _warn_of_preset(preset: int, right: int, version: tuple[int, int, int] | None) -> None:
    name = ".".join(map(str, version)) if version else "of unknown version"
    logger.warning("SVT-AV1 %s can lose blocks with preset %d: using preset %d", name, preset, right)


def _whole(value: float | None) -> float | None:
    """Return a whole number as int, so that it is written without a decimal point."""
    return int(value) if value is not None and float(value).is_integer() else value


def _without_meaning(settings: EncoderSettings) -> list[str]:
    """List the settings that the codec does not have."""
    vcodec = settings.vcodec
    found = {
        "encoder_threads": settings.threads and vcodec in HARDWARE_ENCODERS,
        "preset": settings.preset is not None and vcodec.endswith(("_videotoolbox", "_vaapi")),
        "fast_decode": settings.fast_decode and vcodec not in ("libsvtav1", "h264", "hevc"),
    }
    return [name for name, ignored in found.items() if ignored]


def _try(settings: EncoderSettings) -> None:
    """Open the codec with its settings, so that wrong ones are refused before an episode depends on them."""
    if ignored := _without_meaning(settings):
        raise ConfigError(f"{settings.vcodec} has no {', '.join(ignored)}: leave that at its default")
    known = [each.name for each in av.Codec(settings.vcodec, "w").video_formats or ()]
    if known and settings.pix_fmt not in known:
        raise ConfigError(
            f"pix_fmt {settings.pix_fmt!r}: {settings.vcodec} has only {', '.join(sorted(known))}"
        )
    context = _context(settings.vcodec, settings.pix_fmt, settings.options())
    try:
        with unchanged_priority():
            context.open(strict=False)
    except (av.error.FFmpegError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", "") or error
        raise ConfigError(f"{settings.vcodec} refuses {settings.options()}: {reason}") from error
    if context.options:  # options that the codec has ignored
        unknown = ", ".join(context.options)
        raise ConfigError(f"{settings.vcodec} does not know {unknown}: leave that at its default")


def _context(vcodec: str, pix_fmt: str, options: Mapping[str, str]) -> Any:
    """Make an encoder for small images, to try it."""
    context: Any = av.CodecContext.create(vcodec, "w")
    context.width, context.height, context.pix_fmt, context.framerate = 320, 240, pix_fmt, 30
    # It prints a page at every start; the last log level counts.
    quiet = {"x265-params": ":".join([*filter(None, [options.get("x265-params")]), "log-level=none"])}
    context.options = {**options, **(quiet if vcodec == "hevc" else {})}
    return context


def available_encoders() -> tuple[str, ...]:
    """List the encoders that work on this machine, by encoding a frame with each."""
    return tuple(name for name in ENCODERS if _works(name))


def _automatic() -> str:
    return next(filter(_works, HARDWARE_ENCODERS), SOFTWARE_FALLBACK)


@functools.cache
def _works(name: str) -> bool:
    """Return whether an encoder encodes a frame; hardware encoders exist even without the hardware."""
    if name not in av.codecs_available:
        return False
    # With more threads, SVT-AV1 takes 20 MB that are not given back, and 4.2.0 hangs if it cannot start them.
    context = _context(name, "yuv420p", {"svtav1-params": svt.ONE_THREAD} if name == "libsvtav1" else {})
    try:
        with unchanged_priority():
            context.open(strict=False)
        context.encode(av.VideoFrame(320, 240, "yuv420p"))
        context.encode(None)
    except (av.error.FFmpegError, ValueError, RuntimeError):
        return False
    return True
