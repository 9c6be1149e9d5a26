# SPDX-License-Identifier: Apache-2.0
"""One store path of a group is drained and emptied by the gateway: nothing that clients see changes, at no moment."""
import errno
import os
import secrets

import pytest
from botocore.exceptions import ClientError

from cluster import wait_until
from everything import Everything, snapshot
from ledger import payload
from nativecluster import Refused, call
from s3cluster import S3Cluster
from test_drain import DONE, FAILED, NOT_YET, dfs, file_id, records
from test_rebalance import ask, end_uploads, kill_in_the_middle, progress, refused, same, set_conf

SEED = os.environ.get("S3GW_SEED") or secrets.token_hex(4)
pytestmark = pytest.mark.long


@pytest.fixture
def cluster():
    c = S3Cluster(groups=1, members=2, paths=2, settings="reclaim_grace = 0s\nrebalance_rate = 300KB\n")
    try:
        c.start()
        yield c
        c.stop()
    except BaseException:
        print(f"seed {SEED}", c.tail())
        raise
    finally:
        c.remove()


def closed_at(c):
    return [r["closed_at"] for r in records(c, "monitor") if r.get("store_path") == "M01"]


def drain(c):
    assert dfs(c, "admin", "drain", "group1", "M01").returncode == DONE
    wait_until("both servers to have heard of it", lambda: closed_at(c) == [2])


def path_of(name):
    return name.split("/")[1 if name.startswith("group") else 0]


def puts(c, bucket, n, size=2000):
    s3 = c.boto3()
    for i in range(n):
        s3.put_object(Bucket=bucket, Key=f"k{i}", Body=payload("p", i, size))
    return {path_of(file_id(s3, bucket, f"k{i}")) for i in range(n)}


def natively(c, n, **options):
    return {path_of(c.member(1, m).upload(b"native", **options)) for m in (1, 2) for _ in range(n)}


def test_no_new_file_comes_to_a_drained_path(cluster):
    s3 = cluster.boto3()
    s3.create_bucket(Bucket="buck")
    wait_until("both paths to be in use", lambda: puts(cluster, "buck", 8) == {"M00", "M01"})
    assert natively(cluster, 3) == {"M00", "M01"}
    assert dfs(cluster, "admin", "drain", "group1", "M02").returncode == FAILED
    assert dfs(cluster, "admin", "drain", "group1", "M01", "--dry-run").returncode == DONE
    assert closed_at(cluster) == []
    assert "still takes new files" in refused(cluster, "rebalance", "start", "group1/M01")
    drain(cluster)
    assert "store path M01  draining, closed at 2 of 2 servers" in dfs(cluster, "monitor").stdout
    last = dfs(cluster, "admin", "drain", "group1", "M00")
    assert last.returncode == NOT_YET and "no other store path of group1" in last.stderr

    def all_go_elsewhere():
        assert puts(cluster, "buck", 8) == puts(cluster, "buck", 4, 300_000) == {"M00"}
        assert natively(cluster, 3) == natively(cluster, 3, path=1) == natively(cluster, 1, appender=True) == {"M00"}
        uploads = {dfs(cluster, "upload", str(cluster.secret)).stdout for _ in range(4)}
        assert {path_of(u) for u in uploads} == {"M00"}
    all_go_elsewhere()
    # servers and tracker know it after a restart, a server also while no tracker runs
    for program in (cluster.trackers[0], cluster.storages[1, 1], cluster.storages[1, 2]):
        program.kill()
    cluster.storages[1, 1].start()

    alone = cluster.member(1, 1)

    def closed_there():
        try:
            paths = call(alone.address, 197)  # how many, then 5 bytes for each
        except OSError:
            return None
        return [i for i in range(paths[0]) if paths[1 + 5 * i] & 1]
    assert wait_until("a server without trackers", closed_there, 60) == [1]
    with pytest.raises(Refused) as e:  # nobody has told it where the other one is
        alone.upload(b"no tracker")
    assert e.value.status == errno.EAGAIN
    cluster.trackers[0].start().wait_ready()
    cluster.storages[1, 2].start().wait_ready()
    cluster.wait_active((1, 1), (1, 2))
    wait_until("both servers to tell it", lambda: closed_at(cluster) == [2])

    def served():
        try:
            return puts(cluster, "buck", 1)
        except ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 503, e
            return None
    wait_until("the gateway to have its servers back", served)
    all_go_elsewhere()
    assert dfs(cluster, "admin", "undrain", "group1", "M01").returncode == DONE
    wait_until("it to be used again", lambda: "M01" in puts(cluster, "buck", 4) and "M01" in natively(cluster, 2))
    assert closed_at(cluster) == []


