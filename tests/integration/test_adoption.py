# SPDX-License-Identifier: Apache-2.0
"""A storage directory that FastDFS has filled, started on by ours: every file by its id, for new members too."""
import base64
import random
import shutil
import struct
import subprocess
import zlib

import pytest

import nativecluster as native
import s3cluster
from cluster import BUILD, wait_until
from rawhttp import Raw


def file_id(ip, created, data, ext, rnd, appender=False):
    """Name below data/ and logical name of a plain file, as fastdfs-semantics.md 2 says."""
    size = (1 << 63) | (rnd.getrandbits(23) << 32) | (0 if appender else len(data)) | (1 << 58 if appender else 0)
    raw = bytes(map(int, ip.split("."))) + struct.pack(">IQI", created, size, zlib.crc32(data))
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    pad = "".join(rnd.choice("0123456789") for _ in range(6 - len(ext)))
    local = f"{rnd.randrange(256):02X}/{rnd.randrange(256):02X}/{text}{pad}.{ext}"
    return local, f"M00/{local}"


def fill(place, ip, rnd, store="path0"):
    """What FastDFS 6.16 leaves in base_path and store_path0 (semantics 6, 9): name to bytes, and to metadata."""
    files, meta = {}, {}
    for i in range(40):
        data = rnd.randbytes(rnd.choice([0, 10, 5000, 300_000]))
        local, name = file_id(ip, 1_700_000_000 + i, data, rnd.choice(["txt", "jpg"]), rnd, appender=i % 10 == 9)
        path = place / store / "data" / local
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files[name] = data
        if i % 7 == 0:
            path.with_name(path.name + "-m").write_bytes(b"author\x02me\x01width\x027")
            meta[name] = [("author", "me"), ("width", "7")]
    data = place / store / "data"
    (data / "sync").mkdir()
    (data / "sync" / "binlog.000").write_text("1700000000 C M00/00/00/x\n")
    base = place / "data"
    base.mkdir(exist_ok=True)
    (base / "storage_stat.dat").write_text("total_upload_count=40\nsuccess_upload_count=40\n")
    (base / ".data_init_flag").write_text(
        f"storage_join_time=1700000000\nsync_old_done=1\nsync_src_server=\nsync_until_timestamp=0\n"
        f"last_ip_addr={ip}\nlast_server_port=23000\nlast_http_port=8888\ncurrent_trunk_file_id=0\n"
        f"trunk_last_compress_time=0\n")
    return files, meta


@pytest.mark.parametrize("members", [1, 2])
def test_a_directory_of_fastdfs_goes_on_serving(members):
    cluster = native.NativeCluster()
    try:
        files, meta = {}, {}
        for number in range(2, 2 + members):
            cluster.prepare(number)
            # A group's servers hold the same files; each is adopted where it lies.
            files, meta = fill(cluster.folder / f"storage{number}", "127.0.0.2", random.Random(5))
        old = [cluster.add(number) for number in range(2, 2 + members)]
        fresh = cluster.add(9)
        for storage in [*old, fresh]:
            storage = storage.local()
            for name, data in files.items():
                assert storage.download(name) == data
                assert storage.info(name)[2] == zlib.crc32(data)
            for name, pairs in meta.items():
                assert storage.get_meta(name) == pairs
        name = next(iter(files))
        fresh.delete(name)
        new = old[0].upload(b"written after it")
        native.wait_same(fresh, {name: None, new: b"written after it"})
        native.wait_same(old[-1], {name: None, new: b"written after it"})
        for program in cluster.storages.values():
            program.stop()
    finally:
        cluster.remove()


class Adopted:
    """A cluster whose group1 began as FastDFS's, and a bucket."""

    def __init__(self, members=2):
        self.cluster = s3cluster.S3Cluster(members=members, local=[(1, 1)])
        for m in range(1, members + 1):
            self.files, self.meta = fill(self.cluster.folder / f"g1m{m}", "127.0.1.1", random.Random(7), store=".")
        self.appenders = [name for i, name in enumerate(self.files) if i % 10 == 9]

    def __enter__(self):
        try:
            self.cluster.start()
            self.s3 = self.cluster.boto3()
            self.s3.create_bucket(Bucket="old-files")
        except BaseException:
            self.cluster.remove()
            raise
        return self

    def __exit__(self, *exc):
        self.cluster.remove()

    def adopt(self, *options, bucket="old-files"):
        return self.cluster.admin("adopt", "group1", "--bucket", bucket, *options)["adopt"]

    def keys(self):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="old-files")
        return {o["Key"]: o for page in pages for o in page.get("Contents", [])}

    def gone(self, key):
        for call in (self.s3.get_object, self.s3.head_object):
            with pytest.raises(self.s3.exceptions.ClientError) as refused:
                call(Bucket="old-files", Key=key)
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        return True

    def same(self, key, data):
        got = self.s3.get_object(Bucket="old-files", Key=key, ChecksumMode="ENABLED")
        assert got["Body"].read() == data
        return got


