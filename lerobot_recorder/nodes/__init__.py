"""The ROS 2 nodes: parameters in, messages to values, calls of the core, values to messages.

=====================  ====================================================================================
hardware               arms and cameras on topics; `camera_topics`
recorder               streams into the spool; `recorder_settings`, `recorder_news`
encoder                spooled episodes into the dataset; `encoder_settings`, `encoder_news`
replay                 a recorded episode's actions as commands
caller, discover       helpers of the command line, which talks to them through pipes
=====================  ====================================================================================

What they share:

=====================  ====================================================================================
lifetime               how a node begins and ends: executor, signals, exit status
parameters             declared from tables, checked, never silently ignored
sources                what a stream's parameters mean
subscriptions, qos     streams out of topics, with the reliability that is offered
conversion, vectors    images and values out of messages
awaiting               services that wait for a thread while messages go on
clock                  the system's time, or `/clock`
reports                JSON on latched topics, and diagnostics
parent                 the same JSON for the process that started the node
=====================  ====================================================================================
"""
