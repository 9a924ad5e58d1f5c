"""Bags of ROS 2, without ROS.

=============  =============================================================================
writing        `BagWriter`: writes an MCAP file or a rosbag2 folder
=============  =============================================================================
"""

from lerobot_recorder.bags.writing import MCAP_SUFFIX, BagWriter

__all__ = ["MCAP_SUFFIX", "BagWriter"]
