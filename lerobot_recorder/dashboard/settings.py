"""The dashboard's settings."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from lerobot_recorder.errors import ConfigError
from lerobot_recorder.launching import AddressSettings
from lerobot_recorder.settings import check_settings, setting, setting_of

SHORTEST_TOKEN = 16
_LOCALHOST = "localhost"


@dataclass(frozen=True)
class DashboardSettings:
    """Where the page is served, to whom, and how much the live pictures may cost."""

    address: str = setting_of(AddressSettings, "address")
    port: int = setting_of(AddressSettings, "port")
    token: str = setting(
        "",
        f"Secret that the page asks for, at least {SHORTEST_TOKEN} characters; empty: a new one at each "
        "start, and none with an address that only this computer reaches",
    )
    hosts: tuple[str, ...] = setting(
        (), "Names under which browsers may reach the page, besides IP addresses and this computer's name"
    )
    preview_rate_hz: float = setting(
        8.0, "Live pictures of each camera per second, at most", unit="Hz", low=0.2, high=30
    )
    preview_width: int = setting(
        400, "Approximate width of live pictures of raw topics", unit="pixels", low=32, high=4096
    )

    def __post_init__(self) -> None:
        check_settings(self)
        _ = self.is_local
        if self.token and len(self.token) < SHORTEST_TOKEN:
            found = len(self.token)
            raise ConfigError(f"token: expected at least {SHORTEST_TOKEN} characters, found {found}")

    @property
    def is_local(self) -> bool:
        """Whether only programs on this computer can reach the page.

        Raises:
            ConfigError: the address is not an IP address.
        """
        if self.address == _LOCALHOST:
            return True
        try:
            return ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            raise ConfigError(
                f"address: expected an IP address of this computer, or 0.0.0.0 for all of them, found "
                f"{self.address!r}"
            ) from None
