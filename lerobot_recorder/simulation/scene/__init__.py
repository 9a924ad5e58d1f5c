"""Draws the simulated arm on its table, as a camera sees it.

=============  =============================================================================
renderer       ``Renderer``: an image of the scene from a viewpoint
viewpoint      positions of the cameras, and projection
arm            the arm's shape
solids         boxes, cylinders and prisms, projected and shaded
ground         the table's surface with shadows
table          the texture of the table
=============  =============================================================================
"""

from lerobot_recorder.simulation.scene.renderer import Renderer
from lerobot_recorder.simulation.scene.viewpoint import viewpoint_of

__all__ = ["Renderer", "viewpoint_of"]
