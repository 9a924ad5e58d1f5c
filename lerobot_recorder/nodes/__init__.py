"""The ROS 2 nodes: they turn parameters and messages into values, call the core, and publish the results.

=====================  ====================================================================================
hardware               arms and cameras on topics; `cameras`
recorder               writes streams into the spool; `recorder_status`
encoder                encodes spooled episodes into the dataset
replay                 sends a recorded episode's actions as commands
console                connects ``lerobot-recorder console`` to nodes that run already
dashboard              the operator's web page; `watched` reads topics for it
discover               describes the topics in the ROS graph, for ``lerobot-recorder discover``
=====================  ====================================================================================

Shared modules:

=====================  ====================================================================================
lifetime               starts and stops a node: executor, signals, exit status
guard                  keeps a node running when a callback raises an exception
parameters             declares and checks parameters from tables
message_types          the message types that are installed
streams, publishers    subscriptions that match what their publishers offer; `losses` counts lost messages
conversion             makes messages of images
services               services that wait for a thread while messages continue
guidance               what the recorder logs for an operator without a screen
clock                  the system's clock, or ``/clock``
events                 status topics, diagnostics, and pipes to the parent process
=====================  ====================================================================================
"""

import signal
import sys

if sys.argv[:1] == ["-m"]:  # python -m lerobot_recorder.nodes.recorder has not imported the node yet
    # Until the node can stop in order, an interruption ends it at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
