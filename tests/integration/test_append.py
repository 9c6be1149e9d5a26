# SPDX-License-Identifier: Apache-2.0
"""Objects that grow (x-amz-write-offset-bytes), and RenameObject. Debian's boto3 knows neither: bytes."""
import base64
import binascii
import hashlib
import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from ledger import payload
from rawhttp import Raw
from test_objects import error


class Appender(Raw):
    def __init__(self, cluster, bucket, **kw):
        super().__init__(cluster, **kw)
        self.bucket = bucket

    def append(self, key, offset, data, headers=None):
        return self.request("PUT", f"/{self.bucket}/{key}", body=data,
                            headers={"x-amz-write-offset-bytes": str(offset), **(headers or {})})

    def rename(self, source, key, headers=None):
        return self.request("PUT", f"/{self.bucket}/{key}", query=[("renameObject", "")],
                            headers={"x-amz-rename-source": source, **(headers or {})})


@pytest.fixture
def raw(cluster, bucket):
    return Appender(cluster, bucket)


def refused(r):
    return r.status, r.code


def chain(*pieces):
    """The ETag of an object that grew by these pieces."""
    md5 = hashlib.md5(pieces[0]).digest()
    for p in pieces[1:]:
        md5 = hashlib.md5(md5 + hashlib.md5(p).digest()).digest()
    return f'"{md5.hex()}-{len(pieces)}"'


def crc32(data):
    return base64.b64encode(binascii.crc32(data).to_bytes(4, "big")).decode()


# ---- append ----

@pytest.mark.parametrize("sizes", [(5, 7), (0, 9), (262_144, 1), (1, 262_145), (1_000_000, 3_000_001, 10, 500_000)])
def test_what_is_appended_is_read_behind_what_was_there(s3, raw, bucket, sizes):
    pieces = [payload("a", i, n)[:n] for i, n in enumerate(sizes)]
    whole = b""
    for i, p in enumerate(pieces):
        r = raw.append("k", len(whole), p)
        assert r.status == 200 and r.body == b"", r
        whole += p
        assert r.headers["x-amz-object-size"] == str(len(whole))
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == whole and got["ETag"] == r.headers["etag"]
    assert got["ETag"] == chain(*(p for p in pieces if p)) or sizes == (0, 9) and got["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    middle = len(pieces[0])
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={max(middle - 2, 0)}-{middle + 2}")["Body"].read() == \
        whole[max(middle - 2, 0):middle + 3]
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == len(whole)


def test_parts_can_be_read_one_by_one(s3, raw, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"one")
    raw.append("k", 3, b"two")
    raw.append("k", 6, b"three")
    for n, want in enumerate((b"one", b"two", b"three"), 1):
        got = s3.get_object(Bucket=bucket, Key="k", PartNumber=n)
        assert got["Body"].read() == want and got["PartsCount"] == 3
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] == chain(b"one", b"two", b"three")


def test_wrong_offsets(s3, raw, bucket):
    assert refused(raw.append("k", 1, b"x")) == (400, "InvalidWriteOffset")
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    for offset in (0, 4, 6, 1 << 62):
        r = raw.append("k", offset, b"x")
        assert refused(r) == (400, "InvalidWriteOffset") and b"<ObjectSize>5</ObjectSize>" in r.body, r
    for offset in ("", "-1", "five", "99999999999999999999"):
        assert refused(raw.append("k", offset, b"x")) == (400, "InvalidArgument"), offset
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"12345"
    r = raw.append("k", 5, b"")  # nothing to append, and nothing changes
    assert r.status == 200 and r.headers["x-amz-object-size"] == "5"
    assert r.headers["etag"] == f'"{hashlib.md5(b"12345").hexdigest()}"'


def test_metadata_stays_and_other_is_refused(s3, raw, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ContentType="text/x", Metadata={"a": "b"}, Tagging="t=u",
                  StorageClass="STANDARD_IA", CacheControl="no-cache")
    for headers in ({"x-amz-meta-a": "c"}, {"x-amz-tagging": "t=v"}, {"x-amz-acl": "public-read"},
                    {"x-amz-storage-class": "STANDARD"}, {"Cache-Control": "x"}, {"Expires": "x"},
                    {"x-amz-website-redirect-location": "/x"}):
        assert refused(raw.append("k", 1, b"2", headers)) == (400, "InvalidRequest"), headers
    r = raw.append("k", 1, b"2", {"Content-Type": "application/octet-stream", "x-amz-storage-class": "STANDARD_IA"})
    assert r.status == 200, r
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"12" and got["ContentType"] == "text/x" and got["Metadata"] == {"a": "b"}
    assert got["StorageClass"] == "STANDARD_IA" and got["CacheControl"] == "no-cache" and got["TagCount"] == 1
    # an append that creates takes them
    assert raw.append("new", 0, b"1", {"x-amz-meta-a": "c", "Content-Type": "text/y"}).status == 200
    assert s3.head_object(Bucket=bucket, Key="new")["Metadata"] == {"a": "c"}


