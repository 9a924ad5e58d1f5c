#!/usr/bin/env bash
# Fast DDS of jazzy does not read FASTDDS_DEFAULT_PROFILES_FILE, and that of kilted warns of the name that jazzy reads.
#
# Guess: FASTDDS_DEFAULT_PROFILES_FILE, which the documentation names, works in all supported distributions of ROS 2.
# Seen with ros-rclpy 7.1.6 (jazzy, Fast DDS 2.14.5) and 9.1.2 (kilted, Fast DDS 3) from PyPI, Linux x86_64: with a
#   profile that sets the shared memory of a participant to 32 MiB,
#   - jazzy: FASTDDS_... has no effect, without any word: the segment stays at half a megabyte; FASTRTPS_... works.
#   - kilted: both work; FASTRTPS_... prints a warning that it is deprecated, once per process.
# Images larger than the small segment are lost with best effort, so a robot on jazzy loses them in spite of its profile.
set -euo pipefail
python=${PYTHON:-python3}
unset LD_LIBRARY_PATH PYTHONPATH AMENT_PREFIX_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
unset FASTDDS_DEFAULT_PROFILES_FILE FASTRTPS_DEFAULT_PROFILES_FILE
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_LOCALHOST_ONLY=1 ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-84}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/profile.xml" <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<dds xmlns="http://www.eprosima.com"><profiles>
  <transport_descriptors><transport_descriptor>
    <transport_id>memory</transport_id><type>SHM</type><segment_size>33554432</segment_size>
  </transport_descriptor></transport_descriptors>
  <participant profile_name="large" is_default_profile="true"><rtps>
    <useBuiltinTransports>false</useBuiltinTransports>
    <userTransports><transport_id>memory</transport_id></userTransports>
  </rtps></participant>
</profiles></dds>
XML
cat >"$work/segment.py" <<'PY'
import os

import rclpy

rclpy.init()
node = rclpy.create_node("probe")
shared = {line.split()[-1] for line in open("/proc/self/maps") if "/dev/shm/fastrtps_" in line or "/dev/shm/fastdds_" in line}
print(max((os.path.getsize(path) for path in shared if os.path.exists(path)), default=0) // 1024, "KiB")
rclpy.shutdown()
PY
# expect VERSION VARIABLE SMALL|LARGE [WARNS]
expect() {
    found=$(env "$2=$work/profile.xml" "$work/$1/bin/python" "$work/segment.py" 2>"$work/errors" | tail -n 1)
    warns=$(grep "FASTRTPS_DEFAULT_PROFILES_FILE" "$work/errors" | grep -c deprecated || true)
    echo "rclpy $1, $2: largest shared memory $found, warnings of the variable: $warns"
    kib=${found% KiB}
    if [[ $3 == large ]]; then ((kib > 30000)); else ((kib < 2000)); fi
    [[ $warns == "${4:-0}" ]]
}
for version in 7.1.6 9.1.2; do
    "$python" -m venv "$work/$version"
    "$work/$version/bin/python" -m pip install --quiet "ros-rclpy[fastrtps]==$version"
done
expect 7.1.6 FASTDDS_DEFAULT_PROFILES_FILE small
expect 7.1.6 FASTRTPS_DEFAULT_PROFILES_FILE large
expect 9.1.2 FASTDDS_DEFAULT_PROFILES_FILE large
expect 9.1.2 FASTRTPS_DEFAULT_PROFILES_FILE large 1
