# SPDX-License-Identifier: Apache-2.0
"""What is on the disk of encrypted objects: nothing in plain, all of it after a rebuild, and no flipped bit is answered."""
import base64
import json
import os
import secrets
import socket
from urllib.parse import quote

import pytest
import s3cluster
from cluster import PATIENCE_S, wait_until
from rawhttp import Raw
from sealing import FRAME, Key, append, body, content, files_with, sealed_size, storage_file


def test_nothing_in_plain_and_all_of_it_after_a_restart_and_a_rebuild(fresh_cluster):
    c = fresh_cluster
    s3 = c.boto3()
    s3.create_bucket(Bucket="sealed")
    key, marker = Key(), b"PLAINTEXT-MARKER-" + secrets.token_hex(8).encode()
    writes = {"c": key.args, "s": {"ServerSideEncryption": "AES256"}, "k": {"ServerSideEncryption": "aws:kms"}}
    sizes = [300, 100_000, 1_000_000]
    s3.put_object(Bucket="sealed", Key="plain", Body=content(300, marker))
    for name, args in writes.items():
        for n in sizes:
            s3.put_object(Bucket="sealed", Key=f"{name}{n}", Body=content(n, marker), **args)
    found = files_with(c.data, marker)
    assert found, "the plain object must be found, or the search is no search"
    append(c, "sealed", "s1000000", 1_000_000, marker)
    s3.copy_object(Bucket="sealed", Key="copy", CopySource="sealed/c100000", **key.source, ServerSideEncryption="aws:kms")
    s3.delete_object(Bucket="sealed", Key="copy")
    # In the query they are options of presigned requests only; they are not logged from there either.
    assert Raw(c).request("GET", "/sealed/c300", query=list(key.headers().items())).status == 400
    s3.delete_object(Bucket="sealed", Key="plain")
    wait_until("the plain object's file to go", lambda: c.admin("reclaim") and c.admin("status")["reclaim"]["pending"] == 0)
    ring = [g for k in json.loads((c.data / "key-ring").read_text())["keys"] for g in k["generations"]]
    assert len(ring) == 2
    for text in [key.text] + ring:
        for secret in (text, quote(text), base64.b64decode(text).hex()):
            assert secret not in c.tail(100_000)
        for secret in (text.encode(), quote(text).encode(), base64.b64decode(text)):
            left = [f for f in files_with(c.folder, secret) if f != str(c.data / "key-ring")]
            assert not left, left
    left = [f for f in files_with(c.folder, marker) if f not in found]
    assert not left, left

    def check():
        client = c.boto3()
        for name, args in writes.items():
            for n in sizes:
                read = args if name == "c" else {}
                got = client.get_object(Bucket="sealed", Key=f"{name}{n}", **read)
                assert body(got) == content(n, marker) + (marker if (name, n) == ("s", 1_000_000) else b"")
                assert got.get("ServerSideEncryption") == args.get("ServerSideEncryption")
    c.restart()
    check()
    c.stop()
    c.args.append("--rebuild-index")
    c.start()
    check()


