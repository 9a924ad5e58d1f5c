"""Bags of ROS 2: rosbag2 folders, MCAP and sqlite3 files. Does not use ROS.

::

    folder ─► files (mcap_file, sqlite_file) ─► Bag: messages by log time ─► definitions: decode

=============  =============================================================================
bag            `open_bag`: a bag, its topics, its messages by log time
folder         which files a bag consists of; ``metadata.yaml``
storage        what a file of a bag offers, and how several are merged
mcap_file      an MCAP file: its topics and messages
mcap_index     where the messages of an MCAP file are, also without an index
sqlite_file    an sqlite3 file, also with an unfinished transaction
compression    zstd and lz4; files that are compressed as a whole
definitions    message types, from the definitions in the bag
whole_part     a bag that ends where it is damaged
library        the optional packages that reading needs
writing        `BagWriter`: writes an MCAP file or a rosbag2 folder
=============  =============================================================================
"""

from lerobot_recorder.bags.bag import Bag, BagMessage, BagTopic, open_bag
from lerobot_recorder.bags.folder import is_bag_path
from lerobot_recorder.bags.storage import full_type
from lerobot_recorder.bags.whole_part import WholePart
from lerobot_recorder.bags.writing import BagWriter, Storage

__all__ = [
    "Bag",
    "BagMessage",
    "BagTopic",
    "BagWriter",
    "Storage",
    "WholePart",
    "full_type",
    "is_bag_path",
    "open_bag",
]
