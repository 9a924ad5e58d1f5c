"""The parts of ``batch-demo``, which records the same episodes with several batch sizes.

==========  =============================================================================
pictures    draws the simulated robot's images before the trials
trial       records the episodes at real pace with one batch size, and measures the cost
report      the table, the advice and the chart
==========  =============================================================================
"""
