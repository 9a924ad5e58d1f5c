"""A Ray cluster of nodes with one CPU each, all on this computer.

Usage: python ray_cluster.py NODES prints its address. Each line of standard input kills the node with this
number (0: the head), which is reported. The cluster ends with standard input.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster

NODE: dict[str, Any] = {
    "num_cpus": 1,
    "object_store_memory": 80 * 2**20,
    "include_dashboard": False,
    "node_ip_address": "127.0.0.2",  # clients replace 127.0.0.1 by an address of the network
}
SYSTEM = {
    "gcs_rpc_server_reconnect_timeout_s": 2,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 2,
}


def main() -> None:
    cluster = Cluster()
    try:
        nodes = [cluster.add_node(**NODE, _system_config=SYSTEM)]
        nodes += [cluster.add_node(**NODE) for _ in range(int(sys.argv[1]) - 1)]
        print(cluster.address, flush=True)
        for line in sys.stdin:
            node = nodes[int(line)]
            node.kill_all_processes(check_alive=False, allow_graceful=False)
            print("killed", flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
