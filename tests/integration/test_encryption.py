# SPDX-License-Identifier: Apache-2.0
"""Server-side encryption: SSE-C, SSE-S3, SSE-KMS, with boto3 and with bytes no client would send."""
import base64
import contextlib
import hashlib
import json
import os
import secrets
import socket
from urllib.parse import quote

import pytest
import s3cluster
from cluster import PATIENCE_S, Cluster, files_below, plain_files_below, wait_until
from rawhttp import Raw
from test_objects import error

FRAME = 64 * 1024
SIZES = [0, 1, 5000, FRAME - 1, FRAME, FRAME + 1, 262_000, 262_144, 3 * FRAME, 1_500_000]


class Key:
    """A customer's key, as arguments of boto3 and as headers."""

    def __init__(self):
        self.bytes = os.urandom(32)
        self.args = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": self.bytes}
        self.source = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": self.bytes}
        self.text = base64.b64encode(self.bytes).decode()
        self.md5 = base64.b64encode(hashlib.md5(self.bytes).digest()).decode()

    def headers(self, prefix="x-amz-server-side-encryption-customer-", **change):
        h = {"algorithm": "AES256", "key": self.text, "key-MD5": self.md5, **change}
        return {prefix + k: v for k, v in h.items() if v is not None}


def content(n, marker=b""):
    """Bytes that repeat, so that a wrong offset shows, with a marker that must not be found on disk."""
    return (marker + hashlib.sha256(b"%d" % n).digest() * (n // 32 + 1))[:n]


def body(answer):
    return answer["Body"].read()


def files_with(folder, marker):
    found = []
    for path in files_below(folder):
        with contextlib.suppress(OSError), open(path, "rb") as f:  # a socket; or gone by now
            if marker in f.read():
                found.append(path)
    return found


@pytest.fixture
def place(either):
    name = "b" + secrets.token_hex(6)
    s3 = either.boto3()
    s3.create_bucket(Bucket=name)
    return s3, name


# --- round trips ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["customer", "AES256"])
def test_objects_of_all_sizes_come_back_whole_and_in_ranges(place, kind):
    s3, b = place
    key = Key()
    write = key.args if kind == "customer" else {"ServerSideEncryption": "AES256"}
    read = key.args if kind == "customer" else {}
    for n in SIZES:
        data = content(n)
        put = s3.put_object(Bucket=b, Key=f"k{n}", Body=data, **write)
        got = s3.get_object(Bucket=b, Key=f"k{n}", ChecksumMode="ENABLED", **read)
        head = s3.head_object(Bucket=b, Key=f"k{n}", **read)
        assert body(got) == data and got["ContentLength"] == head["ContentLength"] == n
        assert put["ETag"] == got["ETag"] == head["ETag"]
        md5 = hashlib.md5(data).hexdigest()
        assert (put["ETag"].strip('"') == md5) == (kind == "AES256") and len(put["ETag"]) == 34
        for answer in (put, got, head):
            if kind == "customer":
                assert answer["SSECustomerAlgorithm"] == "AES256" and answer["SSECustomerKeyMD5"] == key.md5
                assert "ServerSideEncryption" not in answer
            else:
                assert answer["ServerSideEncryption"] == "AES256"
        for first, last in [(0, 0), (FRAME - 1, FRAME), (FRAME, 2 * FRAME - 1), (FRAME + 7, 2 * FRAME + 9),
                            (n - 1, n - 1), (1, n - 2), (1000, 10_000_000)]:
            if 0 <= first < n and first <= last:
                r = s3.get_object(Bucket=b, Key=f"k{n}", Range=f"bytes={first}-{last}", **read)
                assert body(r) == data[first:last + 1], (n, first, last)
                assert r["ContentRange"] == f"bytes {first}-{min(last, n - 1)}/{n}"
    sizes = {o["Key"]: o["Size"] for o in s3.list_objects_v2(Bucket=b)["Contents"]}
    assert sizes == {f"k{n}": n for n in SIZES}


def test_parts_are_sealed_one_by_one(place):
    s3, b = place
    key = Key()
    parts = [content(5 * 1024 * 1024 + 3), content(5 * 1024 * 1024), content(70_001)]
    for write, part_args, read in ((key.args, key.args, key.args), ({"ServerSideEncryption": "AES256"}, {}, {}),
                                   ({"ServerSideEncryption": "aws:kms"}, {}, {})):
        up = s3.create_multipart_upload(Bucket=b, Key="m", **write)
        assert up.get("ServerSideEncryption") == write.get("ServerSideEncryption")
        etags = []
        for i, data in enumerate(parts):
            p = s3.upload_part(Bucket=b, Key="m", UploadId=up["UploadId"], PartNumber=i + 3, Body=data, **part_args)
            assert p.get("ServerSideEncryption") == write.get("ServerSideEncryption")
            assert (p["ETag"].strip('"') == hashlib.md5(data).hexdigest()) == (
                write.get("ServerSideEncryption") == "AES256")
            etags.append({"PartNumber": i + 3, "ETag": p["ETag"]})
        done = s3.complete_multipart_upload(Bucket=b, Key="m", UploadId=up["UploadId"],
                                            MultipartUpload={"Parts": etags})
        assert done.get("ServerSideEncryption") == write.get("ServerSideEncryption")
        whole = b"".join(parts)
        got = s3.get_object(Bucket=b, Key="m", **read)
        assert body(got) == whole and got["ETag"].endswith('-3"')
        at = len(parts[0])
        for first, last in [(at - 5, at + 5), (at - FRAME, at + FRAME), (at + len(parts[1]) - 1, len(whole) - 1)]:
            r = s3.get_object(Bucket=b, Key="m", Range=f"bytes={first}-{last}", **read)
            assert body(r) == whole[first:last + 1]
        assert body(s3.get_object(Bucket=b, Key="m", PartNumber=2, **read)) == parts[1]


def test_a_part_needs_the_key_of_its_upload(place):
    s3, b = place
    key, other = Key(), Key()
    up = s3.create_multipart_upload(Bucket=b, Key="m", **key.args)["UploadId"]
    part = dict(Bucket=b, Key="m", UploadId=up, PartNumber=1, Body=b"x")
    assert error(s3.upload_part, **part) == ("InvalidRequest", 400)
    assert error(s3.upload_part, **part, **other.args) == ("InvalidRequest", 400)
    assert s3.upload_part(**part, **key.args)["SSECustomerKeyMD5"] == key.md5
    plain = s3.create_multipart_upload(Bucket=b, Key="m")["UploadId"]
    assert error(s3.upload_part, **{**part, "UploadId": plain}, **key.args) == ("InvalidRequest", 400)


def test_a_key_given_to_list_or_complete_must_be_the_uploads(cluster, s3, bucket):
    key, other = Key(), Key()
    up = s3.create_multipart_upload(Bucket=bucket, Key="m", **key.args)["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="m", UploadId=up, PartNumber=1, Body=b"x", **key.args)["ETag"]
    xml = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"

    def ask(method, key, body=b""):
        return Raw(cluster).request(method, f"/{bucket}/m", query=[("uploadId", up)],
                                    headers=key.headers() if key else {}, body=body)
    for method, body in ("GET", b""), ("POST", xml.encode()):
        assert (ask(method, other, body).status, ask(method, other, body).code) == (400, "InvalidRequest")
    assert ask("GET", None).status == ask("GET", key).status == 200
    assert ask("POST", key, xml.encode()).status == 200


# --- keys that are missing, wrong or needless --------------------------------------------------


def test_the_wrong_key_opens_nothing(place):
    s3, b = place
    key, other = Key(), Key()
    s3.put_object(Bucket=b, Key="k", Body=b"secret", **key.args)
    s3.put_object(Bucket=b, Key="plain", Body=b"plain")
    for ask in (s3.get_object, s3.head_object):
        head = ask == s3.head_object
        assert error(ask, Bucket=b, Key="k") == ("400" if head else "InvalidRequest", 400)
        assert error(ask, Bucket=b, Key="k", **other.args) == ("403" if head else "AccessDenied", 403)
        assert error(ask, Bucket=b, Key="plain", **key.args) == ("400" if head else "InvalidRequest", 400)
    attributes = dict(Bucket=b, Key="k", ObjectAttributes=["ObjectSize", "ETag"])
    assert error(s3.get_object_attributes, **attributes) == ("InvalidRequest", 400)
    text = dict(SSECustomerAlgorithm="AES256", SSECustomerKey=key.text, SSECustomerKeyMD5=key.md5)
    assert s3.get_object_attributes(**attributes, **text)["ObjectSize"] == 6
    assert body(s3.get_object(Bucket=b, Key="k", **key.args)) == b"secret"


CUSTOMER_FAULTS = [
    ({"algorithm": None}, "InvalidArgument"), ({"algorithm": "AES128"}, "InvalidEncryptionAlgorithmError"),
    ({"key": None}, "InvalidArgument"), ({"key": "AAAA"}, "InvalidArgument"), ({"key": "not base64!"}, "InvalidArgument"),
    ({"key-MD5": None}, "InvalidArgument"), ({"key-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "InvalidArgument"),
    ({"key-MD5": "short"}, "InvalidArgument"),
]


@pytest.mark.parametrize("change, code", CUSTOMER_FAULTS)
def test_faulty_customer_headers(cluster, s3, bucket, change, code):
    key = Key()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **key.args)
    for method in ("PUT", "GET"):
        answer = Raw(cluster).request(method, f"/{bucket}/k", headers=key.headers(**change), body=b"x" * (method == "PUT"))
        assert (answer.status, answer.code) == (400, code), answer
        assert key.text.encode() not in answer.body


@pytest.mark.parametrize("headers, status, code", [
    ({"x-amz-server-side-encryption": "ROT13"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": ""}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms:dsse"}, 501, "NotImplemented"),
    ({"x-amz-server-side-encryption-aws-kms-key-id": "k"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "AES256", "x-amz-server-side-encryption-aws-kms-key-id": "k"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "AES256", "x-amz-server-side-encryption-context": "e30="}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "AES256", "x-amz-server-side-encryption-bucket-key-enabled": "true"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-bucket-key-enabled": "maybe"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "nobody"}, 400, "KMS.NotFoundException"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "a b"}, 400, "KMS.NotFoundException"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-context": "e30"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-context": "W10="}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-context": "eyJhIjoxfQ=="}, 400, "InvalidArgument"),
])
def test_faulty_headers_of_a_write(cluster, bucket, headers, status, code):
    answer = Raw(cluster).request("PUT", f"/{bucket}/k", headers=headers, body=b"x")
    assert (answer.status, answer.code) == (status, code), answer
    assert Raw(cluster).request("HEAD", f"/{bucket}/k").status == 404


def test_both_kinds_at_once_and_method_on_a_read(cluster, s3, bucket):
    key = Key()
    both = {**key.headers(), "x-amz-server-side-encryption": "AES256"}
    answer = Raw(cluster).request("PUT", f"/{bucket}/k", headers=both, body=b"x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")
    answer = Raw(cluster).request("GET", f"/{bucket}/k", headers={"x-amz-server-side-encryption": "AES256"})
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    answer = Raw(cluster).request("GET", f"/{bucket}/k", headers=key.headers())
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_customer_keys_can_be_kept_off_plain_http():
    c = Cluster(args=["--sse-c-over-http", "no"])
    try:
        c.start()
        s3 = c.boto3()
        s3.create_bucket(Bucket="sealed")
        assert error(s3.put_object, Bucket="sealed", Key="k", Body=b"x", **Key().args) == ("InvalidRequest", 400)
        s3.put_object(Bucket="sealed", Key="k", Body=b"x", ServerSideEncryption="AES256")
        assert c.stop() == 0
    finally:
        c.remove()


# --- what is on the disk ------------------------------------------------------------------------


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


def storage_file(c, size):
    (path,) = [path for path, n in files_below(c.data / "storage").items() if n == size]
    return path


def sealed_size(n):
    return 24 + n + 16 * ((n + FRAME - 1) // FRAME)


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


# --- copies ------------------------------------------------------------------------------------


KINDS = ["none", "customer", "AES256", "aws:kms"]


def written_as(kind, key):
    return {"none": {}, "customer": key.args}.get(kind, {"ServerSideEncryption": kind})


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_copies_between_every_pair(s3, bucket, source, target):
    old, new = Key(), Key()
    from_args, to_args = (old.source if source == "customer" else {}), written_as(target, new)
    read = new.args if target == "customer" else {}
    for n in (0, 10, 262_100, 1_000_000):
        data = content(n)
        put = s3.put_object(Bucket=bucket, Key="s", Body=data, ContentType="text/x", Tagging="a=b",
                            **written_as(source, old))
        done = s3.copy_object(Bucket=bucket, Key="t", CopySource=f"{bucket}/s", **from_args, **to_args)
        assert done.get("ServerSideEncryption") == to_args.get("ServerSideEncryption")
        got = s3.get_object(Bucket=bucket, Key="t", ChecksumMode="ENABLED", **read)
        assert body(got) == data and got["ContentType"] == "text/x" and got["TagCount"] == 1
        head = s3.head_object(Bucket=bucket, Key="t", **read)
        assert (head["ETag"], head["ContentLength"]) == (got["ETag"], n)
        if n:
            assert body(s3.get_object(Bucket=bucket, Key="t", Range=f"bytes={n // 3}-{n // 2}", **read)) == (
                data[n // 3:n // 2 + 1])
        assert got["ETag"] == done["CopyObjectResult"]["ETag"]
        assert got.get("ServerSideEncryption") == to_args.get("ServerSideEncryption")
        if target in ("none", "AES256"):
            assert got["ETag"].strip('"') == hashlib.md5(data).hexdigest()
        elif source != target:
            assert got["ETag"] != put["ETag"] and got["ETag"].strip('"') != hashlib.md5(data).hexdigest()
        if target != "none" and n:
            assert "x-dfs-file-id" not in got["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_part_copies_between_every_pair(s3, bucket, source, target):
    old, new = Key(), Key()
    from_args = old.source if source == "customer" else {}
    read = new.args if target == "customer" else {}
    data = content(5_500_000)
    s3.put_object(Bucket=bucket, Key="s", Body=data, **written_as(source, old))
    up = s3.create_multipart_upload(Bucket=bucket, Key="t", **written_as(target, new))["UploadId"]
    part = dict(Bucket=bucket, Key="t", UploadId=up, CopySource=f"{bucket}/s", **from_args, **read)
    a = s3.upload_part_copy(PartNumber=1, CopySourceRange="bytes=0-5300000", **part)["CopyPartResult"]
    b = s3.upload_part_copy(PartNumber=2, CopySourceRange="bytes=65530-65545", **part)["CopyPartResult"]
    md5 = hashlib.md5(data[65530:65546]).hexdigest()
    assert (b["ETag"].strip('"') == md5) == (target in ("none", "AES256"))
    s3.complete_multipart_upload(Bucket=bucket, Key="t", UploadId=up, MultipartUpload={"Parts": [
        {"PartNumber": 1, "ETag": a["ETag"]}, {"PartNumber": 2, "ETag": b["ETag"]}]})
    assert body(s3.get_object(Bucket=bucket, Key="t", **read)) == data[:5_300_001] + data[65530:65546]
    assert body(s3.get_object(Bucket=bucket, Key="t", PartNumber=2, **read)) == data[65530:65546]
    assert s3.head_object(Bucket=bucket, Key="t", PartNumber=1, **read)["ContentLength"] == 5_300_001
    assert body(s3.get_object(Bucket=bucket, Key="t", Range="bytes=5299990-5300010", **read)) == (
        data[5_299_990:5_300_001] + data[65530:65540])
    # and the result, of two streams, as a source
    again = new.source if target == "customer" else {}
    s3.copy_object(Bucket=bucket, Key="u", CopySource=f"{bucket}/t", **again)
    assert body(s3.get_object(Bucket=bucket, Key="u")) == data[:5_300_001] + data[65530:65546]


def test_copies_under_the_same_key_move_no_data(cluster, s3, bucket):
    key = Key()
    data = content(6_000_000)
    for args, source, read in ((key.args, key.source, key.args), ({"ServerSideEncryption": "AES256"}, {}, {}),
                               ({"ServerSideEncryption": "aws:kms"}, {}, {})):
        s3.put_object(Bucket=bucket, Key="s", Body=data, **args)
        before = plain_files_below(cluster.data / "storage")
        s3.copy_object(Bucket=bucket, Key="t", CopySource=f"{bucket}/s", **args, **source)
        assert all(n < 1_000_000 for n in new_files(cluster, before).values())
        s3.delete_object(Bucket=bucket, Key="s")
        assert body(s3.get_object(Bucket=bucket, Key="t", **read)) == data


def test_a_copy_onto_itself_may_change_the_encryption(s3, bucket):
    key = Key()
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    itself = dict(Bucket=bucket, Key="k", CopySource=f"{bucket}/k")
    assert error(s3.copy_object, **itself) == ("InvalidRequest", 400)
    s3.copy_object(**itself, **key.args)
    assert error(s3.get_object, Bucket=bucket, Key="k") == ("InvalidRequest", 400)
    s3.copy_object(**itself, **key.source, ServerSideEncryption="aws:kms")
    assert s3.get_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "aws:kms"
    s3.copy_object(**itself)
    assert "ServerSideEncryption" not in s3.get_object(Bucket=bucket, Key="k")


def test_a_copy_needs_the_key_of_its_source(s3, bucket):
    key, other = Key(), Key()
    s3.put_object(Bucket=bucket, Key="k", Body=b"data", **key.args)
    s3.put_object(Bucket=bucket, Key="plain", Body=b"data")
    copy = dict(Bucket=bucket, Key="t", CopySource=f"{bucket}/k")
    assert error(s3.copy_object, **copy) == ("InvalidRequest", 400)
    assert error(s3.copy_object, **copy, **key.args) == ("InvalidRequest", 400)
    assert error(s3.copy_object, **copy, **other.source) == ("AccessDenied", 403)
    assert error(s3.copy_object, Bucket=bucket, Key="t", CopySource=f"{bucket}/plain", **key.source) == (
        "InvalidRequest", 400)
    assert error(s3.head_object, Bucket=bucket, Key="t") == ("404", 404)


def test_renaming_keeps_an_object_sealed(cluster, s3, bucket):
    raw, data = Raw(cluster), content(70_000)
    s3.put_object(Bucket=bucket, Key="old", Body=data, ServerSideEncryption="AES256")
    answer = raw.request("PUT", f"/{bucket}/new", query=[("renameObject", "")], headers={"x-amz-rename-source": f"/{bucket}/old"})
    assert answer.status == 200, answer
    got = s3.get_object(Bucket=bucket, Key="new")
    assert body(got) == data and got["ServerSideEncryption"] == "AES256"


# --- appending --------------------------------------------------------------------------------


def append(c, bucket, key, offset, data, headers=None):
    return Raw(c).request("PUT", f"/{bucket}/{key}", body=data,
                          headers={"x-amz-write-offset-bytes": str(offset), **(headers or {})})


def begin(s3, bucket, key, how, data, args, part_args):
    """An object of that content: nothing yet, empty, in one piece, or of parts."""
    if how == "parts":
        up = s3.create_multipart_upload(Bucket=bucket, Key=key, **args)["UploadId"]
        etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=up, PartNumber=7, Body=data, **part_args)["ETag"]
        s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=up,
                                     MultipartUpload={"Parts": [{"PartNumber": 7, "ETag": etag}]})
    elif how != "new":
        s3.put_object(Bucket=bucket, Key=key, Body=data, **args)


SEALED = ["customer", "AES256", "aws:kms"]


def test_encrypted_objects_grow(fresh_cluster):
    """Each append is a stream of its own; then everything reads, copies and rebuilds what has grown."""
    c, key = fresh_cluster, Key()
    s3 = c.boto3()
    s3.create_bucket(Bucket="grow")
    sizes, whole = [70_001, 1, 300_000, 0, 65_536], {}
    for kind in SEALED:
        args = written_as(kind, key)
        part_args = key.args if kind == "customer" else {}
        for how, first in (("new", b""), ("empty", b""), ("one", content(100)), ("large", content(400_000)),
                           ("parts", content(80_000))):
            name, data = f"{kind}-{how}".replace(":", "-"), first
            begin(s3, "grow", name, how, first, args, part_args)
            for n in sizes:
                more = content(n, b"M%d" % n)
                headers = key.headers() if kind == "customer" else {}
                if how == "new" and data == b"" and kind != "customer":
                    headers = {"x-amz-server-side-encryption": kind}
                r = append(c, "grow", name, len(data), more, headers)
                assert r.status == 200, (name, n, r)
                assert r.headers.get("x-amz-server-side-encryption") == (None if kind == "customer" else kind)
                data += more
            whole[name] = data

    def check(names):
        client = c.boto3()
        for name in names:
            data, read = whole[name.removesuffix("-copy")], key.args if name.startswith("customer") else {}
            got = client.get_object(Bucket="grow", Key=name, ChecksumMode="ENABLED", **read)
            assert body(got) == data, name
            head = client.head_object(Bucket="grow", Key=name, PartNumber=2, **read)
            assert head["PartsCount"] == (4 if name.endswith(("new", "empty", "new-copy", "empty-copy")) else 5)
            at = len(data) - 65_536 - 300_000
            r = client.get_object(Bucket="grow", Key=name, Range=f"bytes={at - 5}-{at + 70_000}", **read)
            assert body(r) == data[at - 5:at + 70_001]
    check(whole)
    for name in whole:  # by reference, under another wrapped key
        args = {**key.args, **key.source} if name.startswith("customer") else written_as(
            "aws:kms" if name.startswith("aws") else "AES256", key)
        s3.copy_object(Bucket="grow", Key=name + "-copy", CopySource=f"grow/{name}", **args)
    check([name + "-copy" for name in whole])
    c.stop()
    c.args.append("--rebuild-index")
    c.start()
    check(whole)
    check([name + "-copy" for name in whole])


def test_an_append_asks_for_what_the_object_has(cluster, s3, bucket):
    key, other = Key(), Key()
    for kind in SEALED:
        s3.put_object(Bucket=bucket, Key=kind, Body=b"1", **written_as(kind, key))
    sse, key_id = "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"
    mismatch = (400, "EncryptionTypeMismatch")
    for name, headers, said in (
            ("AES256", {sse: "aws:kms"}, mismatch), ("AES256", key.headers(), mismatch),
            ("aws:kms", {sse: "AES256"}, mismatch), ("aws:kms", {sse: "aws:kms", key_id: "sse-s3"}, mismatch),
            ("aws:kms", {sse: "aws:kms", sse + "-context": base64.b64encode(b'{"a":"b"}').decode()}, mismatch),
            ("aws:kms", {sse: "aws:kms", sse + "-bucket-key-enabled": "true"}, mismatch),
            ("customer", {sse: "AES256"}, (400, "InvalidRequest")), ("customer", {}, (400, "InvalidRequest")),
            ("customer", other.headers(), (403, "AccessDenied")),
            ("AES256", {sse: "aws:kms:dsse"}, (501, "NotImplemented"))):
        r = append(cluster, bucket, name, 1, b"2", headers)
        assert (r.status, r.code) == said, (name, headers, r)
        read = key.args if name == "customer" else {}
        assert body(s3.get_object(Bucket=bucket, Key=name, **read)) == b"1"
    for name, headers in (("AES256", {sse: "AES256"}), ("aws:kms", {sse: "aws:kms", key_id: "aws/s3"}), ("AES256", {})):
        r = append(cluster, bucket, name, s3.head_object(Bucket=bucket, Key=name)["ContentLength"], b"2", headers)
        assert r.status == 200, r


# --- another key --------------------------------------------------------------------------------


ARN = "arn:aws:kms:us-east-1:000000000000:key/"


def update(c, bucket, key, document, version=None, **more):
    md5 = base64.b64encode(hashlib.md5(document.encode()).digest()).decode()
    query = [("encryption", "")] + ([("versionId", version)] if version else [])
    return Raw(c).request("PUT", f"/{bucket}/{key}", query=query, body=document.encode(),
                          headers={"Content-MD5": md5, **more})


def to_kms(arn, bits=""):
    return (f"<ObjectEncryption><SSE-KMS><KMSKeyArn>{arn}</KMSKeyArn>"
            + (f"<BucketKeyEnabled>{bits}</BucketKeyEnabled>" if bits else "") + "</SSE-KMS></ObjectEncryption>")


def test_another_key_wraps_what_is_there(fresh_cluster):
    c = fresh_cluster
    s3 = c.boto3()
    s3.create_bucket(Bucket="keys")
    for name in "first", "second":
        c.admin("kms", "key", "create", name)
    data = content(700_000)
    put = s3.put_object(Bucket="keys", Key="k", Body=data, ServerSideEncryption="AES256", Metadata={"m": "1"})
    before = s3.head_object(Bucket="keys", Key="k")
    s3.copy_object(Bucket="keys", Key="copy", CopySource="keys/k", ServerSideEncryption="AES256")
    there = plain_files_below(c.data / "storage")
    for name, bits in (("first", ""), ("second", "true"), ("second", "false")):
        answer = update(c, "keys", "k", to_kms(ARN + name, bits))
        assert (answer.status, answer.body) == (200, b""), answer
        got = s3.get_object(Bucket="keys", Key="k")
        assert body(got) == data and got["ServerSideEncryption"] == "aws:kms" and got["SSEKMSKeyId"] == ARN + name
        assert got.get("BucketKeyEnabled", False) == (bits == "true")
        assert (got["ETag"], got["LastModified"], got["Metadata"]) == (put["ETag"], before["LastModified"], {"m": "1"})
    assert all(n < 200_000 for n in new_files(c, there).values()), "data was moved"
    append(c, "keys", "k", len(data), b"more")  # what has grown has changed its key as well
    assert update(c, "keys", "k", to_kms(ARN + "first")).status == 200
    c.admin("kms", "key", "disable", "second")

    def check():
        client = c.boto3()
        assert body(client.get_object(Bucket="keys", Key="k")) == data + b"more"
        assert client.get_object(Bucket="keys", Key="k")["SSEKMSKeyId"] == ARN + "first"
        assert client.get_object(Bucket="keys", Key="copy")["ServerSideEncryption"] == "AES256"
    check()
    answer = update(c, "keys", "k", to_kms(ARN + "second"))
    assert (answer.status, answer.code) == (400, "KMS.DisabledException")
    answer = update(c, "keys", "k", to_kms(ARN + "none"))
    assert (answer.status, answer.code) == (400, "KMS.NotFoundException")
    check()
    c.restart()
    check()
    c.stop()
    c.args.append("--rebuild-index")
    c.start()
    check()


def new_files(c, before):
    """Size by path, of what the storage has beside @before."""
    return {path: n for path, n in plain_files_below(c.data / "storage").items() if path not in before}


def test_what_cannot_be_given_another_key(cluster, s3, bucket):
    key, good = Key(), to_kms(ARN + "aws/s3")
    for kind in ["none"] + SEALED:
        s3.put_object(Bucket=bucket, Key=kind, Body=b"1", **written_as(kind, key))
    invalid = (400, "InvalidRequest")
    for name, document, more, said in (
            ("none", good, {}, invalid), ("customer", good, {}, invalid), ("customer", good, key.headers(), invalid),
            ("missing", good, {}, (404, "NoSuchKey")),
            ("AES256", "<ObjectEncryption><SSE-S3/></ObjectEncryption>", {}, invalid),
            ("AES256", "<ObjectEncryption/>", {}, invalid),
            ("AES256", to_kms("aws/s3"), {}, invalid), ("AES256", to_kms(ARN[:-4] + "alias/x"), {}, invalid),
            ("AES256", to_kms(ARN), {}, (400, "KMS.NotFoundException")), ("AES256", to_kms(ARN + "aws/s3", "maybe"), {}, invalid),
            ("AES256", "<ObjectEncryption>", {}, (400, "MalformedXML")),
            ("AES256", "<Other/>", {}, (400, "MalformedXML"))):
        answer = update(cluster, bucket, name, document, **more)
        assert (answer.status, answer.code) == said, (name, document, answer)
    answer = Raw(cluster).request("PUT", f"/{bucket}/AES256", query=[("encryption", "")], body=good.encode())
    assert (answer.status, answer.code) == invalid  # no checksum
    assert s3.head_object(Bucket=bucket, Key="AES256")["ServerSideEncryption"] == "AES256"


def test_a_version_and_a_lock(cluster, s3):
    bucket = "lock" + secrets.token_hex(6)
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old", ServerSideEncryption="AES256")["VersionId"]
    new = s3.put_object(Bucket=bucket, Key="k", Body=b"new", ServerSideEncryption="AES256")["VersionId"]
    answer = update(cluster, bucket, "k", to_kms(ARN + "aws/s3"), old)
    assert answer.status == 200 and answer.headers["x-amz-version-id"] == old
    for version, kind in ((old, "aws:kms"), (new, "AES256")):
        assert s3.head_object(Bucket=bucket, Key="k", VersionId=version)["ServerSideEncryption"] == kind
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "ON"})
    answer = update(cluster, bucket, "k", to_kms(ARN + "aws/s3"))
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "OFF"})
    assert update(cluster, bucket, "k", to_kms(ARN + "aws/s3")).status == 200


# --- what a bucket says ------------------------------------------------------------------------


def default_of(s3, bucket, algorithm, key=None, bucket_key=None):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
    if key:
        rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] = key
    if bucket_key is not None:
        rule["BucketKeyEnabled"] = bucket_key
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]


