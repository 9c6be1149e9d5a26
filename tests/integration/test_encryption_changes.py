# SPDX-License-Identifier: Apache-2.0
"""Encrypted objects that change where they are: appending, and another key (UpdateObjectEncryption)."""
import base64
import hashlib
import secrets

from cluster import plain_files_below
from rawhttp import Raw
from sealing import SEALED, Key, append, body, content, new_files, written_as


# --- appending --------------------------------------------------------------------------------


def begin(s3, bucket, key, how, data, args, part_args):
    """An object of that content: nothing yet, empty, in one piece, or of parts."""
    if how == "parts":
        up = s3.create_multipart_upload(Bucket=bucket, Key=key, **args)["UploadId"]
        etag = s3.upload_part(Bucket=bucket, Key=key, UploadId=up, PartNumber=7, Body=data, **part_args)["ETag"]
        s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=up,
                                     MultipartUpload={"Parts": [{"PartNumber": 7, "ETag": etag}]})
    elif how != "new":
        s3.put_object(Bucket=bucket, Key=key, Body=data, **args)


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
