"""The web page of an operator, without ROS: the application, and who may use it.

=============  =============================================================================
settings       `DashboardSettings`
app            `make_app`: the web application, ASGI
guard          looks at every request first: host, origin, size, session
access         `Access`: token, session, host names, wrong tokens
live           `Live`: what is shown live, between threads
stream         sends what is live to a browser
actions        services that buttons call, parameters that the page sets; `Station`: the nodes
targets        which episode an action is meant for
library        reads episodes of the dataset and of the spool
edits          edits that the page asks for
pictures       small JPEGs of images
server         `Server`: serves the application from a thread
extra          the packages that it needs
qr             a QR code for the terminal
static         the page itself
=============  =============================================================================

The extra ``dashboard`` installs what it needs; `require_extra` checks that.
"""

from typing import TYPE_CHECKING

from lerobot_recorder.lazy import lazy_names

if TYPE_CHECKING:
    from lerobot_recorder.dashboard.access import Access, new_token
    from lerobot_recorder.dashboard.actions import ACTIONS, CONTROLS, OFFER_BUTTONS, Action, Station
    from lerobot_recorder.dashboard.app import make_app
    from lerobot_recorder.dashboard.extra import CODE_HINT, require_extra
    from lerobot_recorder.dashboard.live import Live
    from lerobot_recorder.dashboard.pictures import depth_to_jpeg, to_jpeg
    from lerobot_recorder.dashboard.qr import qr_lines
    from lerobot_recorder.dashboard.server import Server, reachable_address
    from lerobot_recorder.dashboard.settings import DashboardSettings
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "ACTIONS",
    "CODE_HINT",
    "CONTROLS",
    "OFFER_BUTTONS",
    "Access",
    "Action",
    "DashboardSettings",
    "Live",
    "Server",
    "Station",
    "depth_to_jpeg",
    "make_app",
    "new_token",
    "qr_lines",
    "reachable_address",
    "require_extra",
    "to_jpeg",
]
