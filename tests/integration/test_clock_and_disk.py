# SPDX-License-Identifier: Apache-2.0
"""A clock that jumps, a disk that hangs, a disk that fails: what was acknowledged stays, in its order."""
import concurrent.futures
import datetime
import errno
import os
import random
import xml.etree.ElementTree as ElementTree

import nativecluster as native
import pytest
from botocore.exceptions import ClientError
from cluster import running, wait_until
from faults import Faults
from ledger import plain_files
from rawhttp import Raw, Signer

NS = "{http://s3.amazonaws.com/doc/2006-03-01/}"
HOUR = 3600


@pytest.fixture
def faulty(tmp_path):
    """(faults, a server that feels them)"""
    faults = Faults(tmp_path)
    with running("reclaim_grace = 1s\nreclaim_rescan = 2s\n", env=faults.env()) as c:
        yield faults, c
        faults.clear()


class Shifted:
    """Requests of a client whose clock goes as the server's."""

    def __init__(self, cluster):
        self.cluster, self.ahead = cluster, 0

    def __call__(self, method, path, **kw):
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.ahead)
        signer = Signer(self.cluster.access_key, self.cluster.secret_key, self.cluster.region, when=when)
        answer = Raw(self.cluster).request(method, path, signer=signer, **kw)
        assert answer is not None and answer.status in (200, 204), answer
        return answer

    def versions(self, bucket):
        root = ElementTree.fromstring(self("GET", f"/{bucket}", query=[("versions", "")]).body)
        return [(e.findtext(NS + "Key"), e.findtext(NS + "VersionId"), e.findtext(NS + "IsLatest") == "true")
                for e in root if e.tag in (NS + "Version", NS + "DeleteMarker")]


def test_a_clock_that_jumps_changes_no_order_and_no_name(faulty):
    faults, cluster = faulty
    ask = Shifted(cluster)
    ask("PUT", "/clock")
    ask("PUT", "/clock", query=[("versioning", "")], body=b"<VersioningConfiguration><Status>Enabled</Status>"
                                                         b"</VersioningConfiguration>")
    ask("PUT", "/plain")
    rng, acknowledged, files = random.Random(3), [], []
    for ahead in (0, -HOUR, HOUR, 0, -HOUR):
        ask.ahead = ahead
        faults.clock(ahead)
        for size in (100, 5000, 400_000):
            body = rng.randbytes(size)
            put = ask("PUT", "/clock/k", body=body)
            acknowledged.append((put.headers["x-amz-version-id"], body))
            files.append(put.headers["x-dfs-file-id"])
        marker = ask("DELETE", "/clock/k")
        acknowledged.append((marker.headers["x-amz-version-id"], None))
        ask("PUT", "/plain/k", body=str(ahead).encode())
        assert ask("GET", "/plain/k").body == str(ahead).encode()
    assert len(set(files)) == len(files) and len({v for v, _ in acknowledged}) == len(acknowledged)

    def check():
        newest_first = [("k", vid, i == 0) for i, (vid, _) in enumerate(reversed(acknowledged))]
        assert ask.versions("clock") == newest_first
        for vid, body in acknowledged:
            if body is not None:
                assert ask("GET", "/clock/k", query=[("versionId", vid)]).body == body

    check()
    for ahead in (HOUR, -HOUR, 0):
        ask.ahead = ahead
        faults.clock(ahead)
        cluster.restart()
        check()
        vid, _ = acknowledged.pop(rng.randrange(len(acknowledged)))
        ask("DELETE", "/clock/k", query=[("versionId", vid)])
        check()
    for vid, _ in acknowledged:
        ask("DELETE", "/clock/k", query=[("versionId", vid)])
    ask("DELETE", "/plain/k")
    wait_until("every file to be reclaimed", lambda: cluster.admin("reclaim") and not plain_files(cluster)
               and cluster.admin("status")["reclaim"]["pending"] == 0)


@pytest.mark.parametrize("trunk", [False, True], ids=["plain", "trunk"])
def test_a_disk_that_hangs_delays_only_its_own_files(tmp_path, monkeypatch, trunk):
    faults = Faults(tmp_path)
    for name, value in faults.env().items():
        monkeypatch.setenv(name, value)
    cluster = native.NativeCluster(trunk=trunk, paths=2)
    try:
        storage = cluster.add(2)
        data = {size: os.urandom(size) for size in (1000, 60_000, 3_000_000)}
        names = [[storage.upload(d, path=path) for d in data.values()] for path in (0, 1)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            faults.syncs("/path1/", hold=True)
            stuck = [pool.submit(storage.upload, d, path=1) for d in data.values() for _ in range(2)]
            stuck.append(pool.submit(storage.delete, names[1][0]))
            faults.wait_held()
            for _ in range(3):  # the other disk goes on: uploads, reads, edits, deletes
                for size, d in data.items():
                    name = storage.upload(d, path=0)
                    assert storage.download(name) == d
                    storage.delete(name)
                    assert not storage.has(name)
                appender = storage.upload(b"x" * 1000, path=0, appender=True)
                storage.append(appender, b"y")
                assert storage.download(appender) == b"x" * 1000 + b"y"
            for name, d in list(zip(names[1], data.values()))[1:]:  # and so do reads of the disk that hangs
                assert storage.download(name) == d
            assert not any(f.done() for f in stuck)
            faults.clear()
            done = [f.result(60) for f in stuck]
        for name, d in zip(done, [d for d in data.values() for _ in range(2)]):
            assert storage.download(name) == d
        assert not storage.has(names[1][0])
        cluster.storages[2].stop()
        cluster.tracker_program.stop()
    finally:
        faults.clear()
        cluster.remove()


@pytest.mark.parametrize("where", ["/storage/data/", "/index/"])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_a_sync_that_fails_is_told_and_heals(faulty, where, error):
    faults, cluster = faulty
    s3 = cluster.boto3()
    s3.create_bucket(Bucket="sick")
    body = {size: random.Random(size).randbytes(size) for size in (100, 50_000, 600_000)}
    for size, data in body.items():
        s3.put_object(Bucket="sick", Key=f"kept-{size}", Body=data)
        s3.put_object(Bucket="sick", Key=f"over-{size}", Body=data)
    faults.syncs(where, error=error)
    for size, data in body.items():
        for key in f"new-{size}", f"over-{size}":
            with pytest.raises(ClientError) as refused:
                s3.put_object(Bucket="sick", Key=key, Body=data[::-1])
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
        assert s3.get_object(Bucket="sick", Key=f"kept-{size}")["Body"].read() == data
    assert faults.failed() > 0
    faults.clear()

    def can_write():
        try:
            s3.put_object(Bucket="sick", Key="after", Body=b"a" * 50_000)
            return True
        except ClientError:
            return False

    wait_until("writes to pass again", can_write)

    def check():
        for size, data in body.items():
            assert s3.get_object(Bucket="sick", Key=f"kept-{size}")["Body"].read() == data
            over = s3.get_object(Bucket="sick", Key=f"over-{size}")["Body"].read()
            assert over in (data, data[::-1])  # an error leaves the outcome open, never a mixture
        assert s3.get_object(Bucket="sick", Key="after")["Body"].read() == b"a" * 50_000

    check()
    cluster.restart()
    s3 = cluster.boto3()
    check()
