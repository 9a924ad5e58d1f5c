"""Writes ``parameters.md`` and the table of ``from_lerobot_record.md``: ``python docs/parameters.py``.

The tables come from the settings classes, and from the flags that ``record`` translates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lerobot_recorder import hardware_settings, topics
from lerobot_recorder.arms import ReplaySettings
from lerobot_recorder.cli import lerobot_flags
from lerobot_recorder.dashboard import DashboardSettings
from lerobot_recorder.dataset import DatasetPlace
from lerobot_recorder.encoding import ENCODER_PARAMETERS
from lerobot_recorder.settings import Parameter, parameters_of

PAGE = Path(__file__).with_suffix(".md")

FLAGS_PAGE = PAGE.with_name("from_lerobot_record.md")
FLAGS_TABLE = re.compile(r"(?<=<!-- flags -->\n\n).*(?=\n<!-- end of flags -->)", re.DOTALL)

HEAD = """\
# Parameters

`make docs-parameters` writes this page from the settings classes in the code.

`ros2 param describe /recorder episode_time_s` shows the same text at a running node. A parameter that a node
does not know is an error, and so is a value outside its range. A change with `ros2 param set` takes effect as
the last column says; "next start" means that the node refuses it while it runs. Parameters of type float
accept whole numbers, texts accept any number. `[]` is an empty list, which `ros2 param` shows as `['']`.

`ros2 param dump` writes all values of a node; `ros2 param load` and `--params-file` read them. A section for
all nodes (`/**`) may hold parameters of other nodes: what a node does not know there is logged, and not used.

The nodes also accept `use_sim_time`, and the recorder accepts
`qos_overrides.<topic>.subscription.reliability`, `history`, `depth` and `durability`.
"""

TABLES: tuple[tuple[str, str, Sequence[Parameter]], ...] = (
    ("recorder", "", topics.PARAMETERS),
    ("recorder: each stream", "<stream>.", topics.STREAM_PARAMETERS),
    ("encoder", "", ENCODER_PARAMETERS),
    ("hardware", "", hardware_settings.PARAMETERS),
    ("hardware: each arm, follower and leader", "<arm>.", hardware_settings.ARM_PARAMETERS),
    ("hardware: each camera", "<camera>.", hardware_settings.CAMERA_PARAMETERS),
    ("replay", "", parameters_of(DatasetPlace, ReplaySettings)),
    ("dashboard", "", parameters_of(DatasetPlace, DashboardSettings)),
)


def page() -> str:
    """Return the text of the page."""
    return "\n".join([HEAD, *(line for table in TABLES for line in _table(*table))])


def flags_page() -> str:
    """Return the text of the page on LeRobot's flags, with its table."""
    lines = "".join(f"{line}\n" for line in lerobot_flags.table())
    return FLAGS_TABLE.sub(lambda _: lines, FLAGS_PAGE.read_text(encoding="utf-8"))


def _table(title: str, prefix: str, parameters: Sequence[Parameter]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| parameter | default | unit | allowed values | meaning | a change takes effect |"
    yield "|---|---|---|---|---|---|"
    for each in parameters:
        name, default = f"`{prefix}{each.name}`", _default(each.default)
        effect = each.effect.replace("at the next start", "next start")
        yield f"| {name} | {default} | {each.unit} | {_cell(each.limits)} | {_cell(each.text)} | {effect} |"
    yield ""


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`" if value else "`['']`"
    return f"`{value}`" if value != "" else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", r"\<")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    FLAGS_PAGE.write_text(flags_page(), encoding="utf-8")