def test_checksums_grow_along(s3, raw, bucket):
    a, b = b"hello ", b"world"
    raw.append("crc", 0, a, {"x-amz-checksum-crc32": crc32(a)})
    r = raw.append("crc", 6, b, {"x-amz-checksum-crc32": crc32(b)})
    assert r.headers["x-amz-checksum-crc32"] == crc32(a + b) and r.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    r = raw.append("crc", 11, b"!")  # none sent: computed
    assert r.headers["x-amz-checksum-crc32"] == crc32(a + b + b"!")
    assert refused(raw.append("crc", 12, b, {"x-amz-checksum-crc32": crc32(a)})) == (400, "BadDigest")
    sha = base64.b64encode(hashlib.sha256(b).digest()).decode()
    assert refused(raw.append("crc", 12, b, {"x-amz-checksum-sha256": sha})) == (400, "InvalidRequest")
    md5 = base64.b64encode(hashlib.md5(a).digest()).decode()
    assert refused(raw.append("crc", 12, b, {"Content-MD5": md5})) == (400, "BadDigest")
    assert s3.get_object(Bucket=bucket, Key="crc")["Body"].read() == a + b + b"!"
    # beside CRC64NVME, which objects without a wish have, any may be sent
    raw.append("nvme", 0, a)
    whole = raw.append("whole", 0, a + b).headers["x-amz-checksum-crc64nvme"]
    assert raw.append("nvme", 6, b, {"x-amz-checksum-sha256": sha}).headers["x-amz-checksum-crc64nvme"] == whole
    # others become a digest of digests
    one = hashlib.sha256(a).digest()
    raw.append("sha", 0, a, {"x-amz-checksum-sha256": base64.b64encode(one).decode()})
    r = raw.append("sha", 6, b, {"x-amz-checksum-sha256": sha})
    want = base64.b64encode(hashlib.sha256(one + hashlib.sha256(b).digest()).digest()).decode()
    assert r.headers["x-amz-checksum-sha256"] == want + "-2" and r.headers["x-amz-checksum-type"] == "COMPOSITE"


def test_conditions_are_judged(s3, raw, bucket):
    etag = raw.append("k", 0, b"1", {"If-None-Match": "*"}).headers["etag"]
    assert refused(raw.append("k", 1, b"2", {"If-None-Match": "*"})) == (412, "PreconditionFailed")
    assert refused(raw.append("k", 1, b"2", {"If-Match": '"x"'})) == (412, "PreconditionFailed")
    assert raw.append("k", 1, b"2", {"If-Match": etag}).status == 200
    assert refused(raw.append("new", 0, b"2", {"If-Match": etag})) == (404, "NoSuchKey")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"12"


def test_of_racing_appends_one_wins_each_offset(cluster, s3, raw, bucket):
    def writer(name):
        mine, at, lost = [], 0, 0
        while at < 200:
            r = raw.append("log", at, name)
            if r.status == 200:
                mine.append(at)
                at += 1
            else:
                assert refused(r) == (400, "InvalidWriteOffset"), r
                at = int(re.search(rb"<ObjectSize>(\d+)<", r.body).group(1))
                lost += 1
        return name, mine, lost

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(writer, [b"a", b"b", b"c", b"d"]))
    data = s3.get_object(Bucket=bucket, Key="log")["Body"].read()
    offsets = sorted(at for _, mine, _ in results for at in mine)
    assert offsets == list(range(len(data)))
    for name, mine, _ in results:
        assert all(data[at:at + 1] == name for at in mine)


