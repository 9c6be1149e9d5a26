# SPDX-License-Identifier: Apache-2.0
"""Acknowledged means kept: randomised kill -9 of one or all programs under load."""
import collections
import os
import random
import secrets

from ledger import Load, kill_and_recover

KILLS = int(os.environ.get("S3GW_KILLS", "20"))


def test_nothing_acknowledged_is_lost_by_kills(fresh_cluster):
    seed = os.environ.get("S3GW_SEED") or secrets.token_hex(4)
    print(f"seed {seed}")
    rng = random.Random(seed)
    load = Load(fresh_cluster, seed)
    load.start()
    victims = collections.Counter()
    for round_number in range(KILLS):
        victims[kill_and_recover(fresh_cluster, load, rng)] += 1
        if round_number % 5 == 4:
            load.stop()
            load.verify()
            load.restart_writers()
    load.stop()
    load.verify()
    print(f"kills {dict(victims)}, operations {load.totals()}")
    assert load.totals()["put"] > KILLS, "the load must have done something"


def test_a_stopped_server_comes_back_with_everything(fresh_cluster):
    load = Load(fresh_cluster, "clean", writers=2)
    load.start()
    for _ in range(2):
        load.stop()
        fresh_cluster.restart()
        load.verify()
        load.restart_writers()
    load.stop()
    load.verify()


def test_requests_in_progress_end_before_the_server_does(fresh_cluster):
    """SIGTERM under load: what was answered is there, the exit status is 0, and nothing is left running."""
    load = Load(fresh_cluster, "drain", writers=4)
    load.start()
    children = [fresh_cluster.pid_of("dfs_trackerd"), fresh_cluster.pid_of("dfs_storaged")]
    while sum(load.totals().values()) < 50:
        load.check()
    assert fresh_cluster.stop() == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in children)
    fresh_cluster.start()
    load.stop()
    load.verify()