def test_a_path_is_emptied(cluster):
    print(f"seed {SEED}")
    store = Everything(cluster, SEED)
    store.prepare()
    store.run(100)
    s3 = cluster.boto3()
    s3.create_bucket(Bucket="known")
    # as many, and as slowly, as it takes to be killed in the middle of them twice
    known = {f"{size}-{i}": payload(str(i), size, size)
             for size, n in ((1, 4), (4000, 4), (50_000, 20), (300_000, 4), (1_000_000, 4)) for i in range(n)}
    for key, body in known.items():
        s3.put_object(Bucket="known", Key=key, Body=body)
    old = {key: file_id(s3, "known", key) for key in known}
    assert {path_of(name) for name in old.values()} == {"M00", "M01"}
    native = next(name for name in iter(lambda: cluster.member(1, 1).upload(b"native"), None) if path_of(name) == "M01")
    drain(cluster)
    before = snapshot(cluster)
    look = cluster.admin("rebalance", "start", "group1/M01", "--dry-run")["rebalance"]
    assert look["files_left"] > 8
    cluster.admin("rebalance", "start", "group1/M01")
    # killed in the middle it goes on by itself; an index made of the storages at that moment is the same
    kill_in_the_middle(cluster, 3)
    cluster.start_gateway()
    kill_in_the_middle(cluster, 3)
    set_conf(cluster, "rebalance_rate = 300KB", "rebalance_rate = 30KB")  # it is not to end while all is looked at
    cluster.start_gateway()
    same(before, cluster)
    kill_in_the_middle(cluster, 1)
    cluster.gateway.start("--rebuild-index").wait_ready()
    same(before, cluster)
    set_conf(cluster, "rebalance_rate = 30KB", "rebalance_rate = 0MB")
    cluster.gateway.stop()
    cluster.start_gateway()
    cluster.admin("rebalance", "start", "group1/M01")
    wait_until("all to have moved", lambda: progress(cluster)["state"] == "done", 240)
    assert progress(cluster)["files_left"] == 0 and progress(cluster)["native_files"] >= 1
    same(before, cluster)
    s3 = cluster.boto3()
    assert {path_of(file_id(s3, "known", key)) for key in known} == {"M00"}
    for key, body in known.items():  # under its old name, too
        assert cluster.member(1, 1).download(old[key].split("/", 1)[1]) == body
    assert cluster.member(1, 2).download(native) == b"native"
    cluster.gateway.stop()
    cluster.gateway.start("--rebuild-index").wait_ready()
    same(before, cluster)


def test_clients_go_on_meanwhile(cluster):
    print(f"seed {SEED}")
    set_conf(cluster, "rebalance_rate = 300KB", "rebalance_rate = 0MB")
    store = Everything(cluster, SEED)
    store.prepare()
    store.run(60)
    cluster.gateway.stop()
    cluster.start_gateway()
    running = store.run_threads(100, 3)
    drain(cluster)
    assert ask(cluster, "rebalance", "start", "group1/M01").returncode == DONE
    for t in running:
        t.join()
    end_uploads(cluster, store)  # a part that was refused when it had been described is in a rebuilt index
    wait_until("all to have moved", lambda: progress(cluster)["state"] == "done", 240)
    before = snapshot(cluster)
    assert "file_in_use" not in (cluster.gateway.folder / "log").read_text(errors="replace")
    cluster.gateway.kill()
    cluster.gateway.start("--rebuild-index").wait_ready()
    same(before, cluster)