def test_files_become_keys():
    with Adopted() as a:
        whole = {name: data for name, data in a.files.items() if name not in a.appenders}
        count = {"files": 40, "adopted": 36, "bytes": sum(map(len, whole.values())), "known": 0, "appenders": 4,
                 "taken": 0, "gone": 0, "metadata_left_out": 0, "containers": 0}
        # Both members recorded the files; the second log tells of them again.
        dry = a.adopt("--dry-run")
        assert dry.pop("files") == 80 and dry.pop("adopted") == 72 and dry["appenders"] == 8
        assert a.keys() == {}
        first = a.adopt()
        assert first == {**count, "files": 80, "known": 36, "appenders": 8}
        keys = a.keys()
        assert set(keys) == set(whole)
        stamps = {}
        for name, data in whole.items():
            got = a.same(name, data)
            stamps[name] = got["LastModified"]
            headers = got["ResponseMetadata"]["HTTPHeaders"]
            assert got["ContentType"] == ("text/plain" if name.endswith(".txt") else "image/jpeg")
            assert got["Metadata"] == dict(a.meta.get(name, []))
            assert got["ETag"].endswith('-1"') and got["ETag"] == keys[name]["ETag"]
            assert headers["x-amz-checksum-crc32"] == base64.b64encode(struct.pack(">I", zlib.crc32(data))).decode()
            if data:
                assert headers["x-dfs-file-id"] == "group1/" + name
        again = a.adopt("--appenders")
        assert again["adopted"] == 4 and again["known"] == 76 and again["taken"] == 0
        for name in a.appenders:
            a.same(name, a.files[name])
        # A file that a client stores now is new, and the only one.
        new = a.cluster.member(1, 1).upload(b"stored later", "txt")
        more = a.adopt("--prefix", "old/")
        assert more["adopted"] == 1
        a.same("old/" + new, b"stored later")
        assert len(a.keys()) == 41


def test_a_standalone_server_adopts_too(cluster, s3, bucket):
    storage = native.Storage(("127.0.0.1", cluster.admin("status")["storage"]["port"]))
    files = {storage.upload(data, "txt"): data for data in (b"", b"small", b"large" * 100_000)}
    names = list(files)
    storage.set_meta(names[2], [("author", "me")])
    assert cluster.admin("adopt", "group1", "--bucket", bucket, "--prefix", "p/")["adopt"]["adopted"] >= 3
    for name, data in files.items():
        for _ in range(2):  # the second time from descriptors that are kept
            assert s3.get_object(Bucket=bucket, Key="p/" + name)["Body"].read() == data
    assert s3.head_object(Bucket=bucket, Key="p/" + names[2])["Metadata"] == {"author": "me"}
    for name in names[1:]:
        storage.delete(name)
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=bucket, Key="p/" + name)
        with pytest.raises(s3.exceptions.ClientError):
            s3.head_object(Bucket=bucket, Key="p/" + name)


