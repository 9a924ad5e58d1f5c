"""Draws the simulated arm on its table, as a camera sees it.

=============  =============================================================================
renderer       ``Renderer``: a picture of the scene from a viewpoint
viewpoint      where cameras stand, and what they see
arm            the arm's shape
solids         boxes, cylinders and prisms, projected and shaded
ground         the table's surface with shadows
table          the texture of the table
sensor         noise and vignetting
=============  =============================================================================
"""
