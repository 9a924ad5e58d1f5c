"""The parameters of an import: those of the recorder and the encoder, from the same parameter file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    _refuse_unknown("recorder", own["recorder"], changes.get("recorder", {}), OF_RECORDER, streams)
    _refuse_unknown("encoder", own["encoder"], changes.get("encoder", {}), OF_ENCODER)
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


def _prefixed(parameter: Parameter, member: str) -> Parameter:
    former = f"{member}.{parameter.former_name}" if parameter.former_name else ""
    return replace(parameter, name=f"{member}.{parameter.name}", former_name=former)


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


@dataclass(frozen=True)
class KnownParameters:
    """The parameters that a node has.

    Attributes:
        parameters: those that it has once, with their full names
        members: the parameter that lists what has parameters of its own, such as ``streams``; empty: none
        of_member: the parameters that each of them has
    """

    parameters: Sequence[Parameter]
    members: str = ""
    of_member: Sequence[Parameter] = ()

    def of(self, listed: Sequence[str]) -> list[Parameter]:
        """Return all with their full names, given the members that are listed."""
        return [*self.parameters, *(_prefixed(each, name) for name in listed for each in self.of_member)]


OF_RECORDER = KnownParameters(PARAMETERS, "streams", STREAM_PARAMETERS)
OF_ENCODER = KnownParameters(ENCODER_PARAMETERS)


def unknown_parameters(
    node: str,
    sections: Sequence[Section],
    changes: Values,
    known: KnownParameters,
    listed: Sequence[str] = (),
) -> list[str]:
    """Return a sentence for each parameter that a node does not have, except in sections for all nodes.

    Args:
        node: name of the node
        sections: those of the parameter file that apply to it
        changes: values from elsewhere, by name
        known: what it has
        listed: the members that are listed now; what a file has for those that only it lists is not used
    """
    names = {name for each in known.of(listed) for name in (each.name, each.former_name) if name}
    places = {
        name: entry.place
        for section in sections
        if not section.is_shared
        for name, entry in section.parameters.items()
    } | dict.fromkeys(changes, "")
    left_out = _left_out(sections, known.members, listed)
    unknown = [name for name in places if name not in names and not name.startswith((*_FOREIGN, *left_out))]
    unlisted = of_unlisted(unknown, known.members, listed, known.of_member) if known.members else {}
    sentences: dict[str, str] = {}
    for name in unknown:
        hint = f"{did_you_mean(name, names)}; docs/parameters.md lists them"
        sentence = unlisted.get(name, f"{node} has no parameter {name!r}{hint}")
        sentences.setdefault(sentence, places[name])
    return [f"{place}: {each}" if place else each for each, place in sentences.items()]


def _left_out(sections: Sequence[Section], members: str, listed: Sequence[str]) -> tuple[str, ...]:
    """Return how parameters of members start that the file lists, and the value that replaces it does not."""
    lists = [section.parameters[members].value for section in sections if members in section.parameters]
    names = {str(name) for each in lists if isinstance(each, list) for name in each}
    return tuple(f"{name}." for name in names - set(listed) if name)


def _refuse_unknown(
    node: str,
    sections: Sequence[Section],
    changes: Values,
    known: KnownParameters,
    listed: Sequence[str] = (),
) -> None:
    """Refuse parameters that do not exist, except in sections for all nodes.

    Raises:
        ConfigError: a parameter does not exist
    """
    if unknown := unknown_parameters(node, sections, changes, known, listed):
        raise ConfigError(unknown[0])