def test_multipart_objects_and_copies_grow_too(s3, raw, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    parts = []
    for n, size in ((1, 5 << 20), (7, 100)):
        e = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=n, Body=b"x" * size)["ETag"]
        parts.append({"PartNumber": n, "ETag": e})
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    size = (5 << 20) + 100
    r = raw.append("m", size, b"tail")
    assert r.status == 200 and r.headers["etag"].endswith('-3"'), r
    assert s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={size - 1}-")["Body"].read() == b"xtail"
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/m")
    assert raw.append("copy", size + 4, b"!").status == 200
    s3.delete_object(Bucket=bucket, Key="m")
    assert s3.get_object(Bucket=bucket, Key="copy", Range=f"bytes={size}-")["Body"].read() == b"tail!"


def test_where_nothing_can_be_appended(cluster, s3, raw, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    key = cluster.admin("user", "create", "app" + secrets.token_hex(3))["user"]["keys"][0]
    other = Appender(cluster, bucket, access_key=key["access_key"], secret_key=key["secret_key"])
    assert refused(other.append("k", 1, b"2")) == (403, "AccessDenied")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert refused(raw.append("k", 1, b"2")) == (501, "NotImplemented")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert refused(raw.append("k", 1, b"2")) == (501, "NotImplemented")


def test_an_append_is_encrypted_as_the_object_is(s3, raw, bucket):
    """What grows encrypted: test_encryption_changes.py."""
    s3.put_object(Bucket=bucket, Key="e", Body=b"1", ServerSideEncryption="AES256")
    s3.put_object(Bucket=bucket, Key="p", Body=b"1")
    sse = {"x-amz-server-side-encryption": "AES256"}
    assert refused(raw.append("p", 1, b"2", sse)) == (400, "EncryptionTypeMismatch")
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]})
    r = raw.append("p", 1, b"2" * 300_000)  # the object is plain, and so is all of it
    assert r.status == 200 and "x-amz-server-side-encryption" not in r.headers
    assert s3.get_object(Bucket=bucket, Key="p")["Body"].read() == b"1" + b"2" * 300_000
    assert raw.rename("e", "f").status == 200
    got = s3.get_object(Bucket=bucket, Key="f")
    assert got["Body"].read() == b"1" and got["ServerSideEncryption"] == "AES256"


# ---- rename ----

def test_a_renamed_object_is_the_same(s3, raw, bucket):
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"data" * 100_000, ContentType="text/x", Metadata={"m": "1"}, Tagging="t=1")
    before = s3.head_object(Bucket=bucket, Key="a/b")
    r = raw.rename(f"/{bucket}/a/b", "c/d")
    assert r.status == 200 and r.body == b"", r
    assert error(s3.get_object, Bucket=bucket, Key="a/b") == ("NoSuchKey", 404)
    after = s3.get_object(Bucket=bucket, Key="c/d")
    assert after["Body"].read() == b"data" * 100_000
    for name in ("ETag", "LastModified", "ContentType", "Metadata", "ContentLength"):
        assert after[name] == before[name], name
    assert s3.get_object_tagging(Bucket=bucket, Key="c/d")["TagSet"] == [{"Key": "t", "Value": "1"}]
    for form in (f"{bucket}/c/d", "c/e"):  # with the bucket but no slash; the key alone
        assert raw.rename(form, "c/e" if form != "c/e" else "c/f").status == 200
    s3.put_object(Bucket=bucket, Key="ä +%", Body=b"x")
    assert raw.rename(f"/{bucket}/%C3%A4%20%2B%25", "c/f").status == 200  # over what is there
    assert s3.get_object(Bucket=bucket, Key="c/f")["Body"].read() == b"x"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c/f"]


