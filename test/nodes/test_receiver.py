from __future__ import annotations

import threading

import pytest
from rclpy.event_handler import SubscriptionEventCallbacks
from std_msgs.msg import String

from lerobot_recorder.nodes.guard import GuardedNode
from lerobot_recorder.nodes.receiver import Receiver


@pytest.fixture
def node(graph):
    """A node that no executor serves."""
    node = GuardedNode("receiving", context=graph.context)
    yield node
    node.destroy_node()


@pytest.fixture
def receiver(node):
    receiver = Receiver(node)
    yield receiver
    receiver.close()


@pytest.fixture
def publisher(graph):
    publisher = graph.node.create_publisher(String, "words", 10)
    graph.node.create_timer(0.01, lambda: publisher.publish(String(data="word")))
    return publisher


def subscribe(node, receiver, callback, **options):
    subscription = node.create_subscription(
        String, "words", callback, 10, callback_group=receiver.group, **options
    )
    receiver.add(subscription)
    return subscription


def test_messages_arrive_without_an_executor_in_one_thread(graph, node, receiver, publisher):
    threads: set[str] = set()
    received: list[tuple[str, int]] = []

    def note(message: String, info: dict) -> None:
        threads.add(threading.current_thread().name)
        received.append((message.data, info["received_timestamp"]))

    subscribe(node, receiver, note)
    graph.wait(lambda: len(received) > 5)
    assert threads == {"receiver"}
    assert {word for word, _ in received} == {"word"}


def test_an_exception_in_a_callback_is_a_fault_and_the_next_message_counts(graph, node, receiver, publisher):
    received: list[str] = []

    def fail_at_first(message: String, info: dict) -> None:
        received.append(message.data)
        if len(received) == 1:
            raise ZeroDivisionError("the first")

    subscribe(node, receiver, fail_at_first)
    graph.wait(lambda: len(received) > 5)
    assert node.faults.diagnostics()[0][2] == "/words: ZeroDivisionError: the first"


def test_a_subscription_can_be_replaced_while_messages_arrive(graph, node, receiver, publisher):
    for _ in range(20):
        received: list[str] = []
        subscription = subscribe(node, receiver, lambda message, info, to=received: to.append(message.data))
        graph.wait(lambda received=received: received)
        receiver.remove(subscription)
        node.destroy_subscription(subscription)


def test_events_are_taken_when_asked_for(graph, node, receiver, publisher):
    matched: list[int] = []
    events = SubscriptionEventCallbacks(matched=lambda event: matched.append(event.current_count))
    subscribe(node, receiver, lambda message, info: None, event_callbacks=events)
    graph.wait(lambda: receiver.take_events() or matched)
    assert matched[-1] == 1


def test_closing_twice_and_without_subscriptions_does_nothing(node):
    receiver = Receiver(node)
    receiver.take_events()
    receiver.close()
    receiver.close()
