"""The command line ``lerobot-recorder``: one file per command, collected in ``app``.

The commands do not import ROS. Those that need nodes start them as processes and talk to them through pipes.

=============  =============================================================================
session        starts, steers and ends the nodes of one recording
processes      one node in its own process
screen         the live view of a recording
status         what the nodes of a recording have reported
keyboard       the operator's keys
terminal       consoles, tables and the Enter key
summary        the table and the contact sheet after a recording
contact_sheet  video frames and joint curves of episodes, in one image
batch_trial    records with one batch size for ``batch-demo``
=============  =============================================================================
"""
