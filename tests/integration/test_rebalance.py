# SPDX-License-Identifier: Apache-2.0
"""A group is drained, emptied by the gateway, and removed: nothing that clients see changes, at no moment."""
import errno
import os
import re
import secrets
import subprocess

import pytest

from cluster import BUILD, sanitizer_env, wait_until
from everything import PART, Everything, differences, snapshot
from faults import Faults
from ledger import payload
from nativecluster import OFFLINE
from s3cluster import S3Cluster, running
from test_drain import DONE, FAILED, dfs, file_id

SEED = os.environ.get("S3GW_SEED") or secrets.token_hex(4)
pytestmark = pytest.mark.long


@pytest.fixture
def two():
    c = S3Cluster(groups=2, members=2, settings="default_group = group1\nnative_url = group1\nreclaim_grace = 0s\nrebalance_rate = 1MB\n")
    try:
        c.start()
        yield c
        c.stop()
    except BaseException:
        print(c.admin("rebalance"), c.tail())
        raise
    finally:
        c.remove()


def set_conf(c, old, new):
    text = c.gateway.conf.read_text()
    assert old in text
    c.gateway.conf.write_text(text.replace(old, new))


def ask(c, *words):
    return subprocess.run([str(BUILD / "s3gw"), "admin", "--socket", str(c.folder / "gateway/admin.sock"), *words],
                          capture_output=True, text=True, timeout=60, env=sanitizer_env(os.environ))


def refused(c, *words):
    done = ask(c, *words)
    assert done.returncode != 0, done.stdout
    return done.stderr


def progress(c):
    return c.admin("rebalance")["rebalance"]


def kill_in_the_middle(c, moved):
    def some_moved():
        now = progress(c)
        assert now["state"] == "under way", now
        return now["moved"] >= moved
    wait_until("some objects to have moved", some_moved)
    c.gateway.kill()


def same(before, c):
    found = differences(before, snapshot(c))
    assert not found, "\n".join(found[:40])


def end_uploads(c, store):
    s3 = c.boto3()
    if store.uploads:
        store.complete(s3, *store.uploads.pop())
    for b in s3.list_buckets()["Buckets"]:  # some were begun and then refused a part
        for u in s3.list_multipart_uploads(Bucket=b["Name"]).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=b["Name"], Key=u["Key"], UploadId=u["UploadId"])


def by_url(c, name):
    conn = c.http()
    conn.request("GET", "/" + name)
    answer = conn.getresponse()
    assert answer.status == 200
    return answer.read()


def fetch(c, name):
    path = c.folder / "fetched"
    done = dfs(c, "download", name, str(path))
    return path.read_bytes() if done.returncode == DONE else None