def test_a_buckets_default_applies_where_nothing_is_said(s3, bucket):
    assert error(s3.get_bucket_encryption, Bucket=bucket) == ("ServerSideEncryptionConfigurationNotFoundError", 404)
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    assert default_of(s3, bucket, "AES256", bucket_key=False) == [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
    assert s3.head_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"
    assert "ServerSideEncryption" not in s3.head_object(Bucket=bucket, Key="before")
    assert s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/before")["ServerSideEncryption"] == "AES256"
    assert s3.create_multipart_upload(Bucket=bucket, Key="m")["ServerSideEncryption"] == "AES256"
    s3.copy_object(Bucket=bucket, Key="before", CopySource=f"{bucket}/before")  # onto itself: as AWS
    assert s3.head_object(Bucket=bucket, Key="before")["ServerSideEncryption"] == "AES256"
    key = Key()
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="k", Body=b"x", **key.args)
    s3.delete_bucket_encryption(Bucket=bucket)
    s3.delete_bucket_encryption(Bucket=bucket)
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="k", Body=b"x")


def test_a_kms_default_with_key_and_bucket_key(s3, bucket):
    rules = default_of(s3, bucket, "aws:kms", "alias/aws/s3", True)
    assert rules == [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/aws/s3"},
                      "BucketKeyEnabled": True}]
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    head = s3.head_object(Bucket=bucket, Key="k")
    for answer in (put, head):
        assert answer["ServerSideEncryption"] == "aws:kms" and answer["SSEKMSKeyId"] == "alias/aws/s3"
        assert answer["BucketKeyEnabled"]
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", BucketKeyEnabled=False)
    assert put["SSEKMSKeyId"].endswith(":alias/aws/s3") and put["SSEKMSKeyId"].startswith("arn:aws:kms:")
    assert "BucketKeyEnabled" not in put
    default_of(s3, bucket, "aws:kms", "no-such-key")
    assert error(s3.put_object, Bucket=bucket, Key="k", Body=b"x") == ("KMS.NotFoundException", 400)


