"""What the recorder node keeps of a robot that it has not made itself."""

from __future__ import annotations

import json

from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String

from lerobot_recorder.spool import Spool, setup_of

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
K = [600.0, 0.0, 24.0, 0.0, 600.0, 16.0, 0.0, 0.0, 1.0]


def record(graph, count: int) -> None:
    """Record an episode of some frames."""
    answer = graph.wait(lambda: (answer := graph.call("recorder/start_episode"))[0] and answer[1])
    graph.wait(lambda: graph.status["recorder"]["episode_id"] == answer.split()[-1] and graph.frames() >= 3)
    assert graph.call("recorder/save_episode")[0]
    graph.wait(lambda: len(graph.completed) == count)


def test_urdf_calibration_and_parameters_are_kept_and_changes_too(graph, make_robot, tmp_path):
    root, parameters = tmp_path / "data", tmp_path / "robot.yaml"
    parameters.write_text("/**/recorder:\n  ros__parameters:\n    state.unit: degrees\n")
    description = graph.node.create_publisher(String, "robot_description", LATCHED)
    description.publish(String(data="<robot name='first'/>"))
    calibration = graph.node.create_publisher(CameraInfo, "robot/camera_info", 1)
    info = CameraInfo(width=48, height=32, distortion_model="plumb_bob", d=[0.0] * 5, k=K)
    info.r, info.p = [float(i % 4 == 0) for i in range(9)], [*K[:3], 0.0, *K[3:6], 0.0, *K[6:], 0.0]
    timer = graph.node.create_timer(0.02, lambda: calibration.publish(info))
    robot = make_robot()
    given = robot.recorder_parameters(root)
    arguments = [f"{key}:={json.dumps(value)}" for key, value in given.items()]
    graph.run(
        "recorder",
        ["--ros-args", "--params-file", str(parameters), *(each for a in arguments for each in ("-p", a))],
    )
    graph.wait(lambda: graph.status.get("recorder"))
    spool, count = Spool(root), 0

    def recorded_with(*texts: str) -> bool:
        nonlocal count
        count += 1
        record(graph, count)
        files = setup_of(spool.ready()[-1])
        return all(any(text in each for each in files.values()) for text in texts)

    graph.wait(lambda: recorded_with("<robot name='first'/>", "width: 48", "600.0"))
    files = setup_of(spool.ready()[-1])
    assert files["parameters/robot.yaml"] == parameters.read_text()
    described = json.loads(files["setup.json"])
    assert described["features"]["observation.state"][0]["unit"] == "degrees"
    assert {"lerobot_recorder", "python", "rclpy", "rmw"} <= described["versions"].keys()

    info.k = [700.0, *K[1:]]
    description.publish(String(data="<robot name='second'/>"))
    graph.wait(lambda: recorded_with("<robot name='second'/>", "700.0"))
    assert len({episode.manifest.setup for episode in spool.ready()}) > 1
    timer.cancel()
