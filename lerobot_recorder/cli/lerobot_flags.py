"""The flags of ``lerobot-record`` 0.6.1, and what ``record`` makes of each.

`FLAGS` is the only list of them: ``record`` translates its command line with it, and
``docs/from_lerobot_record.md`` shows it (``make docs-parameters``).
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import typer
import yaml
from typer.core import TyperCommand

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import excerpt
from lerobot_recorder.launching import OPTIONS

PAGE = "docs/from_lerobot_record.md"

Values = Mapping[str, str]
Translate = Callable[[str, Values], list[str]]

_FLAG = re.compile(r"--([a-zA-Z]\w*(?:\.\w+)*)(?:=(.*))?", re.DOTALL)
_BARE = ("resume", "play_sounds", "teleop", "robot", "dataset")
"""Flags whose names alone do not show that they are LeRobot's."""

_SO_ARMS = {f"{model}_{part}": model for model in ("so100", "so101") for part in ("follower", "leader")}
_ALONE = " "
"""Value of a flag that is given without one, until it is known what that means."""

_FORMATS = {"MJPG": "mjpeg", "YUYV": "raw"}
CAMERA_KEYS = (
    "type",
    "index_or_path",
    "width",
    "height",
    "fps",
    "fourcc",
    "rotation",
    "color_mode",
    "warmup_s",
    "backend",
)
"""What LeRobot knows of a camera of the type opencv."""

_LICENCE = "apache-2.0"
"""The licence under which ``lerobot-record`` uploads."""


@dataclass(frozen=True)
class Flag:
    """A flag of ``lerobot-record``.

    Attributes:
        name: without ``--``; ``*`` stands for any text
        here: what does the same here, in Markdown; empty: nothing does
        remark: the difference, or why there is no counterpart, in Markdown
        translate: makes arguments of ``record`` of the flag's value, and of the values of all flags by name
        is_noted: whether ``record`` prints that the flag has no effect
        needs_value: whether the flag alone, or with an empty text, means nothing
    """

    name: str
    here: str
    remark: str
    translate: Translate
    is_noted: bool = False
    needs_value: bool = False


@dataclass(frozen=True)
class Translation:
    """A command line for ``record``, and remarks on flags that have no effect."""

    arguments: list[str]
    remarks: list[str]


class RecordCommand(TyperCommand):
    """A command that also takes the flags of ``lerobot-record``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Translate LeRobot's flags, then parse the command line.

        Raises:
            ConfigError: a value is not allowed; the message names the flag as it was typed.
        """
        translation = translated(args)
        for remark in translation.remarks:
            typer.echo(remark, err=True)
        try:
            return super().parse_args(ctx, [*translation.arguments])
        except typer.BadParameter as error:
            option = next(iter(error.param.opts), "") if error.param is not None else ""
            if not option.startswith("--"):
                raise
            name = error.param.name or "" if error.param is not None else ""
            why = _expected(name, option, translation.arguments) or error.message.rstrip(".")
            raise ConfigError(f"{_as_typed(option, args)}: {why}") from None


def _expected(name: str, option: str, arguments: Sequence[str]) -> str:
    """Return what an option of ``record`` expects, and what was found; empty if that is not known."""
    following = itertools.pairwise([*arguments, ""])
    found = [
        each[len(option) + 1 :] if "=" in each else after
        for each, after in following
        if each.partition("=")[0] == option
    ]
    if name not in OPTIONS or not found:
        return ""
    limits = f", {OPTIONS[name].limits}" if OPTIONS[name].limits else ""
    kind = "a whole number" if isinstance(OPTIONS[name].default, int) else "a number"
    return f"expected {kind}{limits}, found {found[-1]}"


def _as_typed(option: str, typed: Sequence[str]) -> str:
    """Return an option of ``record``, or the flag of ``lerobot-record`` that was given for it."""
    if any(each.partition("=")[0] == option for each in typed):
        return option
    here = {flag.name for flag in FLAGS if flag.needs_value and flag.here == f"`{option}`"}
    return next((f"--{name}" for name in _separated(typed)[0] if name in here), option)