def test_a_group_is_emptied_and_removed(two):
    print(f"seed {SEED}")
    store = Everything(two, SEED)
    store.prepare()
    store.run(120)
    end_uploads(two, store)
    s3 = two.boto3()
    s3.create_bucket(Bucket="known")
    # as many as have to be there to be killed in the middle of, whatever the operations above have left
    sizes = (1, 4000, 300_000, 2_000_000, *range(50_000, 50_020))
    known = {f"k{size}": payload("k", size, size) for size in sizes}
    for key, body in known.items():
        s3.put_object(Bucket="known", Key=key, Body=body)
        s3.copy_object(Bucket="known", Key=f"copy-{key}", CopySource=f"known/{key}")
    opened = {"Bucket": "known", "Key": "open"}
    opened["UploadId"] = s3.create_multipart_upload(**opened)["UploadId"]
    parts = [payload("part", 1, PART), payload("part", 2, PART)]
    etags = [s3.upload_part(**opened, PartNumber=i, Body=body)["ETag"] for i, body in enumerate(parts, 1)]
    etags.append(s3.upload_part_copy(**opened, PartNumber=3, CopySource="known/k4000")["CopyPartResult"]["ETag"])
    parts.append(known["k4000"])
    old = {key: file_id(s3, "known", key) for key in known}
    assert all(name.startswith("group1/") for name in old.values())
    native = dfs(two, "--group", "group1", "upload", str(two.secret)).stdout.strip()

    # what is to be said before it begins
    assert "still takes new files" in refused(two, "rebalance", "start", "group1")
    assert dfs(two, "admin", "drain", "group1").returncode == DONE
    wait_until("the gateway to hear of it",
               lambda: "default_group" in refused(two, "rebalance", "start", "group1"))
    two.gateway.stop()
    set_conf(two, "default_group = group1", "default_group = group2")
    two.start_gateway()
    before = snapshot(two)
    assert "to another group" in refused(two, "rebalance", "start", "group1", "--to", "group1")
    assert "no group" in refused(two, "rebalance", "start", "group1", "--to", "group7")
    look = two.admin("rebalance", "start", "group1", "--dry-run")["rebalance"]
    assert look["files_left"] > 20 and progress(two)["state"] == "none"
    two.admin("rebalance", "start", "group1")

    # killed in the middle it goes on by itself; an index made of the storages at that moment is the same
    kill_in_the_middle(two, 5)
    two.start_gateway()
    kill_in_the_middle(two, 5)
    set_conf(two, "rebalance_rate = 1MB", "rebalance_rate = 100KB")  # it is not to end while all is looked at
    two.start_gateway()
    same(before, two)
    kill_in_the_middle(two, 1)
    two.gateway.start("--rebuild-index").wait_ready()
    same(before, two)
    assert "rebuild.unreadable" not in two.gateway.log()
    assert progress(two)["state"] == "none"  # the job was the old index's
    set_conf(two, "rebalance_rate = 100KB", "rebalance_rate = 0MB")
    two.gateway.stop()
    two.start_gateway()
    two.admin("rebalance", "start", "group1", "--to", "group2")
    wait_until("all to have moved", lambda: progress(two)["state"] == "done", 240)
    assert progress(two)["files_left"] == 0
    assert progress(two)["native_files"] >= 1
    same(before, two)
    assert {b["group"] for b in two.admin("bucket", "list")["buckets"]} == {"group2"}

    # copies still share a file; old names are read as long as the group is there, and no longer than the object
    s3 = two.boto3()
    for key, body in known.items():
        now = file_id(s3, "known", key)
        assert now.startswith("group2/") and file_id(s3, "known", f"copy-{key}") == now
        assert fetch(two, old[key]) == body == fetch(two, now)
    s3.delete_object(Bucket="known", Key="k4000")
    two.admin("reclaim")
    assert fetch(two, old["k4000"]) == known["k4000"]  # the copy has it
    s3.delete_object(Bucket="known", Key="copy-k4000")
    wait_until("its old file to go", lambda: two.admin("reclaim") and fetch(two, old["k4000"]) is None)
    assert fetch(two, old["k1"]) == known["k1"] and fetch(two, native) == two.secret.read_bytes()

    # the group goes, with all it said
    before = snapshot(two)
    for m in (1, 2):
        two.storages[1, m].stop()
        wait_until("it to be OFFLINE", lambda m=m: two.states(1)[m] == OFFLINE)
        assert dfs(two, "--force", "admin", "remove", "group1", f"127.0.1.{m}").returncode == DONE
    two.gateway.stop()
    two.start_gateway()
    same(before, two)
    s3 = two.boto3()
    assert by_url(two, old["k2000000"]) == known["k2000000"]  # FastDFS clients no longer, the gateway for ever
    s3.complete_multipart_upload(**opened, MultipartUpload={
        "Parts": [{"PartNumber": i, "ETag": etag} for i, etag in enumerate(etags, 1)]})
    assert s3.get_object(Bucket="known", Key="open")["Body"].read() == b"".join(parts)
    s3.put_object(Bucket="known", Key="new", Body=b"new")
    s3.delete_object(Bucket="known", Key="k1")
    s3.delete_object(Bucket="known", Key="copy-k1")
    wait_until("the outbox to be empty",
               lambda: two.admin("reclaim") and two.admin("status")["reclaim"]["pending"] == 0)
    before = snapshot(two)
    two.gateway.stop()
    two.gateway.start("--rebuild-index").wait_ready()
    same(before, two)
    assert two.boto3(*store.ann).list_objects_v2(Bucket="anns")["KeyCount"] >= 0
    assert dfs(two, "download", old["k1"], "/dev/null").returncode == FAILED


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_a_target_that_takes_nothing_is_told_of_and_waited_for(tmp_path, error):
    """It fails in the middle, for a while."""
    faults = Faults(tmp_path)

    def with_faults(**options):
        c = S3Cluster(**options)
        c.storages[2, 1].env = faults.env()
        return c
    with running(buckets=("known",), kind=with_faults, groups=2, members=1,
                 settings="default_group = group1\nreclaim_grace = 0s\nrebalance_rate = 1KB\n") as c:
        s3 = c.boto3()
        known = {f"k{i}": payload("k", i, size) for i, size in enumerate((500_000, 1, 4000, 300_000, 100_000))}
        for key, body in known.items():
            s3.put_object(Bucket="known", Key=key, Body=body)
        old = {key: file_id(s3, "known", key) for key in known}
        c.gateway.stop()
        set_conf(c, "default_group = group1", "default_group = group2")
        c.start_gateway()
        assert dfs(c, "admin", "drain", "group1").returncode == DONE
        wait_until("the gateway to hear of it",
                   lambda: ask(c, "rebalance", "start", "group1", "--to", "group2").returncode == DONE)
        wait_until("the first to have moved", lambda: progress(c)["moved"] == 1)  # and minutes of rest begin
        faults.syncs(f"{c.folder}/g2m1", error=error)
        c.gateway.kill()
        set_conf(c, "rebalance_rate = 1KB", "rebalance_rate = 0MB")
        c.start_gateway()
        told = wait_until("it to say why", lambda: (now := progress(c))["error"] and now["files_left"] == 4 and now)
        assert re.fullmatch(r"known/k[1-4] to group2: .+|group2 takes no new files", told["error"]), told
        assert told["state"] == "under way" and told["moved"] == 0
        s3 = c.boto3()
        for key, body in known.items():
            assert fetch(c, old[key]) == body == s3.get_object(Bucket="known", Key=key)["Body"].read()
        assert re.search(r"rebalance.move_failed bucket=known key=k[1-4] to=group2 err=", c.gateway.whole_log())
        faults.clear()
        wait_until("all to have moved, and nothing to be said of it any more",
                   lambda: (now := progress(c))["moved"] == 4 and now["files_left"] == 0 and not now["error"])
        for key, body in known.items():
            assert file_id(s3, "known", key).startswith("group2/")
            assert fetch(c, old[key]) == body == s3.get_object(Bucket="known", Key=key)["Body"].read()


