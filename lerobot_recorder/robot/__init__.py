"""Arms and cameras.

The arms' way, from the wire to rad::

    protocol ─► bus ─► arm ─► link ─► driver ─► teleop

===========  ===================================================================================
protocol     Feetech's packets, in bytes
registers    what is where in an STS3215 servo
port         a serial port, and what is wrong with it
bus          a serial port with servos: retries, and no stale answers
calibration  LeRobot's calibration files; ticks, rad and LeRobot's units
arm          six servos, read and moved in rad
arm_setup    who they are, how they are calibrated, what LeRobot writes to them
link         an arm that may be unplugged and come back
commands     which commands are refused
motion       how the follower gets to its target
watch        when the follower must not be driven on
driver       the follower: powered, watched, sent to its targets
settings     how to drive, and what is published
timing       percentiles of durations
report       how the arms are
teleop       the thread that does all of this
finding      which port is an arm, which servos are on it
servo_setup  new servos get their ids
calibrating  LeRobot's procedure: the middle, then the ranges
replay       a recorded episode as a movement, and how well it was repeated
player       sends the follower through a movement
kinematics   where the links are
tabletop     the cube and the plate before the simulated arm
simulation/  an SO-100 behind a pseudo-terminal
cameras/     cameras
===========  ===================================================================================
"""
