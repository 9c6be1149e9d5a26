# SPDX-License-Identifier: Apache-2.0
"""Copies and renames of encrypted objects, between every pair of kinds."""
import hashlib

import pytest
from cluster import plain_files_below
from rawhttp import Raw
from sealing import KINDS, Key, body, content, new_files, written_as
from test_objects import error


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