ROOT = "<ServerSideEncryptionConfiguration>%s</ServerSideEncryptionConfiguration>"
BY_DEFAULT = "<ApplyServerSideEncryptionByDefault>%s</ApplyServerSideEncryptionByDefault>"
AES = "<Rule>" + BY_DEFAULT % "<SSEAlgorithm>AES256</SSEAlgorithm>" + "</Rule>"


@pytest.mark.parametrize("document, status, code", [
    ("", 400, "MissingRequestBodyError"), ("<x/>", 400, "MalformedXML"), (ROOT % "", 400, "MalformedXML"),
    (ROOT % (AES + AES), 400, "MalformedXML"), (ROOT % "<Rule></Rule>", 400, "MalformedXML"),
    (ROOT % ("<Rule>" + BY_DEFAULT % "<SSEAlgorithm>ROT13</SSEAlgorithm>" + "</Rule>"), 400, "MalformedXML"),
    (ROOT % ("<Rule>" + BY_DEFAULT % "" + "</Rule>"), 400, "MalformedXML"),
    (ROOT % ("<Rule>" + BY_DEFAULT % "<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>" + "</Rule>"), 501, "NotImplemented"),
    (ROOT % ("<Rule>" + BY_DEFAULT % "<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>" + "</Rule>"),
     400, "InvalidArgument"),
    (ROOT % "<Rule><BucketKeyEnabled>maybe</BucketKeyEnabled></Rule>", 400, "MalformedXML"),
    (ROOT % "<Rule><BlockedEncryptionTypes/></Rule>", 400, "MalformedXML"),
    (ROOT % "<Rule><BlockedEncryptionTypes><EncryptionType>SSE-X</EncryptionType></BlockedEncryptionTypes></Rule>",
     400, "MalformedXML"),
])
def test_documents_that_say_nothing_sound(cluster, bucket, document, status, code):
    md5 = base64.b64encode(hashlib.md5(document.encode()).digest()).decode()
    answer = Raw(cluster).request("PUT", f"/{bucket}", query=[("encryption", "")], headers={"Content-MD5": md5},
                                  body=document.encode())
    assert (answer.status, answer.code) == (status, code), answer
    answer = Raw(cluster).request("GET", f"/{bucket}", query=[("encryption", "")])
    assert answer.code == "ServerSideEncryptionConfigurationNotFoundError"


