"""The parameters of an import: those of the recorder and the encoder, from the same parameter file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.derived import derived_parameters
from lerobot_recorder.encoding import ENCODER_PARAMETERS, BatchSettings, encoder_settings
from lerobot_recorder.errors import ConfigError
from lerobot_recorder.excerpt import did_you_mean
from lerobot_recorder.parameter_files import Section, read_sections
from lerobot_recorder.recording import RecorderSettings
from lerobot_recorder.settings import Parameter, of_unlisted, settings_from
from lerobot_recorder.topics import PARAMETERS, STREAM_PARAMETERS, RowSettings, StreamSettings
from lerobot_recorder.video import DepthSettings, EncoderSettings

_FOREIGN = ("use_sim_time", "qos_overrides.", "start_type_description_service")
"""What the nodes accept besides their own parameters."""

Values = Mapping[str, Any]


@dataclass(frozen=True)
class ImportParameters:
    """How the topics of a bag become rows and videos.

    Attributes:
        place: the dataset
        rows: what rows consist of
        recorder: how episodes are recorded; their length is not limited
        streams: the settings of each stream, by name
        encoder: how color videos are encoded
        depth: how depth maps become videos
        batch: with which resources videos are encoded
        file: the parameter file
        namespace: namespace of relative topics; empty: none
        clock: ``sim`` if the log times are those of ``/clock``, else ``system``
    """

    place: DatasetPlace
    rows: RowSettings
    recorder: RecorderSettings
    streams: Mapping[str, StreamSettings]
    encoder: EncoderSettings
    depth: DepthSettings
    batch: BatchSettings
    file: Path | None = None
    namespace: str = ""
    clock: str = "system"

    def topic(self, name: str) -> str:
        """Return a topic with its namespace."""
        if name.startswith("/"):
            return name
        if name.startswith("~"):
            name = f"recorder/{name[1:].lstrip('/')}"
        return "/".join(["", *filter(None, [self.namespace, name])])


def read_parameters(
    file: Path,
    changes: Mapping[str, Values] | None = None,
    namespace: str = "",
) -> ImportParameters:
    """Read the parameters from a file as the nodes do.

    Args:
        file: parameter file
        changes: values that replace those of the file, by node
        namespace: namespace of the nodes

    Raises:
        ConfigError: the file cannot be read, or a parameter is unknown or not allowed
    """
    namespace = namespace.strip("/")
    prefix = f"/{namespace}/" if namespace else "/"
    sections, changes = read_sections(file), changes or {}
    own = {
        node: [each for each in sections if each.applies_to(prefix + node)]
        for node in ("recorder", "encoder", "hardware")
    }
    given = {node: {**_values(own[node]), **changes.get(node, {})} for node in ("recorder", "encoder")}
    if any(not each.is_shared for each in own["hardware"]):
        given["hardware"] = _values(own["hardware"])
    derived = derived_parameters(given)
    recorder = {**given["recorder"], **derived["recorder"]}
    streams = _checked(recorder, PARAMETERS, []).get("streams", RowSettings().streams)
    known: list[str | Parameter] = [
        *PARAMETERS,
        *(_prefixed(each, name) for name in streams for each in STREAM_PARAMETERS),
    ]
    known += _left_out(own["recorder"], streams)
    _refuse_unknown("recorder", own["recorder"], changes.get("recorder", {}), known, streams)
    _refuse_unknown("encoder", own["encoder"], changes.get("encoder", {}), ENCODER_PARAMETERS)
    return typed_parameters(file, recorder, {**given["encoder"], **derived["encoder"]}, namespace)


def typed_parameters(file: Path, recorder: Values, encoder: Values, namespace: str = "") -> ImportParameters:
    """Return parameters in their types; unknown ones are ignored.

    Args:
        file: parameter file that they are from
        recorder: values of the recorder's parameters, with those that follow from others
        encoder: values of the encoder's
        namespace: namespace of the nodes

    Raises:
        ConfigError: a value is not allowed
    """
    streams = _checked(recorder, PARAMETERS, []).get("streams", RowSettings().streams)
    values = _checked(recorder, PARAMETERS, streams)
    defaults = {each.name: each.default for each in ENCODER_PARAMETERS}
    encoder = defaults | _checked(encoder, ENCODER_PARAMETERS, [])
    return ImportParameters(
        place=settings_from(DatasetPlace, values),
        rows=settings_from(RowSettings, values),
        recorder=settings_from(RecorderSettings, values),
        streams={name: settings_from(StreamSettings, _group(values, name)) for name in streams},
        encoder=encoder_settings(encoder),
        depth=settings_from(DepthSettings, encoder),
        batch=settings_from(BatchSettings, encoder),
        file=file,
        namespace=namespace,
        clock="sim" if recorder.get("use_sim_time") is True else "system",
    )


def _values(sections: Iterable[Section]) -> dict[str, Any]:
    return {name: entry.value for section in sections for name, entry in section.parameters.items()}


def _prefixed(parameter: Parameter, stream: str) -> str:
    return f"{stream}.{parameter.name}"


def _group(values: Values, stream: str) -> dict[str, Any]:
    start = f"{stream}."
    return {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}


def _checked(values: Values, parameters: Sequence[Parameter], streams: Iterable[str]) -> dict[str, Any]:
    """Return the values that parameters have, in their types.

    Raises:
        ConfigError: a value is not allowed
    """
    found: dict[str, Any] = {}
    tables = [("", parameters), *((f"{name}.", STREAM_PARAMETERS) for name in streams)]
    for prefix, table in tables:
        for each in table:
            names = [f"{prefix}{name}" for name in (each.name, each.former_name) if name]
            given = [name for name in names if name in values]
            if len(given) > 1:
                raise ConfigError(f"{given[1]} is the former name of {given[0]}: give only {given[0]}")
            if given:
                found[names[0]] = _check(each, prefix, values[given[0]])
    return found


def _check(parameter: Parameter, prefix: str, value: Any) -> Any:
    try:
        return parameter.check(() if value is None and parameter.default == () else value)
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from None


def _left_out(sections: Sequence[Section], streams: Sequence[str]) -> list[str]:
    """Return the parameters of streams that the file lists, and the value that replaces its list does not."""
    listed = {
        str(name)
        for section in sections
        if "streams" in section.parameters and isinstance(section.parameters["streams"].value, list)
        for name in section.parameters["streams"].value
    }
    left_out = tuple(f"{name}." for name in listed - set(streams))
    return [name for section in sections for name in section.parameters if name.startswith(left_out)]


def _refuse_unknown(
    node: str,
    sections: Sequence[Section],
    changes: Values,
    known: Sequence[str | Parameter],
    streams: Sequence[str] | None = None,
) -> None:
    """Refuse parameters that do not exist, except in sections for all nodes.

    Raises:
        ConfigError: a parameter does not exist
    """
    names = {each if isinstance(each, str) else each.name for each in known}
    names |= {each.former_name for each in known if isinstance(each, Parameter) and each.former_name}
    places = {
        name: entry.place
        for section in sections
        if not section.is_shared
        for name, entry in section.parameters.items()
    } | dict.fromkeys(changes, "")
    unknown = [name for name in places if name not in names and not name.startswith(_FOREIGN)]
    unlisted = {} if streams is None else of_unlisted(unknown, "streams", streams, STREAM_PARAMETERS)
    for name, place in places.items():
        if name in unlisted:
            raise ConfigError(f"{f'{place}: ' if place else ''}{unlisted[name]}")
        if name in unknown:
            hint = did_you_mean(name, names)
            where = f"{place}: " if place else ""
            raise ConfigError(f"{where}{node} has no parameter {name!r}{hint}; docs/parameters.md lists them")
