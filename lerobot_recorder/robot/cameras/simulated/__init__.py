"""Simulated cameras: the simulated arm as it stands, over a wooden table with a cube and a plate.

=========  ===========================================================================================
source     the camera: when a picture is due, whose arm and whose table it shows
renderer   a picture from a viewpoint
ground     the table as seen, and the shadows on it
viewpoint  where each camera is, by its name, and how it sees
solids     convex solids from which everything is built
arm        the arm and the cube as solids
table      the table top: wood and plate
sensor     vignetting and noise
=========  ===========================================================================================
"""

from lerobot_recorder.robot.cameras.simulated.source import SimulatedCamera

__all__ = ["SimulatedCamera"]