def translated(arguments: Sequence[str]) -> Translation:
    """Return a command line without LeRobot's flags; the other options stay, and override them.

    Raises:
        ConfigError: a flag does not exist, or its value has no counterpart here
    """
    given, rest = _separated(arguments)
    _require_values(given)
    made: list[str] = []
    remarks = []
    for flag in FLAGS:
        for name in [each for each in given if fnmatchcase(each, flag.name)]:
            made += flag.translate(given[name], given)
            if flag.is_noted:
                remarks.append(f"--{name} has no effect here: {_plain(flag.remark)}")
    for name in given:
        if not any(fnmatchcase(name, flag.name) for flag in FLAGS):
            raise ConfigError(_unknown(name))
    return Translation([*made, *rest], remarks)


def _separated(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the values of LeRobot's flags, and the other arguments."""
    given: dict[str, str] = {}
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        match = _FLAG.fullmatch(argument)
        if match is None or not _is_lerobots(match[1]):
            rest.append(argument)
        elif match[2] is not None:
            given[match[1]] = match[2]
        else:
            has_value = waiting and not (waiting[0].startswith("-") and _number(waiting[0]) is None)
            given[match[1]] = waiting.pop(0) if has_value else _ALONE
    return given, rest


def _require_values(given: dict[str, str]) -> None:
    """Give flags without a value the value true.

    Raises:
        ConfigError: a flag means nothing without a value.
    """
    for name, value in given.items():
        flag = next((flag for flag in FLAGS if fnmatchcase(name, flag.name)), None)
        if flag is not None and flag.needs_value and not value.strip():
            raise ConfigError(f"--{name}: expected a value, as in --{name}=VALUE, found none")
        given[name] = "true" if value is _ALONE else value


def _is_lerobots(name: str) -> bool:
    return "." in name or "_" in name or name in _BARE


def _unknown(name: str) -> str:
    names = [flag.name for flag in FLAGS if "*" not in flag.name]
    last = [each for each in names if each.rpartition(".")[2] == name]
    similar = last or difflib.get_close_matches(name, names, n=1)
    meant = f" (did you mean --{similar[0]}?)" if similar else ""
    return f"there is no flag --{name}{meant}: {PAGE} lists those of lerobot-record that are accepted"


def _plain(markdown: str) -> str:
    return re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", markdown).replace("`", "")


# What a flag becomes


def _option(name: str, option: str, remark: str = "") -> Flag:
    """Return a flag that is an option of ``record``."""
    return Flag(
        name,
        f"`{option}`",
        remark,
        lambda value, _: [] if _is_null(value) else [option, value],
        needs_value=True,
    )


def _assigned(name: str, parameter: str, remark: str = "") -> Flag:
    """Return a flag that is a parameter of a node."""

    def translate(value: str, _: Values) -> list[str]:
        return [] if _is_null(value) else _assignment(parameter, _read(name, value))

    return Flag(name, f"`-p {parameter}=...`", remark, translate)


def _chosen(name: str, here: str, choices: Mapping[str, Sequence[str]], remark: str) -> Flag:
    """Return a flag some of whose values have counterparts."""

    def translate(value: str, _: Values) -> list[str]:
        key = str(_read(name, value)).lower() if not _is_null(value) else "null"
        if key not in choices:
            expected = " or ".join(
                sorted(choices, key="null".__eq__)[: max(1, len(choices) - ("null" in choices))]
            )
            raise ConfigError(f"--{name}: expected {expected}, found {excerpt(value)}: {_plain(remark)}")
        return list(choices[key])

    return Flag(name, here, remark, translate)


def _only(name: str, value: str, remark: str) -> Flag:
    """Return a flag one value of which is what always happens here."""
    return _chosen(name, f"always as with `{value}`", {value: (), "null": ()}, remark)


def _unneeded(name: str, remark: str) -> Flag:
    """Return a flag that is accepted and has no effect."""
    return Flag(name, "", remark, lambda _value, _all: [], is_noted=True)


def _refused(name: str, remark: str) -> Flag:
    """Return a flag that would change what is recorded, and has no counterpart."""

    def translate(_value: str, _: Values) -> list[str]:
        raise ConfigError(f"--{name} has no counterpart here: {_plain(remark)}")

    return Flag(name, "", remark, translate)


def _is_null(value: str) -> bool:
    return value.strip().lower() in ("null", "none", "~")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _read(name: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        why = (error.problem if isinstance(error, yaml.MarkedYAMLError) else None) or "it cannot be read"
        raise ConfigError(
            f"--{name}: expected YAML or JSON{place}, found {excerpt(repr(value), 60)}: {why}"
        ) from None


def _assignment(parameter: str, value: Any) -> list[str]:
    return ["-p", f"{parameter}={json.dumps(value, ensure_ascii=False)}"]


# Flags with a translation of their own


def _type(name: str, part: str) -> Flag:
    """Return the flag for the type of an arm."""

    def translate(value: str, _: Values) -> list[str]:
        model = _SO_ARMS.get(value) if value.endswith(part) else None
        if model is None:
            raise ConfigError(
                f"--{name}: expected so100_{part} or so101_{part}, found {excerpt(value)}: record drives "
                "these arms only; for any robot with a ROS 2 driver, see docs/any_robot.md"
            )
        return ["--hardware", model] if part == "follower" else []

    remark = f"`so100_{part}` or `so101_{part}`; other arms: see [any_robot.md](any_robot.md)"
    return Flag(name, "`--hardware`" if part == "follower" else "", remark, translate)


def _calibration_dir(name: str, option: str) -> Flag:
    """Return the flag for the directory of an arm's calibration."""

    def translate(value: str, values: Values) -> list[str]:
        arm = values.get(f"{name.partition('.')[0]}.id")
        if _is_null(value):
            return []
        if arm is None:
            raise ConfigError(f"--{name}: expected the arm's id as well, --{name.partition('.')[0]}.id")
        return [option, f"{value.rstrip('/')}/{arm}.json"]

    return Flag(name, f"`{option} DIRECTORY/ID.json`", "together with the id", translate)


def _largest_step(value: str, _: Values) -> list[str]:
    step = _read("robot.max_relative_target", value)
    if isinstance(step, dict):
        return [
            word
            for joint, each in step.items()
            for word in _assignment(f"hardware.max_relative_target_by_joint.{joint}", each)
        ]
    return [] if step is None else _assignment("hardware.max_relative_target", step)


def _cameras(value: str, _: Values) -> list[str]:
    cameras = {} if _is_null(value) else _read("robot.cameras", value)
    if not isinstance(cameras, dict) or not all(isinstance(each, dict) for each in cameras.values()):
        raise ConfigError(
            "--robot.cameras: expected cameras by name, as in {top: {type: opencv, index_or_path: 0, "
            f"width: 640, height: 480, fps: 30}}}}, found {excerpt(value)}"
        )
    made = _assignment("hardware.cameras", [*cameras] or [""])
    for camera, settings in cameras.items():
        for key, each in _camera(camera, settings):
            made += _assignment(f"hardware.{camera}.{key}", each)
    return made


def _camera(camera: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a camera, without the first part of their names."""
    _check_camera(f"--robot.cameras: {camera}", settings)
    yield "source", str(settings["index_or_path"])
    for key in ("width", "height"):
        if settings.get(key) is not None:
            yield key, settings[key]
    if settings.get("fps") is not None:
        yield "fps", settings["fps"]
    if settings.get("fourcc") is not None:
        yield "pixel_format", _FORMATS[settings["fourcc"]]


def _check_camera(name: str, settings: Mapping[str, Any]) -> None:
    if (kind := settings.get("type", "opencv")) != "opencv":
        raise ConfigError(
            f"{name}: expected the type opencv, found {excerpt(kind)}: start the ROS 2 driver of such a "
            "camera and record its topics, see docs/any_robot.md"
        )
    if settings.get("index_or_path") is None:
        raise ConfigError(f"{name}: expected index_or_path, found {', '.join(settings) or 'nothing'}")
    if (fourcc := settings.get("fourcc")) not in (None, *_FORMATS):
        raise ConfigError(f"{name}: fourcc: expected {' or '.join(_FORMATS)}, found {excerpt(fourcc)}")
    for key, usual in (("rotation", 0), ("color_mode", "rgb")):
        if (found := settings.get(key, usual)) != usual:
            raise ConfigError(
                f"{name}: {key} {excerpt(found)} has no counterpart here: images are recorded as RGB, as the "
                "camera delivers them"
            )
    if unknown := [key for key in settings if key not in CAMERA_KEYS]:
        raise ConfigError(f"{name}: expected {', '.join(CAMERA_KEYS)}, found {', '.join(unknown)}")


def _tags(value: str, _: Values) -> list[str]:
    tags = [] if _is_null(value) else _read("dataset.tags", value)
    if not isinstance(tags, list):
        raise ConfigError(f"--dataset.tags: expected a list, as in [so101, cube], found {excerpt(value)}")
    return [word for tag in tags for word in ("--tag", str(tag))]


_PNG = "images wait as they are received, so no PNG files are written"
_FILE = "LeRobot's configuration files are not read: give flags, or a parameter file with `--config`"
_LIVE = "the web page of `--dashboard` takes what it needs"
_RAW = "the same as LeRobot's default; datasets with other values could not be merged with it"
_DEPTH = "[depth](any_robot.md) is always stored this way, which is LeRobot's default"
_TWO_ARMS = (
    "`record` drives one follower and one leader: start a second hardware node in another `--namespace`, and "
    "record the topics of both with `--hardware none`, see [any_robot.md](any_robot.md)"
)


def _arm(prefix: str, part: str, option: str) -> tuple[Flag, ...]:
    """Return the flags that robots and teleoperators share."""
    return (
        _type(f"{prefix}.type", part),
        _option(f"{prefix}.port", f"--{option}-port", "default: that of the parameter file"),
        _option(f"{prefix}.id", f"--{option}-id", "LeRobot's calibration files are found by it"),
        _calibration_dir(f"{prefix}.calibration_dir", f"--{option}-id"),
        _only(f"{prefix}.use_degrees", "true", _RAW),
        _only(f"{prefix}.num_read_retries", "2", "the bus driver repeats a request twice"),
        _refused(f"{prefix}.*_arm_config.*", _TWO_ARMS),
        _refused(f"{prefix}.discover_packages_path", "plug-ins of LeRobot need LeRobot"),
        _refused(prefix, _FILE),
    )


FLAGS: tuple[Flag, ...] = (
    *_arm("robot", "follower", "robot"),
    Flag(
        "robot.cameras",
        "`-p hardware.cameras=[...]`, `-p hardware.CAMERA.source=...`, ...",
        "type `opencv`, `fourcc` MJPG or YUYV, no `rotation`; `warmup_s` and `backend` have no effect. Other "
        "cameras: their ROS 2 drivers, see [any_robot.md](any_robot.md)",
        _cameras,
    ),
    Flag(
        "robot.max_relative_target",
        "`-p hardware.max_relative_target=...`",
        "in the same units; of a joint: `max_relative_target_by_joint.gripper`; may change while it runs",
        _largest_step,
    ),
    _chosen(
        "robot.disable_torque_on_disconnect",
        "`-p hardware.torque_on_exit=off` or `hold`",
        {
            "true": ("-p", 'hardware.torque_on_exit="off"'),
            "false": ("-p", 'hardware.torque_on_exit="hold"'),
        },
        "a warning comes before the follower is released",
    ),
    _only("robot.position_p_coefficient", "16", "LeRobot's default is written to the servos"),
    _only("robot.position_i_coefficient", "0", "LeRobot's default is written to the servos"),
    _only("robot.position_d_coefficient", "32", "LeRobot's default is written to the servos"),
    *_arm("teleop", "leader", "teleop"),
    _option("dataset.repo_id", "--repo-id", "no date is added, see `dataset.no_stamp`"),
    _option("dataset.single_task", "--task", "may change between episodes"),
    _option("dataset.root", "--root", "the same directory"),
    _option("dataset.fps", "--fps", "default: that of the parameter file, 30"),
    _option("dataset.episode_time_s", "--episode-time-s", "0: until you save it"),
    _option("dataset.reset_time_s", "--reset-time-s", "the arms go on; → starts the next episode earlier"),
    _option(
        "dataset.num_episodes",
        "--num-episodes",
        "default 0: you start each episode; LeRobot's default is 50",
    ),
    _only("dataset.video", "true", "images are stored as videos"),
    _chosen(
        "dataset.push_to_hub",
        "`--push-to-hub LICENCE`",
        {"true": ("--push-to-hub", _LICENCE), "false": ()},
        f"default: no upload; LeRobot uploads unless you forbid it. `true` uploads under {_LICENCE}, as "
        "there; later: `lerobot-recorder push`",
    ),
    _chosen(
        "dataset.private",
        "`--private`",
        {"true": ("--private",), "false": (), "null": ()},
        "for `--push-to-hub`",
    ),
    Flag("dataset.tags", "`--tag`, once for each", "for `--push-to-hub`", _tags),
    _only(
        "dataset.no_stamp",
        "true",
        "a dataset keeps the name that you give, and a later run continues it; put a date into the "
        "name yourself",
    ),
    _option("dataset.video_encoding_batch_size", "--video-encoding-batch-size", "may change while it runs"),
    _assigned(
        "dataset.streaming_encoding",
        "encoder.encode_while_recording",
        "default: true; a process of low priority encodes, so rows stay on time",
    ),
    _unneeded("dataset.encoder_queue_maxsize", "rows wait on the disk, not in a queue, and none is dropped"),
    _assigned("dataset.encoder_threads", "encoder.encoder_threads", "libsvtav1 always has one"),
    _unneeded("dataset.num_image_writer_processes", _PNG),
    _unneeded("dataset.num_image_writer_threads_per_camera", _PNG),
    *(
        _assigned(f"dataset.rgb_encoder.{name}", f"encoder.{name}", remark)
        for name, remark in (
            ("vcodec", "the same names"),
            ("pix_fmt", ""),
            ("g", ""),
            ("crf", "whole numbers"),
            ("preset", "a number, for libsvtav1; other codecs use their default"),
        )
    ),
    _only("dataset.rgb_encoder.fast_decode", "0", "LeRobot's default"),
    _only("dataset.rgb_encoder.video_backend", "pyav", "there is no other"),
    _only("dataset.rgb_encoder.extra_options", "{}", "LeRobot's default"),
    *(
        _assigned(f"dataset.depth_encoder.{name}", f"encoder.{ours}", "for a new dataset")
        for name, ours in (
            ("depth_min", "depth_min"),
            ("depth_max", "depth_max"),
            ("shift", "depth_shift"),
            ("use_log", "depth_use_log"),
        )
    ),
    *(
        _only(f"dataset.depth_encoder.{name}", value, _DEPTH)
        for name, value in (
            ("vcodec", "hevc"),
            ("pix_fmt", "gray12le"),
            ("g", "2"),
            ("crf", "30"),
            ("preset", "null"),
            ("fast_decode", "0"),
            ("video_backend", "pyav"),
            ("extra_options", "{'x265-params': 'lossless=1'}"),
        )
    ),
    _refused("dataset.rgb_encoder", _FILE),
    _refused("dataset.depth_encoder", _FILE),
    _refused("dataset", _FILE),
    _chosen(
        "resume",
        "`--resume` or `--no-resume`",
        {"true": ("--resume",), "false": ("--no-resume",)},
        "default: a dataset that exists is continued. `true` requires one, `false` that there is "
        "none",
    ),
    _assigned("play_sounds", "recorder.play_sounds", "default: true; may change while it runs"),
    _chosen(
        "display_data",
        "`--dashboard`",
        {"true": ("--dashboard",), "false": ()},
        "a web page with the pictures of all cameras and the curves of the joints",
    ),
    _unneeded("display_mode", _LIVE),
    _unneeded("display_ip", _LIVE),
    _unneeded("display_port", _LIVE),
    _unneeded("display_compressed_images", _LIVE),
    _refused("config_path", _FILE),
)  # fmt: skip
"""All flags of ``lerobot-record`` 0.6.1 with an SO-100 or SO-101, in the order of their translation."""


def table() -> Iterator[str]:
    """Yield the lines of the table in the documentation."""
    yield "| `lerobot-record` | here | remarks |"
    yield "|---|---|---|"
    for flag in FLAGS:
        yield f"| `--{flag.name}` | {flag.here or 'none'} | {flag.remark} |"
