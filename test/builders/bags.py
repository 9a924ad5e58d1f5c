"""Bags for tests: rosbag2 folders in MCAP and sqlite3, and single MCAP files, with messages given as dicts.

A message is a dict of its fields; fields that are left out are zero or empty. `write_bag` writes a folder
with rosbags, `write_mcap` a file with mcap, which can leave out chunks or the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

JOINTS = "sensor_msgs/msg/JointState"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
START_NS = 1_700_000_000_000_000_000


class Sent(NamedTuple):
    """A message to write: topic, type, log time, and its fields."""

    topic: str
    type: str
    log_ns: int
    message: Any


def store(definitions: Mapping[str, str] = {}, distro: str = "jazzy") -> Any:
    """Return rosbags' type store of a ROS, with further types from their ``.msg`` definitions."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    types = get_typestore(Stores[f"ROS2_{distro.upper()}"])
    for name, text in definitions.items():
        types.register(get_types_from_msg(text, name))
    return types


def made(types: Any, kind: str, fields: Any) -> Any:
    """Return a message with the given fields; the others are zero or empty."""
    from rosbags.interfaces import Nodetype

    if not isinstance(fields, Mapping):
        return fields
    values = {}
    for name, (node, detail) in types.fielddefs[kind][1]:
        given = fields.get(name)
        if node == Nodetype.NAME:
            values[name] = made(types, detail, {} if given is None else given)
        elif node == Nodetype.BASE:
            values[name] = given if given is not None else _zero(detail[0])
        else:
            values[name] = _many(types, node == Nodetype.ARRAY, detail, given)
    return types.types[kind](**values)


def _many(types: Any, is_array: bool, detail: Any, given: Any) -> Any:
    from rosbags.interfaces import Nodetype

    (node, inner), size = detail
    if node == Nodetype.NAME:
        items = [{}] * size if given is None and is_array else list(given or ())
        return [made(types, inner, item) for item in items]
    name = inner[0]
    if name == "string":
        return list(given or [""] * (size if is_array else 0))
    kind = {"octet": "uint8", "byte": "uint8", "char": "uint8"}.get(name, name)
    if given is None:
        return np.zeros(size if is_array else 0, kind)
    return np.frombuffer(given, kind) if isinstance(given, bytes) else np.asarray(given, kind)


def _zero(name: str) -> Any:
    return {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}.get(name, 0)


