from __future__ import annotations

import array
import json
import queue
import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import DescribeParameters, SetParameters  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import Image, JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402

from lerobot_recorder.cli.processes import NodeEnded, NodeOutput, NodeProcess, node_environment  # noqa: E402
from lerobot_recorder.discovery import Survey  # noqa: E402
from lerobot_recorder.nodes.guard import GuardedNode  # noqa: E402

LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PATIENCE_S = 120.0
MATCH_S = 0.2
"""For the service to find its client too: an answer that it cannot send within 0.1 s is lost for good."""
JOINTS = ("one", "two")
EPISODE_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{4}")


class Graph:
    """Real nodes in processes and a domain of their own, and a node of the test that talks to them."""

    def __init__(self) -> None:
        self.environment = node_environment(isolated=True)
        self.context = rclpy.Context()
        self.context.init(domain_id=int(self.environment["ROS_DOMAIN_ID"]))
        self.node = GuardedNode("test", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.events: queue.SimpleQueue = queue.SimpleQueue()
        self.processes: list[NodeProcess] = []
        self.clients: dict = {}
        self.status: dict[str, dict] = {}
        self.completed: list[dict] = []
        for name in ("recorder", "encoder"):
            self.node.create_subscription(
                String, f"{name}/status", lambda message, name=name: self._note(name, message), LATCHED
            )
        self.node.create_subscription(
            String,
            "episode_completed",
            self._note_completed,
            LATCHED,
        )
        self.stopped = threading.Event()
        self.failure: Exception | None = None
        self.thread = threading.Thread(target=self._spin)
        self.thread.start()

    def _spin(self) -> None:
        try:
            while not self.stopped.is_set():
                self.executor.spin_once(timeout_sec=0.05)
        except Exception as error:
            self.failure = error

    def do(self, act):
        """Let the thread that spins do something, as for what its callbacks use."""
        task = self.executor.create_task(act)
        self.wait(task.done)
        return task.result()

    def _note(self, name: str, message: String) -> None:
        self.status[name] = json.loads(message.data)

    def _note_completed(self, message: String) -> None:
        with suppress(ValueError):  # a test may publish anything
            self.completed.append(json.loads(message.data))

    def frames(self) -> int:
        return self.status.get("recorder", {}).get("frames", 0)

    def start(self, name: str, parameters: dict, *, namespace: str = "") -> NodeProcess:
        arguments = ["--ros-args"]
        for key, value in parameters.items():
            text = json.dumps(value) if not isinstance(value, str) else f"'{value}'" if value else "''"
            arguments += ["-p", f"{key}:={text}"]
        if namespace:
            arguments += ["-r", f"__ns:=/{namespace}"]
        return self.run(name, arguments)

    def run(self, name: str, arguments: list[str]) -> NodeProcess:
        process = NodeProcess(name, arguments, self.environment, self.events)
        self.processes.append(process)
        return process

    def survey(self) -> Survey:
        """Let `discover` look around."""
        process = self.run("discover", ["3"])
        self.wait(lambda: not process.running)
        while True:
            event = self.events.get(timeout=10)
            if isinstance(event, NodeOutput) and event.node == "discover" and not event.is_log:
                return Survey.from_json(event.line)

    def end_of(self, process: NodeProcess) -> int:
        self.wait(lambda: not process.running)
        while True:
            event = self.events.get(timeout=10)
            if isinstance(event, NodeEnded) and event.node == process.name:
                return event.status

    def wait(self, condition, timeout_s: float = PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        while not (found := self._holds(condition)):
            if self.failure is not None:
                raise AssertionError("the test's own node failed") from self.failure
            if time.monotonic() > deadline:
                lines = [line for process in self.processes for line in process.last_lines]
                raise AssertionError("it did not happen; the nodes said:\n" + "\n".join(lines))
            time.sleep(0.02)
        return found

    @staticmethod
    def _holds(condition):
        try:
            return condition()
        except KeyError:  # a node has not told of itself yet
            return False

    def ask(self, kind, service: str, request):
        answer = self._client(kind, service).call_async(request)
        self.wait(answer.done)
        return answer.result()

    def _client(self, kind, service: str):
        if service not in self.clients:
            self.clients[service] = self.node.create_client(kind, service)
            assert self.clients[service].wait_for_service(PATIENCE_S)
            time.sleep(MATCH_S)
        return self.clients[service]

    def call(self, service: str) -> tuple[bool, str]:
        answer = self.ask(Trigger, service, Trigger.Request())
        if service == "recorder/save_episode" and (named := EPISODE_ID.search(answer.message)):
            self.wait(lambda: named[0] in self.completed_ids())  # it moves to its place after the answer
        return answer.success, answer.message

    def completed_ids(self) -> list[str]:
        return [each["episode_id"] for each in self.completed if isinstance(each, dict)]

    def switch(self, service: str, value: bool) -> tuple[bool, str]:
        answer = self.ask(SetBool, service, SetBool.Request(data=value))
        return answer.success, answer.message

    def set_parameter(self, node: str, name: str, value) -> tuple[bool, str]:
        kinds = {
            bool: ("BOOL", "bool_value"),
            int: ("INTEGER", "integer_value"),
            float: ("DOUBLE", "double_value"),
        }
        kind, attribute = kinds.get(type(value), ("STRING", "string_value"))
        parameter = ParameterValue(type=getattr(ParameterType, f"PARAMETER_{kind}"), **{attribute: value})
        request = SetParameters.Request(parameters=[Parameter(name=name, value=parameter)])
        result = self.ask(SetParameters, f"{node}/set_parameters", request).results[0]
        return result.successful, result.reason

    def describe(self, node: str, name: str) -> str:
        request = DescribeParameters.Request(names=[name])
        return self.ask(DescribeParameters, f"{node}/describe_parameters", request).descriptors[0].description

    def close(self) -> None:
        for process in self.processes:
            process.end(grace_s=20)
        self.stopped.set()
        self.thread.join()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


class Robot:
    """A robot of the test's: it publishes joint states that count, and images that carry the same number."""

    def __init__(self, graph: Graph, *, reliable: bool = True, encoding: str = "bgr8") -> None:
        self.encoding = encoding
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        profile = QoSProfile(depth=10, reliability=reliability)
        self.joints = graph.node.create_publisher(JointState, "robot/joint_states", profile)
        self.camera = graph.node.create_publisher(Image, "robot/camera", profile)
        self.sent: list[list[float]] = []
        self.pixels: np.ndarray | None = None  # what its camera sees from now on, the same all the time
        self.playing = True
        self.timer = graph.node.create_timer(1 / 60, self.publish)
        self.graph = graph

    def publish(self) -> None:
        if not self.playing:
            return
        number = len(self.sent)
        values = [number / 7, -number / 3]
        self.sent.append(values)
        self.joints.publish(
            JointState(name=["two_joint", "extra", "one_joint"], position=[values[1], 9.0, values[0]])
        )
        pixels = self.pixels
        if pixels is None:
            pixels = self.image(number)
        height, width, _ = pixels.shape
        message = Image(height=height, width=width, encoding=self.encoding, step=width * 3)
        message.data = array.array("B", pixels.tobytes())
        self.camera.publish(message)

    @staticmethod
    def image(number: int) -> np.ndarray:
        return np.random.default_rng(number).integers(0, 255, (32, 48, 3), np.uint8)

    def recorder_parameters(self, root: Path) -> dict:
        return {
            "root": str(root),
            "streams": ["state", "top"],
            "state.topic": "robot/joint_states",
            "state.names": list(JOINTS),
            "top.topic": "robot/camera",
            "task": "Pick up",
            "episode_time_s": 0.0,
        }


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "1")
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)


@pytest.fixture
def graph():
    graph = Graph()
    yield graph
    graph.close()


@pytest.fixture(scope="module")
def shared_graph():
    """A graph whose nodes all tests of a module use."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patched.setenv("ROS_LOCALHOST_ONLY", "1")
        graph = Graph()
    yield graph
    graph.close()


@pytest.fixture(scope="module")
def shared_robot(shared_graph):
    return Robot(shared_graph)


@pytest.fixture
def make_robot(graph):
    return lambda **settings: Robot(graph, **settings)