def test_clients_go_on_meanwhile(two):
    """Random operations of three clients while the group is emptied: what they are shown then is what the storages that
    are left tell."""
    print(f"seed {SEED}")
    set_conf(two, "rebalance_rate = 1MB", "rebalance_rate = 0MB")
    store = Everything(two, SEED)
    store.prepare()
    store.run(60)
    two.gateway.stop()
    set_conf(two, "default_group = group1", "default_group = group2")
    two.start_gateway()
    assert dfs(two, "admin", "drain", "group1").returncode == DONE
    running = store.run_threads(120, 3)
    wait_until("the gateway to hear of it",
               lambda: ask(two, "rebalance", "start", "group1", "--dry-run").returncode == DONE)
    two.admin("rebalance", "start", "group1")
    for t in running:
        t.join()
    assert store.acknowledged > 200
    end_uploads(two, store)
    wait_until("all to have moved", lambda: progress(two)["state"] == "done", 240)
    before = snapshot(two)
    assert "file_in_use" not in (two.gateway.folder / "log").read_text(errors="replace")
    two.gateway.stop()
    for m in (1, 2):
        two.storages[1, m].kill()
        wait_until("it to be OFFLINE", lambda m=m: two.states(1)[m] == OFFLINE)
        assert dfs(two, "--force", "admin", "remove", "group1", f"127.0.1.{m}").returncode == DONE
    two.gateway.start("--rebuild-index").wait_ready()
    same(before, two)
