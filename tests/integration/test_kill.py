# SPDX-License-Identifier: Apache-2.0
"""Acknowledged means kept: randomised kill -9 of one or all programs under load."""
import collections
import os
import random
import secrets

import pytest
from cluster import running, wait_until
from ledger import Load, kill_and_recover, plain_files

KILLS = int(os.environ.get("S3GW_KILLS", "20"))


@pytest.fixture
def eager_cluster():
    """A server that looks for files without a name every two seconds instead of every ten minutes."""
    with running("reclaim_grace = 1s\nreclaim_rescan = 2s\n") as c:
        yield c


@pytest.mark.long
def test_nothing_acknowledged_is_lost_and_nothing_unnamed_is_left_by_kills(eager_cluster):
    fresh_cluster = eager_cluster
    seed = os.environ.get("S3GW_SEED") or secrets.token_hex(4)
    print(f"seed {seed}")
    rng = random.Random(seed)
    load = Load(fresh_cluster, seed, versions=2)
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

    load.delete_everything()

    def all_reclaimed():
        fresh_cluster.admin("reclaim")
        left = fresh_cluster.admin("status")["reclaim"]
        return left["pending"] == 0 and left["scanned"] and not plain_files(fresh_cluster)

    wait_until("every file to be reclaimed", all_reclaimed, 120)


def test_the_index_can_be_rebuilt_from_the_storage_alone(fresh_cluster):
    load = Load(fresh_cluster, "rebuild", writers=4)
    load.start()
    load.reach(300)
    load.stop()
    fresh_cluster.stop()
    fresh_cluster.args.append("--rebuild-index")
    fresh_cluster.start()
    fresh_cluster.args.pop()
    load.verify()
    load.restart_writers()  # and the rebuilt index takes writes
    load.reach(400)
    load.stop()
    load.verify()
    fresh_cluster.restart()
    load.verify()


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
    load.reach(50)
    assert fresh_cluster.stop() == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in children)
    fresh_cluster.start()
    load.stop()
    load.verify()
