"""Imports bags: the same rows as a recorder takes live, without ROS.

::

    bag ─► streams ─► one pass by log time: a row as soon as its samples are there ─► spool ─► encoder
           cuts    ─► where episodes begin and end

=============  =============================================================================
parameters     the recorder's and the encoder's parameters, from the same file
sim_time       the time of a bag: its log times, or those on ``/clock``
streams        the topics of a bag that fill streams; whether its clocks agree
cuts           where the episodes in a bag begin and end
take           one pass over a bag that takes its episodes
setup          what a bag says of the robot, to keep beside the dataset
bag_import     `import_bag`: imports one bag into the spool, or only counts its rows
session        `ImportSession`: several bags, side by side, in the order of the bags
=============  =============================================================================
"""

from lerobot_recorder.importing.bag_import import (
    KNOWN,
    BagJob,
    BagReport,
    ImportedEpisode,
    Source,
    import_bag,
)
from lerobot_recorder.importing.cuts import Cut, Cutting, Range, cuts_of, range_of, read_ranges, unmatched
from lerobot_recorder.importing.parameters import (
    OF_ENCODER,
    OF_RECORDER,
    ImportParameters,
    KnownParameters,
    read_parameters,
    typed_parameters,
    unknown_parameters,
)
from lerobot_recorder.importing.session import ImportSession, problems_of

__all__ = [
    "KNOWN",
    "OF_ENCODER",
    "OF_RECORDER",
    "BagJob",
    "BagReport",
    "Cut",
    "Cutting",
    "ImportParameters",
    "ImportSession",
    "ImportedEpisode",
    "KnownParameters",
    "Range",
    "Source",
    "cuts_of",
    "import_bag",
    "problems_of",
    "range_of",
    "read_parameters",
    "read_ranges",
    "typed_parameters",
    "unknown_parameters",
    "unmatched",
]