@pytest.mark.parametrize("sealed", [True, False])
def test_large_files_come_whole_from_disk_and_from_memory(place, either, sealed):
    """Pieces that have to be waited for, and pieces that need not be, of one file and of two; with and without TLS."""
    s3, b = place
    n = 7_654_321 + sealed
    data = content(n)
    s3.put_object(Bucket=b, Key="k", Body=data, **({"ServerSideEncryption": "AES256"} if sealed else {}))
    path = storage_file(either, sealed_size(n) if sealed else n)
    up = s3.create_multipart_upload(Bucket=b, Key="m", **({"ServerSideEncryption": "AES256"} if sealed else {}))
    parts = [{"PartNumber": i, "ETag": s3.upload_part_copy(
        Bucket=b, Key="m", UploadId=up["UploadId"], PartNumber=i, CopySource=f"{b}/k")["CopyPartResult"]["ETag"]} for i in (1, 2)]
    s3.complete_multipart_upload(Bucket=b, Key="m", UploadId=up["UploadId"], MultipartUpload={"Parts": parts})
    for cold in (True, False):
        for key, whole in (("k", data), ("m", data * 2)):
            for first, last in ((0, len(whole) - 1), (FRAME + 5, len(whole) - 9), (3_000_000, 3_300_000),
                                (len(whole) - 10, len(whole) - 1)):
                if cold:
                    fd = os.open(path, os.O_RDONLY)
                    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                    os.close(fd)
                assert body(s3.get_object(Bucket=b, Key=key, Range=f"bytes={first}-{last}")) == whole[first:last + 1]


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("n", [1_000_000, 3_000_000, 9_000_000])
def test_a_flipped_bit_is_never_a_complete_answer(fresh_cluster, n):
    c = fresh_cluster
    s3 = c.boto3()
    s3.create_bucket(Bucket="sealed")
    data = content(n)
    s3.put_object(Bucket="sealed", Key="k", Body=data, ServerSideEncryption="AES256")
    bad = n // FRAME // 2
    flip(storage_file(c, sealed_size(n)), 24 + bad * (FRAME + 16) + 100)
    answer = Raw(c).request("GET", "/sealed/k")
    assert answer is None or answer.status == 500 or (not answer.complete and data.startswith(answer.body))
    if answer and answer.status == 200:
        assert len(answer.body) <= bad * FRAME
    good = s3.get_object(Bucket="sealed", Key="k", Range=f"bytes=0-{bad * FRAME - 1}")
    assert body(good) == data[:bad * FRAME]
    inside = Raw(c).request("GET", "/sealed/k", headers={"Range": f"bytes={bad * FRAME}-{bad * FRAME + 9}"})
    assert inside.status == 500 and inside.code == "InternalError"


class SlowGet:
    """An answer that is read only as far as asked for: the rest waits in the server, which may hold little of it."""

    def __init__(self, c, path, **headers):
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE_S)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.sock.connect(("127.0.0.1", c.port))
        self.sock.sendall(Raw(c).build("GET", path, headers=headers))
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.sock.recv(1)
        assert head.startswith(b"HTTP/1.1 20"), head
        self.got = bytearray()

    def read(self, n):
        """Until @n bytes of the body are here, or the server closes."""
        while len(self.got) < n:
            try:
                piece = self.sock.recv(min(1 << 20, n - len(self.got)))
            except ConnectionResetError:
                break
            if not piece:
                break
            self.got += piece
        return self.got

    def close(self):
        self.sock.close()


LONG = 12_000_000  # read ahead, and more than sockets hold


def test_long_answers_outlive_slow_clients_and_the_storage(fresh_cluster):
    """More clients than may be read ahead; some hang up in the middle; the storage dies, its files are open."""
    c = fresh_cluster
    s3 = c.boto3()
    s3.create_bucket(Bucket="sealed")
    data = content(LONG)
    s3.put_object(Bucket="sealed", Key="k", Body=data, ServerSideEncryption="AES256")
    first = FRAME + 5
    clients = [SlowGet(c, "/sealed/k", **({"Range": f"bytes={first}-"} if i % 2 else {})) for i in range(20)]
    for i, client in enumerate(clients):
        client.read(1_000_000 + i * 50_000)
    storage = c.kill_child("dfs_storaged")
    for client in clients[::3]:
        client.close()
    for i, client in enumerate(clients):
        if i % 3:
            want = data[first:] if i % 2 else data
            assert client.read(len(want)) == want
            client.close()
    c.wait_child("dfs_storaged", storage)
    assert body(s3.get_object(Bucket="sealed", Key="k")) == data


def test_a_long_answer_from_other_machines_needs_one_of_them():
    """A member that dies in the middle is replaced by another; without any the answer ends broken."""
    with s3cluster.running(members=2, settings="sse_c_over_http = yes\n") as c:
        s3, key, data = c.boto3(), Key(), content(LONG)
        s3.put_object(Bucket="bucket", Key="k", Body=data, **key.args)
        for victim in (1, 1), (1, 2):
            answer = SlowGet(c, "/bucket/k", **key.headers())
            answer.read(1_000_000)
            c.storages[victim].kill()
            assert answer.read(len(data)) == data
            answer.close()
            c.storages[victim].start().wait_ready()
            c.wait_active(victim)
        answer = SlowGet(c, "/bucket/k", **key.headers())
        answer.read(1_000_000)
        for member in (1, 1), (1, 2):
            c.storages[member].kill()
        got = answer.read(len(data))
        assert 1_000_000 <= len(got) < len(data) and data.startswith(got)
        answer.close()
