"""The command line ``lerobot-recorder``: one file per command, collected in ``app``.

The commands do not import ROS. Those that need nodes start them as processes and talk to them through pipes.

=============  =============================================================================
entry          starts the program
session        starts, steers and ends the nodes of one recording
attachment     shows and steers nodes that run already, for ``console``
view           the terminal of one operator: keyboard, controls and screen
processes      one node in its own process
screen         the live view of a recording; `large_type` has its large letters
status         what the nodes of a recording have reported
keyboard       reads the operator's keys
controls       what the keys do
terminal       consoles, tables and the Enter key
summary        the table and the contact sheet after a recording
contact_sheet  video frames and joint curves of episodes, in one image
batch_trial    records with one batch size for ``batch-demo``
=============  =============================================================================
"""
