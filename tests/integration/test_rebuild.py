# SPDX-License-Identifier: Apache-2.0
"""The store is enough: a rebuilt key index knows everything the old one knew."""
import os
import random
import secrets
import shutil
import subprocess

import pytest
from cluster import wait_until
from everything import Everything, differences, snapshot

SEED = os.environ.get("S3GW_SEED") or secrets.token_hex(4)


def rebuild(cluster):
    cluster.args.append("--rebuild-index")
    cluster.start()
    cluster.args.pop()


def assert_same(before, after):
    found = differences(before, after)
    assert not found, "\n".join(found[:40])


def log_of(cluster):
    return cluster.log_path.read_text(errors="replace")


@pytest.mark.parametrize("threads", [1, 4])
def test_a_rebuilt_index_knows_everything(fresh_cluster, threads):
    print(f"seed {SEED}")
    store = Everything(fresh_cluster, SEED)
    store.prepare()
    for t in store.run_threads(240 // threads, threads):
        t.join()
    before = snapshot(fresh_cluster)
    assert store.acknowledged > 100 and before["versioned-bucket"]["versions"] and store.uploads
    fresh_cluster.stop()
    rebuild(fresh_cluster)
    assert_same(before, snapshot(fresh_cluster))
    assert "rebuild.unreadable" not in log_of(fresh_cluster)

    # and goes on
    s3 = fresh_cluster.boto3()
    fresh_cluster.boto3(*store.ann).put_object(Bucket="anns", Key="k", Body=b"ann's key works")
    bucket, key, upload = store.uploads.pop()
    store.complete(s3, bucket, key, upload)
    store.run(60, "more")
    before = snapshot(fresh_cluster)
    fresh_cluster.restart()
    assert_same(before, snapshot(fresh_cluster))
    fresh_cluster.stop()
    rebuild(fresh_cluster)
    assert_same(before, snapshot(fresh_cluster))


def without_parts(got):
    """One that was not acknowledged before a crash may appear."""
    for bucket in got.values():
        if isinstance(bucket, dict):
            bucket["uploads"] = [u for u, _ in bucket.get("uploads", [])]
    return got


def test_killed_in_the_middle_nothing_acknowledged_is_missing(fresh_cluster):
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    store = Everything(fresh_cluster, SEED)
    store.prepare()
    for round_number in range(3):
        goal = store.acknowledged + rng.randrange(20, 120)
        running = store.run_threads(200)
        wait_until("some operations", lambda goal=goal: store.acknowledged >= goal, 120)
        fresh_cluster.kill_all()
        for t in running:
            t.join()
        fresh_cluster.start()
        before = without_parts(snapshot(fresh_cluster))
        fresh_cluster.stop()
        rebuild(fresh_cluster)
        assert_same(before, without_parts(snapshot(fresh_cluster)))


def test_a_killed_rebuild_goes_on(fresh_cluster):
    store = Everything(fresh_cluster, SEED)
    store.prepare()
    store.run(150)
    before = snapshot(fresh_cluster)
    current = fresh_cluster.data / "index" / "CURRENT"

    def made():
        try:
            return current.stat().st_ino, current.stat().st_ctime_ns
        except FileNotFoundError:
            return None
    for _ in range(3):
        fresh_cluster.stop()
        old = made()
        fresh_cluster.args.append("--rebuild-index")
        fresh_cluster.start(wait=False)
        wait_until("another index to be under way", lambda old=old: made() not in (old, None))
        fresh_cluster.kill_all()
        fresh_cluster.args.pop()
        fresh_cluster.start()  # without being told
        assert_same(before, snapshot(fresh_cluster))


@pytest.mark.parametrize("killed", ["at once", "the old index was set aside", "the new one was still empty"])
def test_a_rebuild_that_has_hardly_begun_goes_on_without_being_told(fresh_cluster, killed):
    s3 = fresh_cluster.boto3()
    s3.create_bucket(Bucket="bkt")
    for i in range(5):
        s3.put_object(Bucket="bkt", Key=f"k{i}", Body=b"only copy")
    before = snapshot(fresh_cluster)
    fresh_cluster.stop()
    index, wish = fresh_cluster.data / "index", fresh_cluster.data / "index.rebuild"
    wish.touch()
    if killed != "at once":
        index.rename(fresh_cluster.data / "index.before-1")
    if killed == "the new one was still empty":
        index.mkdir()
    fresh_cluster.start()
    assert log_of(fresh_cluster).count(" gateway.rebuilt ") == 1 and not wish.exists()
    assert_same(before, snapshot(fresh_cluster))
    fresh_cluster.restart()
    assert log_of(fresh_cluster).count(" gateway.rebuilt ") == 1  # once is enough
    assert_same(before, snapshot(fresh_cluster))


def refused_start(cluster):
    """Start a server that must refuse: its error lines."""
    done = subprocess.run(cluster.command(), capture_output=True, text=True, cwd=cluster.folder, timeout=60,
                          env=cluster.environment())
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_an_index_older_than_the_store_is_refused(fresh_cluster, tmp_path):
    s3 = fresh_cluster.boto3()
    s3.create_bucket(Bucket="bkt")
    s3.put_object(Bucket="bkt", Key="old", Body=b"old")
    fresh_cluster.stop()
    shutil.copytree(fresh_cluster.data / "index", tmp_path / "index")
    fresh_cluster.start()
    s3 = fresh_cluster.boto3()
    for i in range(3):
        s3.put_object(Bucket="bkt", Key=f"new{i}", Body=b"new" * (i + 1) * 100_000)
    before = snapshot(fresh_cluster)
    fresh_cluster.stop()
    shutil.rmtree(fresh_cluster.data / "index")
    shutil.copytree(tmp_path / "index", fresh_cluster.data / "index")
    assert "older than what the storages hold" in refused_start(fresh_cluster)
    assert "--rebuild-index" in refused_start(fresh_cluster)  # the first has changed nothing
    rebuild(fresh_cluster)
    fresh_cluster.admin("reclaim")
    assert_same(before, snapshot(fresh_cluster))


def test_a_missing_index_is_refused(fresh_cluster):
    s3 = fresh_cluster.boto3()
    s3.create_bucket(Bucket="bkt")
    s3.put_object(Bucket="bkt", Key="k", Body=b"only copy")
    before = snapshot(fresh_cluster)
    fresh_cluster.stop()
    shutil.rmtree(fresh_cluster.data / "index")
    assert "--rebuild-index" in refused_start(fresh_cluster)
    assert "--rebuild-index" in refused_start(fresh_cluster)
    rebuild(fresh_cluster)
    assert_same(before, snapshot(fresh_cluster))


@pytest.mark.parametrize("what", ["MANIFEST", ".sst", "CURRENT"])
def test_a_damaged_index_is_one_clear_line(fresh_cluster, what):
    s3 = fresh_cluster.boto3()
    s3.create_bucket(Bucket="bkt")
    s3.put_object(Bucket="bkt", Key="k", Body=b"body")
    before = snapshot(fresh_cluster)
    fresh_cluster.restart()  # makes an .sst of the log
    fresh_cluster.stop()
    for path in (fresh_cluster.data / "index").iterdir():
        if what in path.name:
            path.write_bytes(b"\xff" * 100)
    lines = [line for line in refused_start(fresh_cluster).splitlines() if line.startswith("s3gw")]
    assert len(lines) == 1 and "--rebuild-index" in lines[0], lines
    rebuild(fresh_cluster)
    assert_same(before, snapshot(fresh_cluster))


def test_secrets_lie_sealed_in_the_storage(fresh_cluster):
    made = fresh_cluster.admin("user", "create", "ann", "--display-name", "Ann", "--email", "a@example.org")
    secret = made["user"]["keys"][0]["secret_key"].encode()
    key_file = fresh_cluster.data / "index.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    found = [p for p in (fresh_cluster.data / "storage").rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert not found
    fresh_cluster.stop()
    key_file.unlink()  # then secrets are lost, and that is said
    rebuild(fresh_cluster)
    assert "rebuild.key_lost" in log_of(fresh_cluster)
    assert [u["id"] for u in fresh_cluster.admin("user", "list")["users"]] == ["ann", "root"]
    assert fresh_cluster.admin("key", "list", "ann")["keys"] == []


def test_a_lost_key_file_is_replaced_and_said(fresh_cluster):
    key_file = fresh_cluster.data / "index.key"
    assert "gateway.index_key_replaced" not in log_of(fresh_cluster)  # the first one replaces none
    fresh_cluster.admin("user", "create", "ann")
    fresh_cluster.stop()
    key_file.unlink()
    fresh_cluster.start()
    assert f"warn gateway.index_key_replaced file={key_file}" in log_of(fresh_cluster)
    assert len(fresh_cluster.admin("key", "list", "ann")["keys"]) == 1  # the index has it, and seals it anew
    fresh_cluster.stop()
    rebuild(fresh_cluster)
    assert len(fresh_cluster.admin("key", "list", "ann")["keys"]) == 1
