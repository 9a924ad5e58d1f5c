"""Exports episodes as bags, for ROS 2, Foxglove and PlotJuggler. Does not use ROS.

=============  =============================================================================
bag_export     `export_bag`: episodes of a dataset in an MCAP file or a rosbag2 folder
messages       rows and images as messages
=============  =============================================================================
"""

from lerobot_recorder.exporting.bag_export import ExportedBag, Images, export_bag

__all__ = ["ExportedBag", "Images", "export_bag"]
