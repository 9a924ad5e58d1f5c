"""The parts of ``chaos.py``.

=========  ==============================================================================
numbers    numbers as pictures and as poses of an arm, and back
world      the devices: arms on pseudo-terminals and network cameras that show the number
faults     what a disk does wrong, in any process that preloads the library (``faults.c``)
power      what a power cut leaves of a directory
nodes      the three nodes as processes: started, killed, watched
operator   calls the nodes' services, and sends hostile messages
ledger     what the nodes have promised of each episode
verify     whether the dataset keeps these promises
damage     copies with damaged files
rounds     what happens in a round, by kind
=========  ==============================================================================
"""
