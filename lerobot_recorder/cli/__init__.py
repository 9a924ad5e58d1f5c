"""``lerobot-recorder``, the operator's command line: one file per command, put together in ``app``.

The commands import no ROS. Those that need the nodes start them as processes and talk to them through pipes.
"""
