"""Exports episodes as bags, for ROS 2, Foxglove and PlotJuggler. Does not use ROS.

=============  =============================================================================
bag_export     `export_bag`: episodes of a dataset in an MCAP file or a rosbag2 folder
schedule       when the rows of episodes are
messages       values and images as messages
cameras        reads the images of episodes
parameters     the parameter file for importing a bag again
units          joints and units of the values, from the set-up
=============  =============================================================================
"""

from lerobot_recorder.exporting.bag_export import ExportedBag, export_bag
from lerobot_recorder.exporting.cameras import Images

__all__ = ["ExportedBag", "Images", "export_bag"]