def test_who_owns_an_adopted_file():
    with Adopted() as a:
        a.adopt()
        big = [n for n, d in a.files.items() if len(d) > 100_000 and n not in a.appenders]
        small = [n for n, d in a.files.items() if len(d) == 5000 and n not in a.appenders]
        storage = a.cluster.member(1, 2)
        # Deleting, or replacing, the key leaves the file to its clients, and no later run brings the key back.
        a.s3.delete_object(Bucket="old-files", Key=big[0])
        a.s3.put_object(Bucket="old-files", Key=small[0], Body=b"another")
        a.cluster.admin("reclaim")
        assert a.adopt()["adopted"] == 0
        assert big[0] not in a.keys()
        assert storage.download(big[0]) == a.files[big[0]]
        assert storage.download(small[0]) == a.files[small[0]]
        # Copies are the gateway's own: they outlive what a client deletes, and that is NoSuchKey from then on.
        for name in (big[1], small[1]):
            a.s3.copy_object(Bucket="old-files", Key="copy-" + name, CopySource={"Bucket": "old-files", "Key": name})
            storage.delete(name)
            native.wait_same(a.cluster.member(1, 1), {name: None})
            assert a.gone(name)
            a.same("copy-" + name, a.files[name])
            a.s3.delete_object(Bucket="old-files", Key=name)
        # Parts made of one, too.
        upload = a.s3.create_multipart_upload(Bucket="old-files", Key="parts")["UploadId"]
        part = a.s3.upload_part_copy(Bucket="old-files", Key="parts", PartNumber=1, UploadId=upload,
                                     CopySource={"Bucket": "old-files", "Key": big[2]})["CopyPartResult"]["ETag"]
        a.s3.complete_multipart_upload(Bucket="old-files", Key="parts", UploadId=upload,
                                       MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
        storage.delete(big[2])
        native.wait_same(a.cluster.member(1, 1), {big[2]: None})
        a.same("parts", a.files[big[2]])
        # What a gateway made is not for FastDFS's clients.
        own = a.s3.head_object(Bucket="old-files", Key="copy-" + small[1])["ResponseMetadata"]["HTTPHeaders"]
        assert "x-dfs-file-id" not in own or own["x-dfs-file-id"] != "group1/" + small[1]
        # An appender that was cut is not the object any more.
        a.adopt("--appenders")
        cut = next(n for n in a.appenders if len(a.files[n]) > 100)
        storage.truncate(cut, 10)
        wait_until("the cut to be everywhere", lambda: a.cluster.member(1, 1).info(cut)[0] == 10)
        assert a.gone(cut)


def test_adopted_keys_come_back_with_a_new_index():
    with Adopted() as a:
        a.adopt()
        names = [n for n, d in a.files.items() if d and n not in a.appenders]
        a.s3.delete_object(Bucket="old-files", Key=names[0])
        before = a.keys()
        a.cluster.gateway.stop()
        shutil.rmtree(a.cluster.folder / "gateway/index")
        a.cluster.gateway.start("--rebuild-index").wait_ready()
        assert {k: (o["ETag"], o["Size"], o["LastModified"]) for k, o in a.keys().items()} == {
            k: (o["ETag"], o["Size"], o["LastModified"]) for k, o in before.items()}
        for name in names[1:]:
            assert a.same(name, a.files[name])["Metadata"] == dict(a.meta.get(name, []))
        # It knows still whose the files are, and which key was deleted.
        assert a.adopt()["adopted"] == 0
        a.s3.delete_object(Bucket="old-files", Key=names[1])
        a.cluster.admin("reclaim")
        assert a.adopt()["adopted"] == 0
        for name in names[:2]:
            assert a.cluster.member(1, 2).download(name) == a.files[name]


def test_what_adopt_refuses():
    with Adopted(members=1) as a:
        def refused(*words):
            done = subprocess.run([str(BUILD / "s3gw"), "admin", "--socket",
                                   str(a.cluster.folder / "gateway/admin.sock"), "adopt", *words],
                                  capture_output=True, text=True, timeout=60)
            return done.returncode, done.stderr

        a.s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        assert refused("group1", "--bucket", "locked")[0] == 1
        assert refused("group9", "--bucket", "old-files") == (1, "s3gw admin: there is no group 'group9'\n")
        assert refused("group1", "--bucket", "none")[0] == 1
        assert refused("group1")[0] == 2
        a.cluster.admin("limit", "set", "bucket", "old-files", "--max-objects", "5")
        status, said = refused("group1", "--bucket", "old-files")
        assert status == 1 and "limit" in said
        assert a.keys() == {}
        a.cluster.admin("limit", "set", "bucket", "old-files", "--max-objects", "0")
        # A key that is there stays what it is.
        name = next(n for n, d in a.files.items() if d and n not in a.appenders)
        a.s3.put_object(Bucket="old-files", Key=name, Body=b"mine")
        assert a.adopt()["taken"] == 1
        a.same(name, b"mine")
        key = next(n for n, o in a.keys().items() if n != name and o["Size"])
        answer = Raw(a.cluster).request("PUT", f"/old-files/{key}", body=b"x",
                                        headers={"x-amz-write-offset-bytes": str(len(a.files[key]))})
        assert (answer.status, answer.code) == (501, "NotImplemented")
