"""Starts the hardware, recorder, encoder and dashboard nodes; ends them when the recorder has finished.

``ros2 launch lerobot_recorder record.launch.py --show-args`` lists the arguments. They override the parameter
file. A launch that includes this file continues when the recorder ends, unless ``shutdown_on_exit`` is true.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

from launch import Action, Event, EventHandler, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    PopEnvironment,
    PopLaunchConfigurations,
    PushEnvironment,
    PushLaunchConfigurations,
    RegisterEventHandler,
    Shutdown,
)
from launch.events import matches_action
from launch.events.process import ProcessExited, ProcessIO, ShutdownProcess
from launch_ros.actions import Node

from lerobot_recorder.derived import derived_parameters
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.launching import (
    END_S,
    GRACE_PERIOD_S,
    LAUNCH_ARGUMENTS,
    NODE_OPTIONS,
    PARENT_VARIABLE,
    READY,
    is_launched,
    node_values,
    plain_hardware,
    profile_environment,
    require_config,
    typed_options,
)
from lerobot_recorder.parameter_files import check_files, file_parameters
from lerobot_recorder.settings import Parameter

FILE = Path(__file__).resolve()
CONFIG = FILE.parents[1] / "config"
PRESETS = {"so100": CONFIG / "so100.yaml", "sim": CONFIG / "so100_sim.yaml"}


def generate_launch_description() -> LaunchDescription:
    declared = [_declared(option) for option in LAUNCH_ARGUMENTS.values()]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])


def _declared(option: Parameter) -> DeclareLaunchArgument:
    if option.choices:
        choices = list(option.choices)
        return DeclareLaunchArgument(
            option.name, default_value=option.default, choices=choices, description=option.help
        )
    # Empty: from the parameter file.
    return DeclareLaunchArgument(option.name, default_value="", description=option.help)


def _start(context: LaunchContext) -> list[Action]:
    run = Run(ends_launch=_ends_launch(context.launch_configurations["shutdown_on_exit"]))
    run.nodes = _nodes(context, run)
    failed = EventHandler(
        matcher=lambda event: isinstance(event, RecordingFailed), entities=OpaqueFunction(function=_fail)
    )
    printed = EventHandler(
        matcher=lambda event: isinstance(event, ProcessIO), entities=OpaqueFunction(function=run.note_output)
    )
    run.note_scope(context)
    return [RegisterEventHandler(failed), RegisterEventHandler(printed), *run.first()]


# Which nodes


def _nodes(context: LaunchContext, run: Run) -> dict[str, Node]:
    given = {name: text for name in LAUNCH_ARGUMENTS if (text := context.launch_configurations[name])}
    kind = plain_hardware(given["hardware"])
    config = _config(kind, given.get("config"))
    options, namespace = typed_options(given), given.get("namespace")
    environment = {PARENT_VARIABLE: str(os.getpid())}  # SIGTERM ends launch without ending its processes
    environment |= profile_environment(context.environment, CONFIG / "fastdds.xml")
    left_out = {"hardware" if kind == "none" else "", "" if options.get("dashboard") else "dashboard"}
    names = [name for name in NODE_OPTIONS if name not in left_out]
    full = _namespace(context, given.get("namespace", ""))
    check_files([config], [f"{full}/{name}" for name in names])
    values = {name: node_values(name, options) for name in names}
    files = {name: file_parameters(config, f"{full}/{name}") for name in names}
    derived = derived_parameters({name: {**files[name], **values[name]} for name in names})
    return {
        name: _node(
            name,
            {**values[name], **derived[name]},
            config,
            namespace=namespace,
            additional_env=environment,
            on_exit=partial(run.note_end, name),
        )
        for name in names
    }


def _config(kind: str, given: str | None) -> Path:
    require_config(kind, given, "config:=robot.yaml")
    config = Path(given).expanduser() if given else PRESETS[kind]
    if not config.is_file():
        raise ConfigError(f"config: parameter file {config} does not exist")
    return config


def _namespace(context: LaunchContext, given: str) -> str:
    """Return the namespace of the nodes: inside that of the launch, unless it starts with a slash."""
    outer = "" if given.startswith("/") else context.launch_configurations.get("ros_namespace", "")
    return "".join(f"/{each}" for each in f"{outer}/{given}".split("/") if each)


def _node(name: str, values: dict[str, object], config: Path, **options: object) -> Node:
    return Node(
        package="lerobot_recorder",
        executable=f"{name}_node",
        name=name,
        output="both",
        parameters=[str(config), *([values] if values else [])],
        sigterm_timeout=str(GRACE_PERIOD_S[name]),
        sigkill_timeout=str(END_S),
        **options,
    )


# How they end


class RecordingFailed(Event):
    """A node failed: the launch ends, with an exit status other than 0."""

    name = "lerobot_recorder.RecordingFailed"

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Run:
    """The nodes of a recording, which end together.

    Attributes:
        ends_launch: whether everything else that was launched ends with them
        nodes: the nodes by name
        failures: a sentence for each node that failed
    """

    def __init__(
        self, *, ends_launch: bool
    ) -> None:  # no dataclass: launch does not import this file as a module
        self.ends_launch = ends_launch
        self.nodes: dict[str, Node] = {}
        self._has_ended = False
        self._scope: tuple[dict[str, object], dict[str, str]] = ({}, {})
        self.failures: list[str] = []
        self._output = dict.fromkeys(READY, "")  # the end of what these nodes have printed

    def first(self) -> list[Node]:
        """Return the nodes that start at once: arms may move only when what they do can be recorded."""
        return [node for name, node in self.nodes.items() if name != "hardware"]

    def note_output(self, context: LaunchContext) -> list[Action]:
        """Return the hardware node when the last of the others has reported that it is ready."""
        event = context.locals.event
        name = next((each for each in self._output if self.nodes[each] is event.action), None)
        if name is None:
            return []
        self._output[name] += event.text.decode(errors="replace")
        if READY[name] not in self._output[name]:
            self._output[name] = self._output[name][-len(READY[name]) :]
            return []
        del self._output[name]
        if self._output or self._has_ended or context.is_shutdown:
            return []
        hardware = [node for name, node in self.nodes.items() if name == "hardware"]
        return self._in_scope(hardware)

    def note_scope(self, context: LaunchContext) -> None:
        """Keep what holds for all nodes here: a group's namespace, remappings, parameters and environment."""
        self._scope = dict(context.launch_configurations), dict(context.environment)

    def _in_scope(self, actions: list[Action]) -> list[Action]:
        def restore(context: LaunchContext) -> None:
            configurations, environment = self._scope
            context.launch_configurations.update(configurations)
            context.environment.update(environment)

        begin = [PushLaunchConfigurations(), PushEnvironment(), OpaqueFunction(function=restore)]
        return [*begin, *actions, PopEnvironment(), PopLaunchConfigurations()]

    def note_end(self, name: str, event: ProcessExited, context: LaunchContext) -> list[Action]:
        """Return what follows from the end of a node; without an encoder, episodes wait in the spool."""
        if name == "dashboard":  # the recording goes on without it
            return []
        asked = self._has_ended and event.returncode in (-signal.SIGINT, -signal.SIGTERM)
        if event.returncode != 0 and not asked:
            self.failures.append(f"the {name} node ended with exit status {event.returncode}")
        if name == "encoder" and not context.is_shutdown and name not in self._output:
            return []
        self._has_ended = True
        others = [node for other, node in self.nodes.items() if other != name]
        following: list[Action] = [
            EmitEvent(event=ShutdownProcess(process_matcher=matches_action(node))) for node in others
        ]
        return [*following, self._end_launch(name)] if self.ends_launch else following

    def _end_launch(self, name: str) -> Action:
        failures, self.failures = self.failures, []
        if failures:
            return EmitEvent(event=RecordingFailed("; ".join(failures)))
        return Shutdown(reason=f"the {name} node ended")


def _fail(context: LaunchContext) -> None:
    """Raise an error in a handler of its own: it is launch's only way to another exit status than 0.

    In the handler of a process's end it would skip other handlers of that event.
    """
    raise RuntimeError(context.locals.event.reason)


def _ends_launch(wanted: str) -> bool:
    return wanted == "true" or (wanted == "auto" and is_launched(sys.argv, FILE))
