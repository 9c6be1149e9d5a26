# SPDX-License-Identifier: Apache-2.0
"""One of two copies has rotted: what is made of an object is made of the right one, and a reader of frames gets it."""
import base64
import hashlib
import os

import pytest
from botocore.exceptions import ClientError, ResponseStreamingError

from cluster import wait_until
from s3cluster import running
from test_drain import DONE, dfs
from test_rebalance import ask, progress, set_conf

SIZES = (300_000, 3_000_000)  # read in one piece, and in many; files of their own
KINDS = {"plain": {}, "sealed": {"ServerSideEncryption": "AES256"}}
TWO = {"groups": 2, "members": 2}


@pytest.fixture(scope="module", params=["remote", "beside"])
def cluster(request, tmp_path_factory):
    """In the second case the gateway shares its machine with the first server of each group."""
    beside = request.param == "beside"
    with running(**TWO, local=[(1, 1), (2, 1)] if beside else (),
                 settings=f"key_ring = {tmp_path_factory.mktemp('keys')}/ring\nstorage_class = COLD=group2\n"
                          "default_group = group1\nspread_buckets = no\n") as c:
        c.wait_copies()
        c.beside = beside
        yield c


def until_done(request):
    """As a client does that is told 500 or 503, or whose answer is cut."""
    got = []

    def done():
        try:
            got.append(request())
            return True
        except ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503), e
            return False
        except ResponseStreamingError:
            return False
    wait_until("it to be done", done)
    return got[0]


class Object:
    """With a wrong byte in one of its copies: that which is read first, in its first minutes."""

    def __init__(self, cluster, size, kind, at=None):
        """@at: where the wrong byte is; in the middle."""
        at = size // 2 if at is None else at
        self.cluster, self.data, self.key = cluster, os.urandom(size), f"{kind}-{size}-{os.urandom(4).hex()}"
        self.s3 = cluster.boto3(read_timeout=120)
        before = self.files()
        self.s3.put_object(Bucket="bucket", Key=self.key, Body=self.data, **KINDS[kind])
        ((self.group, self.path),) = wait_until("its file", lambda: self.files() - before)  # of sealed ones no id is told
        wait_until("both to have it", lambda: len(set(self.copies())) == 1)
        source = base64.urlsafe_b64decode(self.path.name[:27] + "=")[3]
        with open(self.copy(1 if cluster.beside else source), "r+b") as file:
            file.seek(at)
            (was,) = file.read(1)
            file.seek(at)
            file.write(bytes([was ^ 1]))
        assert len(set(self.copies())) == 2

    def files(self):
        """As (group, path below data)."""
        return {(place.name[:2], path.relative_to(place / "data")) for place in self.cluster.folder.glob("g?m1")
                for path in place.glob("data/??/??/??*") if not path.name.isdigit()}

    def copy(self, member):
        return self.cluster.folder / f"{self.group}m{member}" / "data" / self.path

    def copies(self):
        return [p.read_bytes() if p.exists() else None for p in map(self.copy, (1, 2))]

    def get(self, key=None, **more):
        return self.s3.get_object(Bucket="bucket", Key=key or self.key, **more)["Body"].read()

    def wait_repaired(self):
        wait_until("both copies to be right", lambda: until_done(self.get) == self.data and len(set(self.copies())) == 1)


@pytest.fixture(params=[(kind, size) for kind in KINDS for size in SIZES], ids=lambda p: "-".join(map(str, p)))
def bad(request, cluster):
    kind, size = request.param
    return Object(cluster, size, kind)


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_that_is_not_right_is_had_from_the_other_server(cluster, size):
    bad = Object(cluster, size, "sealed")
    assert bad.get(Range=f"bytes={size // 3}-{size - 100}") == bad.data[size // 3:size - 99]
    assert bad.get() == bad.data
    bad.wait_repaired()


@pytest.mark.parametrize("at", [0, 10], ids=["what it is", "its number"])
def test_a_stream_that_cannot_be_opened_by_its_head_is_read_when_that_is_mended(cluster, at):
    bad = Object(cluster, SIZES[1], "sealed", at)
    bad.wait_repaired()


def test_a_copy_in_another_group_has_what_the_object_has(bad):
    until_done(lambda: bad.s3.copy_object(Bucket="bucket", Key="cold/" + bad.key, CopySource=f"bucket/{bad.key}",
                                          StorageClass="COLD"))
    assert bad.get("cold/" + bad.key) == bad.data
    bad.wait_repaired()


def test_a_checksum_is_made_of_what_the_object_has(bad):
    until_done(lambda: bad.s3.copy_object(Bucket="bucket", Key="sum/" + bad.key, CopySource=f"bucket/{bad.key}",
                                          ChecksumAlgorithm="SHA256"))
    assert until_done(lambda: bad.get("sum/" + bad.key, ChecksumMode="ENABLED")) == bad.data
    bad.wait_repaired()


def test_a_part_is_made_of_what_the_object_has(bad):
    upload = {"Bucket": "bucket", "Key": "part/" + bad.key}
    upload["UploadId"] = bad.s3.create_multipart_upload(**upload)["UploadId"]
    part = until_done(lambda: bad.s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"bucket/{bad.key}"))
    etag = part["CopyPartResult"]["ETag"]
    assert etag == f'"{hashlib.md5(bad.data).hexdigest()}"'
    bad.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert until_done(lambda: bad.get("part/" + bad.key)) == bad.data
    bad.wait_repaired()


def test_what_leaves_a_group_is_what_the_objects_have(tmp_path):
    """The right copy is gone when all has left."""
    with running(**TWO, settings=f"key_ring = {tmp_path}/ring\ndefault_group = group1\nreclaim_grace = 0s\n"
                                 "spread_buckets = no\n") as c:
        c.wait_copies()
        c.beside = False
        all_bad = [Object(c, size, kind) for kind in KINDS for size in SIZES]
        assert dfs(c, "admin", "drain", "group1").returncode == DONE
        c.gateway.stop()
        set_conf(c, "default_group = group1", "default_group = group2")
        c.start_gateway()
        wait_until("the gateway to hear of it", lambda: ask(c, "rebalance", "start", "group1").returncode == DONE)
        wait_until("all to have moved", lambda: progress(c)["state"] == "done", 120)
        for bad in all_bad:
            assert bad.group == "g1" and bad.get() == bad.data
