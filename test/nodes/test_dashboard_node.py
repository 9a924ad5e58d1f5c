"""The dashboard node: what it subscribes to, and what it makes of messages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from dashboards import read_live
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lerobot_recorder.nodes.events import latched

JPEG = bytes(cv2.imencode(".jpg", np.full((480, 640, 3), 90, np.uint8))[1])


def address(graph, process) -> str:
    said = "the dashboard is at "
    found = graph.wait(lambda: [line for line in process.last_lines if said in line])
    return found[0].partition(said)[2].split()[0]


class Watcher:
    """A browser that stays until it is told to leave."""

    def __init__(self, url: str, query: str = "") -> None:
        self.states: dict[str, Any] = {}
        self.pictures: dict[str, bytes] = {}
        self._leaves = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(url, query))
        self._thread.start()

    def _watch(self, url: str, query: str) -> None:
        for kind, name, content in read_live(url, query):
            if self._leaves.is_set():
                return
            {"state": self.states, "picture": self.pictures}.get(kind, {})[name] = content

    def leave(self) -> None:
        self._leaves.set()
        self._thread.join()


@pytest.fixture
def dashboard(graph, tmp_path):
    watchers: list[Watcher] = []
    process = graph.start("dashboard", {"root": str(tmp_path / "data"), "port": 0})
    url = address(graph, process)

    def watch(query: str = "") -> Watcher:
        watchers.append(Watcher(url, query))
        return watchers[-1]

    yield watch
    for watcher in watchers:
        watcher.leave()


def publish(graph, kind, topic: str, make: Callable[[], Any]) -> None:
    publisher = graph.node.create_publisher(kind, topic, 10)
    graph.node.create_timer(0.03, lambda: publisher.publish(make()))


def size(jpeg: bytes) -> tuple[int, int]:
    height, width, _ = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape
    return width, height


def test_it_subscribes_only_while_somebody_watches(graph, dashboard):
    raw = Image(height=480, width=640, encoding="rgb8", step=640 * 3)
    raw.data.frombytes(bytes(640 * 480 * 3))
    publish(graph, Image, "cameras/top/image_raw", lambda: raw)
    count = graph.node.count_subscribers
    graph.wait(lambda: graph.node.count_publishers("cameras/top/image_raw"))
    assert count("cameras/top/image_raw") == 0
    first, second = dashboard(), dashboard()
    graph.wait(lambda: size(first.pictures["top"]) == (320, 240))  # thinned
    graph.wait(lambda: size(second.pictures["top"]) == (320, 240))
    assert count("cameras/top/image_raw") == 1
    assert first.states["cameras"] == ["top"]
    first.leave()
    second.leave()
    graph.wait(lambda: count("cameras/top/image_raw") == 0)
    closeup = dashboard("?closeup=top")
    graph.wait(lambda: size(closeup.pictures["top"]) == (640, 480))


def test_a_cameras_own_jpeg_is_sent_as_it_is(graph, dashboard):
    message = CompressedImage(format="jpeg", data=JPEG)
    publish(graph, CompressedImage, "cameras/wrist/image_raw/compressed", lambda: message)
    publish(graph, Image, "cameras/wrist/image_raw", Image)
    watcher = dashboard()
    graph.wait(lambda: watcher.pictures["wrist"] == JPEG)
    assert graph.node.count_subscribers("cameras/wrist/image_raw") == 0


def test_a_message_that_cannot_be_shown_stops_nothing(graph, dashboard):
    broken = CompressedImage(format="png", data=b"\x89PNG but not really")
    publish(graph, CompressedImage, "cameras/bad/image_raw/compressed", lambda: broken)
    publish(graph, CompressedImage, "cameras/good/image_raw/compressed", lambda: CompressedImage(data=JPEG))
    watcher = dashboard()
    graph.wait(lambda: watcher.pictures["good"] == JPEG)
    graph.wait(lambda: watcher.states["cameras"] == ["bad", "good"])
    assert "bad" not in watcher.pictures


def test_it_shows_which_nodes_run(graph, dashboard, make_robot, tmp_path):
    watcher = dashboard()
    graph.wait(lambda: watcher.states["recorder"] is None)
    graph.wait(lambda: watcher.states["actions"] == [])
    recorder = graph.start("recorder", make_robot().recorder_parameters(tmp_path / "data"))
    graph.wait(lambda: watcher.states["recorder"] and not watcher.states["recorder"]["missing"])
    graph.wait(lambda: {"start_episode", "pause", "end_recording"} <= set(watcher.states["actions"]))
    graph.wait(
        lambda: set(watcher.states["values robot/joint_states"]) == {"two_joint", "extra", "one_joint"}
    )
    graph.wait(lambda: "robot/camera" in watcher.pictures)
    recorder.end(grace_s=20)
    graph.wait(lambda: watcher.states["recorder"] is None)


def test_it_notices_a_node_that_does_not_report_any_more(graph, dashboard):
    report = DiagnosticStatus(name="encoder: episodes", level=b"\0", message="idle")
    diagnostics = graph.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    encoder = graph.node.create_publisher(String, "encoder/status", latched(1))
    publish(graph, String, "recorder/status", lambda: String(data='{"state": "idle"}'))
    watcher = dashboard()
    encoder.publish(String(data='{"state": "idle"}'))
    graph.wait(lambda: diagnostics.publish(DiagnosticArray(status=[report])) or watcher.states["diagnostics"])
    graph.wait(lambda: watcher.states["silent"] == ["encoder"])
    stale = {"level": 3, "message": "no longer reported; last: idle", "values": {}}
    graph.wait(lambda: watcher.states["diagnostics"] == {"encoder: episodes": stale})
    encoder.publish(String(data='{"state": "idle"}'))
    graph.wait(lambda: watcher.states["silent"] == [])


def test_it_uses_the_nodes_of_its_namespace(graph, tmp_path):
    def answer(_request, response):
        response.success, response.message = True, "started on the left"
        return response

    graph.node.create_service(Trigger, "left/recorder/start_episode", answer)
    parameters = {"root": str(tmp_path / "data"), "port": 0}
    url = address(graph, graph.start("dashboard", parameters, namespace="left"))
    watcher = Watcher(url)
    publish(
        graph, CompressedImage, "left/cameras/top/image_raw/compressed", lambda: CompressedImage(data=JPEG)
    )
    publish(graph, CompressedImage, "cameras/other/image_raw/compressed", lambda: CompressedImage(data=JPEG))
    graph.wait(lambda: watcher.pictures["top"] == JPEG)
    graph.wait(lambda: watcher.states["actions"] == ["start_episode"])
    assert watcher.states["cameras"] == ["top"]
    watcher.leave()


def test_it_names_what_is_wrong_with_its_parameters(graph, tmp_path):
    process = graph.start("dashboard", {"root": str(tmp_path / "data"), "address": "robot"})
    assert graph.end_of(process) == 1
    assert any("address: expected an IP address" in line for line in process.last_lines)
