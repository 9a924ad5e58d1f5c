"""The parts of ``batch-demo``: the same episodes with several batch sizes, and what each costs.

==============  =============================================================================
pictures        what the simulated robot sees and does, drawn beforehand
trial           records the episodes at real pace with one batch size, and measures
watch           looks meanwhile at the disk that is held, and at what is encoded
lerobot_trial   the same with LeRobot, run by its own Python
lerobot_script  the program for that Python
report          the table and the advice
chart           the chart
==============  =============================================================================
"""