def stamp(ns: int) -> dict[str, int]:
    """Return a stamp as the fields of ``builtin_interfaces/msg/Time``."""
    return {"sec": ns // 10**9, "nanosec": ns % 10**9}


def joints(log_ns: int, values: Mapping[str, float], topic: str = "/joint_states") -> Sent:
    """Return a JointState whose header has the log time."""
    fields = {"header": {"stamp": stamp(log_ns)}, "name": list(values), "position": list(values.values())}
    return Sent(topic, JOINTS, log_ns, fields)


def jpeg(log_ns: int, data: bytes, topic: str = "/camera/image_raw/compressed") -> Sent:
    """Return a CompressedImage whose header has the log time."""
    return Sent(
        topic, COMPRESSED, log_ns, {"header": {"stamp": stamp(log_ns)}, "format": "jpeg", "data": data}
    )


def qos(*, reliable: bool) -> Any:
    """Return the QoS profile of a publisher, for `write_bag`."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    reliability = QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT
    never = QosTime(9223372036, 854775807)
    keep = (QosHistory.KEEP_LAST, 10)
    return Qos(
        *keep, reliability, QosDurability.VOLATILE, never, never, QosLiveliness.AUTOMATIC, never, False
    )


def write_bag(
    folder: Path,
    messages: Iterable[Sent],
    *,
    storage: str = "mcap",
    compression: str = "",
    types: Any = None,
    files: int = 1,
    qos: Mapping[str, Any] = {},
    metadata: bool = True,
) -> Path:
    """Write a rosbag2 folder.

    Args:
        folder: path of the folder.
        messages: in the order of the file.
        storage: ``mcap`` or ``sqlite3``.
        compression: ``file``, ``message``, or ``storage`` for the chunks of MCAP.
        types: type store; by default the one of jazzy.
        files: number of files; each holds as many messages, in the given order.
        qos: QoS profiles (``rosbags.interfaces.Qos``) of topics.
        metadata: whether to write ``metadata.yaml``.
    """
    types = types or store()
    messages = list(messages)
    share = -(-len(messages) // files) or 1
    parts = [messages[start : start + share] for start in range(0, len(messages), share)] or [[]]
    written = []
    for number, part in enumerate(parts):
        one = folder if len(parts) == 1 else folder.with_name(f"{folder.name}_{number}")
        _write_one(one, part, storage, compression, types, qos)
        written.append(one)
    if len(written) > 1:
        _joined(folder, written)
    if not metadata:
        (folder / "metadata.yaml").unlink()
    return folder


def _write_one(
    folder: Path, messages: list[Sent], storage: str, compression: str, types: Any, qos: Mapping[str, Any]
) -> None:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connections: dict[tuple[str, str], Any] = {}
        for topic, kind, log_ns, fields in messages:
            if (topic, kind) not in connections:
                profiles = [qos[topic]] if topic in qos else []
                connections[topic, kind] = writer.add_connection(
                    topic, kind, typestore=types, offered_qos_profiles=profiles
                )
            writer.write(connections[topic, kind], log_ns, serialized(types, kind, fields))


def serialized(types: Any, kind: str, fields: Any) -> bytes:
    """Return a message in CDR."""
    return bytes(types.serialize_cdr(made(types, kind, fields), kind))


def _joined(folder: Path, parts: list[Path]) -> None:
    """Make one split bag of several, as a recorder with ``--max-bag-size`` writes it."""
    import yaml

    folder.mkdir()
    documents = []
    for part in parts:
        document = yaml.safe_load((part / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
        documents.append(document)
        (part / "metadata.yaml").unlink()
        (name,) = document["relative_file_paths"]
        (part / name).rename(folder / name)
        part.rmdir()
    whole = documents[0]
    whole["relative_file_paths"] = [name for each in documents for name in each["relative_file_paths"]]
    whole["files"] = [file for each in documents for file in each["files"]]
    whole["message_count"] = sum(each["message_count"] for each in documents)
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": whole}))


def write_mcap(path: Path, messages: Iterable[Sent], *, types: Any = None, **options: Any) -> Path:
    """Write an MCAP file with mcap's writer.

    Args:
        path: path of the file.
        messages: in the order of the file.
        types: type store; by default the one of jazzy.
        options: of ``mcap.writer.Writer``, for example ``chunk_size``, ``compression``, ``use_chunking``.
    """
    path.write_bytes(mcap_bytes(messages, types=types, **options))
    return path


def mcap_bytes(messages: Iterable[Sent], *, types: Any = None, **options: Any) -> bytes:
    """Return the content of an MCAP file; see `write_mcap`."""
    from mcap.writer import Writer

    types = types or store()
    buffer = BytesIO()
    writer = Writer(buffer, **options)
    writer.start("ros2", "test")
    schemas: dict[str, int] = {}
    channels: dict[tuple[str, str], int] = {}
    for number, (topic, kind, log_ns, fields) in enumerate(messages):
        if kind not in schemas:
            text, _ = types.generate_msgdef(kind, ros_version=2)
            schemas[kind] = writer.register_schema(kind, "ros2msg", text.encode())
        if (topic, kind) not in channels:
            channels[topic, kind] = writer.register_channel(topic, "cdr", schemas[kind])
        data = serialized(types, kind, fields)
        writer.add_message(channels[topic, kind], log_ns, data, log_ns, number)
    writer.finish()
    return buffer.getvalue()