def test_a_bucket_may_refuse_customer_keys(cluster, s3, bucket):
    raw, key = Raw(cluster), Key()
    for kind, allowed in (("SSE-C", False), ("NONE", True)):
        document = (ROOT % f"<Rule><BlockedEncryptionTypes><EncryptionType>{kind}</EncryptionType>"
                    "</BlockedEncryptionTypes></Rule>").encode()
        md5 = base64.b64encode(hashlib.md5(document).digest()).decode()
        assert raw.request("PUT", f"/{bucket}", query=[("encryption", "")], headers={"Content-MD5": md5},
                           body=document).status == 200
        shown = raw.request("GET", f"/{bucket}", query=[("encryption", "")]).body
        assert f"<EncryptionType>{kind}</EncryptionType>".encode() in shown and b"ByDefault" not in shown
        if allowed:
            s3.put_object(Bucket=bucket, Key="k", Body=b"x", **key.args)
        else:
            assert error(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **key.args) == ("AccessDenied", 403)
        s3.put_object(Bucket=bucket, Key="plain", Body=b"x")


def test_a_policy_can_demand_encryption(cluster, s3, bucket):
    import json
    cluster.admin("user", "create", name := "u" + secrets.token_hex(4), "--access-key", name, "--secret-key", name * 2)
    other = cluster.boto3(name, name * 2)
    allow = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    deny = {**allow, "Effect": "Deny",
            "Condition": {"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "aws:kms"},
                          "Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "true"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]}))
    put = dict(Bucket=bucket, Key="k", Body=b"x")
    assert error(other.put_object, **put) == ("AccessDenied", 403)
    assert error(other.put_object, **put, ServerSideEncryption="AES256") == ("AccessDenied", 403)
    other.put_object(**put, ServerSideEncryption="aws:kms")
    other.put_object(**put, **Key().args)


# --- keys of the ring ---------------------------------------------------------------------------


def test_keys_are_made_rotated_and_disabled_while_objects_live(fresh_cluster):
    c = fresh_cluster
    s3 = c.boto3()
    s3.create_bucket(Bucket="sealed")
    put = dict(Bucket="sealed", ServerSideEncryption="aws:kms", SSEKMSKeyId="mine")
    assert error(s3.put_object, Key="k", Body=b"x", **put) == ("KMS.NotFoundException", 400)
    c.admin("kms", "key", "create", "mine")
    arn = "arn:aws:kms:us-east-1:111122223333:key/mine"
    context = base64.b64encode(b'{"b": "2", "a":"1"}').decode()
    first = s3.put_object(Key="old", Body=b"old", SSEKMSEncryptionContext=context, **{**put, "SSEKMSKeyId": arn})
    assert first["SSEKMSKeyId"] == arn and base64.b64decode(first["SSEKMSEncryptionContext"]) == b'{"a":"1","b":"2"}'
    s3.put_object(Bucket="sealed", Key="s3", Body=b"s3", ServerSideEncryption="AES256")
    c.admin("kms", "key", "rotate", "mine")
    c.admin("kms", "key", "rotate", "sse-s3")
    s3.put_object(Key="new", Body=b"new", **put)
    up = s3.create_multipart_upload(Key="m", **put)["UploadId"]
    c.restart()
    s3 = c.boto3()
    part = s3.upload_part(Bucket="sealed", Key="m", UploadId=up, PartNumber=1, Body=b"part")
    s3.complete_multipart_upload(Bucket="sealed", Key="m", UploadId=up,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    for key, data in (("old", b"old"), ("new", b"new"), ("s3", b"s3"), ("m", b"part")):
        assert body(s3.get_object(Bucket="sealed", Key=key)) == data
    s3.copy_object(Key="copy", CopySource="sealed/old", **put)  # by reference, wrapped by the new generation
    assert body(s3.get_object(Bucket="sealed", Key="copy")) == b"old"
    c.admin("kms", "key", "disable", "mine")
    assert error(s3.get_object, Bucket="sealed", Key="old") == ("KMS.DisabledException", 400)
    assert error(s3.put_object, Key="k", Body=b"x", **put) == ("KMS.DisabledException", 400)
    assert s3.head_object(Bucket="sealed", Key="old")["SSEKMSKeyId"] == arn
    c.admin("kms", "key", "enable", "mine")
    assert body(s3.get_object(Bucket="sealed", Key="old")) == b"old"
    listed = {k["name"]: k["generations"] for k in c.admin("kms", "key", "list")["kms_keys"]}
    assert listed == {"sse-s3": 2, "aws/s3": 1, "mine": 2}
    assert (c.data / "key-ring").stat().st_mode & 0o777 == 0o600


def test_a_ring_in_the_environment():
    key = base64.b64encode(os.urandom(32)).decode()
    c = Cluster(env={"S3GW_KEY_RING": f"sse-s3={key} aws/s3={key} mine={key},{key}"})
    try:
        c.start()
        s3 = c.boto3()
        s3.create_bucket(Bucket="sealed")
        s3.put_object(Bucket="sealed", Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="mine")
        c.restart()
        assert body(c.boto3().get_object(Bucket="sealed", Key="k")) == b"x"
        assert c.admin("kms", "key", "rotate", "mine", check=False)["code"] == "refused"
        assert not (c.data / "key-ring").exists()
        assert c.stop() == 0
    finally:
        c.remove()


def test_buckets_that_begin_as_aws_makes_them_encrypt(tmp_path):
    (tmp_path / "conf").write_text("bucket_defaults = aws\n")
    c = Cluster(args=["--config", str(tmp_path / "conf")])
    try:
        s3 = c.start().boto3()
        s3.create_bucket(Bucket="closed")
        assert s3.put_object(Bucket="closed", Key="k", Body=b"x")["ServerSideEncryption"] == "AES256"
        assert s3.get_bucket_encryption(Bucket="closed")["ServerSideEncryptionConfiguration"]["Rules"]
        # a file of settings says what it says: no customer keys without TLS
        assert error(s3.put_object, Bucket="closed", Key="k", Body=b"x", **Key().args) == ("InvalidRequest", 400)
        assert c.stop() == 0
    finally:
        c.remove()


def test_forms_encrypt_as_their_fields_say(cluster, s3, bucket):
    import json
    import datetime
    from rawhttp import request_bytes
    raw = Raw(cluster)
    key = Key()
    for fields, read, n in (({"x-amz-server-side-encryption": "AES256"}, {}, 100), (key.headers(), key.args, 100),
                            ({"x-amz-server-side-encryption": "aws:kms"}, {}, 262_140), (key.headers(), key.args, 900_000)):
        signer, data = raw.signer(), content(n)
        expires = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)).strftime(
            "%Y-%m-%dT%H:%M:%S.000Z")
        credential = f"{signer.access_key}/{signer.scope}"
        policy = base64.b64encode(json.dumps({"expiration": expires, "conditions": [
            {"bucket": bucket}, {"key": "k"}, ["starts-with", "$x-amz-", ""], {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
            {"x-amz-credential": credential}, {"x-amz-date": signer.stamp}, *({f: v} for f, v in fields.items())]}
        ).encode()).decode()
        import hmac
        signature = hmac.new(signer.key(), policy.encode(), hashlib.sha256).hexdigest()
        form = {"key": "k", "policy": policy, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": credential,
                "x-amz-date": signer.stamp, "x-amz-signature": signature, **fields}
        text = b"".join(f'--XX\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in form.items())
        text += b'--XX\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + data + b"\r\n--XX--\r\n"
        answer = raw.send(request_bytes("POST", f"/{bucket}", {
            "Host": raw.host, "Content-Type": "multipart/form-data; boundary=XX", "Content-Length": str(len(text))}, text))
        assert answer.status == 204, answer
        got = s3.get_object(Bucket=bucket, Key="k", **read)
        assert body(got) == data
        assert got.get("ServerSideEncryption") == fields.get("x-amz-server-side-encryption")