def test_renames_that_are_refused(cluster, s3, raw, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.put_object(Bucket=bucket, Key="folder/", Body=b"")
    for source, key, want in [("nothing", "x", (404, "NoSuchKey")), (f"/{bucket}/k", "k", (400, "InvalidRequest")),
                              (f"/{bucket}/folder/", "x", (400, "InvalidRequest")), ("k", "x/", (400, "InvalidRequest")),
                              ("/other-bucket/k", "x", (400, "InvalidArgument")), ("", "x", (400, "InvalidArgument")),
                              ("%zz", "x", (400, "InvalidArgument")), (f"/{bucket}/", "x", (400, "InvalidArgument")),
                              ("k" * 1025, "x", (400, "InvalidArgument"))]:
        assert refused(raw.rename(source, key)) == want, (source, key)
    r = raw.request("PUT", f"/{bucket}/x", query=[("renameObject", "")])
    assert refused(r) == (400, "InvalidArgument")
    key = cluster.admin("user", "create", "ren" + secrets.token_hex(3))["user"]["keys"][0]
    other = Appender(cluster, bucket, access_key=key["access_key"], secret_key=key["secret_key"])
    assert refused(other.rename("k", "x")) == (403, "AccessDenied")
    allow = [{"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": allow}))
    assert refused(other.rename("k", "x")) == (403, "AccessDenied")  # may write, but neither read nor delete
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert refused(raw.rename("k", "x")) == (501, "NotImplemented")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_conditions_of_renames(s3, raw, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    other = s3.put_object(Bucket=bucket, Key="there", Body=b"2")["ETag"]
    long_ago = "Sat, 01 Jan 2000 00:00:00 GMT"
    for headers in ({"If-None-Match": "*"}, {"If-Match": etag}, {"x-amz-rename-source-if-match": other},
                    {"x-amz-rename-source-if-none-match": etag}, {"x-amz-rename-source-if-none-match": "*"},
                    {"x-amz-rename-source-if-unmodified-since": long_ago}):
        assert refused(raw.rename("k", "there", headers)) == (412, "PreconditionFailed"), headers
    assert refused(raw.rename("k", "new", {"If-Match": etag})) == (404, "NoSuchKey")
    assert raw.rename("k", "there", {"If-Match": other, "x-amz-rename-source-if-match": etag,
                                     "x-amz-rename-source-if-modified-since": long_ago}).status == 200
    assert raw.rename("there", "new", {"If-None-Match": "*"}).status == 200


def test_client_tokens_make_a_rename_repeatable(s3, raw, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    token = {"x-amz-client-token": "token-1"}
    assert raw.rename("a", "b", token).status == 200
    assert raw.rename("a", "b", token).status == 200  # although "a" has gone
    s3.put_object(Bucket=bucket, Key="a", Body=b"2")
    assert raw.rename("a", "b", token).status == 200
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"1"  # it was the same request
    assert refused(raw.rename("c", "b", token)) == (400, "IdempotencyParameterMismatch")
    assert refused(raw.rename("gone", "b", {"x-amz-client-token": "token-2"})) == (404, "NoSuchKey")
    for bad in ("", "x" * 65, "a b"):
        assert refused(raw.rename("a", "b", {"x-amz-client-token": bad})) == (400, "InvalidArgument"), bad
    assert raw.rename("a", "b", {"x-amz-client-token": "x" * 64}).status == 200
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"2"


def test_one_of_racing_renames_wins(s3, raw, bucket):
    for i in range(10):
        s3.put_object(Bucket=bucket, Key="src", Body=b"%d" % i)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda n: raw.rename("src", f"to{n}").status, range(4)))
        assert sorted(results) == [200, 404, 404, 404]
        winner = results.index(200)
        assert s3.get_object(Bucket=bucket, Key=f"to{winner}")["Body"].read() == b"%d" % i
    assert "src" not in [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]


# ---- both, in a new index ----

def test_a_rebuilt_index_knows_what_grew_and_moved(fresh_cluster):
    s3 = fresh_cluster.boto3()
    s3.create_bucket(Bucket="grown")
    raw = Appender(fresh_cluster, "grown")
    pieces = [payload("p", i, n)[:n] for i, n in enumerate((10, 400_000, 7, 1, 300_000))]
    at = 0
    for p in pieces:
        assert raw.append("log", at, p).status == 200
        at += len(p)
    assert raw.append("other", 0, b"first").status == 200
    assert raw.append("other", 5, b"second").status == 200
    assert raw.rename("other", "moved").status == 200
    assert raw.append("moved", 11, b"third").status == 200
    before = {k: s3.head_object(Bucket="grown", Key=k)["ETag"] for k in ("log", "moved")}
    assert fresh_cluster.stop() == 0
    fresh_cluster.args = [*fresh_cluster.args, "--rebuild-index"]
    fresh_cluster.start()
    s3 = fresh_cluster.boto3()
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="grown")["Contents"]] == ["log", "moved"]
    assert s3.get_object(Bucket="grown", Key="log")["Body"].read() == b"".join(pieces)
    assert s3.get_object(Bucket="grown", Key="moved")["Body"].read() == b"firstsecondthird"
    assert {k: s3.head_object(Bucket="grown", Key=k)["ETag"] for k in before} == before
    assert Appender(fresh_cluster, "grown").append("log", at, b"more").status == 200
