"""The message types that are installed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from lerobot_recorder.errors import ConfigError


class InstalledTypes:
    """The message types of this ROS installation."""

    def fields(self, message_type: str) -> Mapping[str, str]:
        """Return the types of a message's fields by name.

        Raises:
            ConfigError: the type is not installed.
        """
        fields: Mapping[str, str] = message_class(message_type).get_fields_and_field_types()
        return fields


def message_class(message_type: str) -> Any:
    """Return the class of a message type.

    Raises:
        ConfigError: the type is not installed.
    """
    package, _, name = message_type.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"messages of type {message_type} are not installed here: {error}") from error
