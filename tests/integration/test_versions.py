# SPDX-License-Identifier: Apache-2.0
"""Versions, object lock, ACLs and policies with real clients: what unit tests with a fake storage cannot show."""
import datetime
import json
import urllib.request

import pytest
from test_objects import error


@pytest.fixture
def versioned(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def get(s3, **kw):
    return s3.get_object(**kw)["Body"].read()


def test_versions_keep_their_bytes(s3, versioned):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=b"%d" % i)["VersionId"] for i in range(3)]
    big = bytes(range(256)) * 40_000
    ids.append(s3.put_object(Bucket=versioned, Key="k", Body=big)["VersionId"])
    assert len(set(ids)) == 4
    assert get(s3, Bucket=versioned, Key="k") == big
    for i in range(3):
        assert get(s3, Bucket=versioned, Key="k", VersionId=ids[i]) == b"%d" % i
    listed = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [v["VersionId"] for v in listed] == ids[::-1]
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert marker["DeleteMarker"] and error(s3.get_object, Bucket=versioned, Key="k") == ("NoSuchKey", 404)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=marker["VersionId"])
    assert get(s3, Bucket=versioned, Key="k") == big
    s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[3])
    assert get(s3, Bucket=versioned, Key="k") == b"2"
    left = [{"Key": "k", "VersionId": i} for i in ids[:3]]
    assert len(s3.delete_objects(Bucket=versioned, Delete={"Objects": left})["Deleted"]) == 3
    assert "Versions" not in s3.list_object_versions(Bucket=versioned)


def test_who_cleans_up_deletes_page_by_page(s3, versioned):
    """The version that a page ended with, be it the null one, is gone when the next one is asked for."""
    def put():
        s3.put_object(Bucket=versioned, Key="k", Body=b"x")

    for status in ("Enabled", "Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": status})
        put()
    listed = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [v["VersionId"] == "null" for v in listed] == [False, True, False]
    s3.put_object(Bucket=versioned, Key="l", Body=b"x")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 2}):
        gone = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in page["Versions"]]
        assert len(s3.delete_objects(Bucket=versioned, Delete={"Objects": gone})["Deleted"]) == 2
    s3.delete_bucket(Bucket=versioned)


def test_what_lies_under_a_delete_marker_cannot_be_changed(s3):
    bucket = "under-a-marker"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    here = dict(Bucket=bucket, Key="k")
    s3.put_object(**here, Body=b"x")
    marker = s3.delete_object(**here)["VersionId"]
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    lock = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.datetime.now() + datetime.timedelta(days=1)}
    for named in ({}, {"VersionId": marker}):
        for call, more in ((s3.put_object_tagging, {"Tagging": tags}), (s3.delete_object_tagging, {}), (s3.get_object_tagging, {}),
                           (s3.put_object_retention, {"Retention": lock}), (s3.put_object_acl, {"ACL": "private"}),
                           (s3.put_object_legal_hold, {"LegalHold": {"Status": "ON"}})):
            with pytest.raises(s3.exceptions.ClientError) as refused:
                call(**here, **named, **more)
            answer = refused.value.response
            assert (answer["Error"]["Code"], answer["Error"]["ResourceType"]) == ("MethodNotAllowed", "DeleteMarker"), call
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            assert (headers["allow"], headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("DELETE", "true", marker)
    for call in (s3.get_object, s3.get_object_acl, s3.get_object_retention, s3.get_object_legal_hold):
        assert error(call, **here) == ("NoSuchKey", 404)
    assert error(s3.put_object_tagging, Bucket=bucket, Key="never", Tagging=tags) == ("NoSuchKey", 404)


def test_multipart_and_copies_make_versions(s3, versioned):
    first = s3.put_object(Bucket=versioned, Key="m", Body=b"first")["VersionId"]
    upload = s3.create_multipart_upload(Bucket=versioned, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=versioned, Key="m", UploadId=upload, PartNumber=1, Body=b"second")
    done = s3.complete_multipart_upload(Bucket=versioned, Key="m", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert done["VersionId"] != first
    back = s3.copy_object(Bucket=versioned, Key="m", CopySource={"Bucket": versioned, "Key": "m", "VersionId": first})
    assert back["CopySourceVersionId"] == first and back["VersionId"] not in (first, done["VersionId"])
    assert get(s3, Bucket=versioned, Key="m") == b"first"
    s3.put_bucket_versioning(Bucket=versioned, VersioningConfiguration={"Status": "Suspended"})
    assert "VersionId" not in s3.put_object(Bucket=versioned, Key="m", Body=b"null")
    assert s3.head_object(Bucket=versioned, Key="m")["VersionId"] == "null"
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 4


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_put_with_retention_is_kept(s3, size):
    name = f"locked-{size}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    put = s3.put_object(Bucket=name, Key="k", Body=b"x" * size, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    head = s3.head_object(Bucket=name, Key="k")
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert abs(head["ObjectLockRetainUntilDate"] - until) < datetime.timedelta(seconds=1)
    one = {"Bucket": name, "Key": "k", "VersionId": put["VersionId"]}
    assert error(s3.delete_object, **one) == ("AccessDenied", 403)
    s3.put_object_retention(**one, BypassGovernanceRetention=True, Retention={})
    assert error(s3.get_object_retention, **one) == ("NoSuchObjectLockConfiguration", 404)
    s3.put_object_legal_hold(**one, LegalHold={"Status": "ON"})
    assert error(s3.delete_object, **one) == ("AccessDenied", 403)
    s3.put_object_legal_hold(**one, LegalHold={"Status": "OFF"})
    s3.delete_object(**one)
    s3.delete_bucket(Bucket=name)


def status(cluster, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{cluster.port}/{path}") as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, b""


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_public_object_is_read_by_anybody(cluster, s3, bucket, size):
    s3.put_object(Bucket=bucket, Key="open", Body=b"o" * size, ACL="public-read")
    s3.put_object(Bucket=bucket, Key="shut", Body=b"s")
    assert status(cluster, f"{bucket}/open") == (200, b"o" * size)
    assert status(cluster, f"{bucket}/shut")[0] == 403
    assert status(cluster, bucket)[0] == 403
    assert len(s3.get_object_acl(Bucket=bucket, Key="open")["Grants"]) == 2


def test_a_policy_opens_a_prefix(cluster, s3, bucket):
    s3.put_object(Bucket=bucket, Key="pub/k", Body=b"p")
    s3.put_object(Bucket=bucket, Key="k", Body=b"k")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/pub/*"}]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    assert status(cluster, f"{bucket}/pub/k") == (200, b"p")
    assert status(cluster, f"{bucket}/k")[0] == 403
    s3.delete_bucket_policy(Bucket=bucket)
    assert status(cluster, f"{bucket}/pub/k")[0] == 403


def test_versions_survive_a_restart(fresh_cluster):
    s3 = fresh_cluster.boto3()
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket="versioned", Key="k", Body=b"%d" % i)["VersionId"] for i in range(2)]
    fresh_cluster.restart()
    again = fresh_cluster.boto3()
    assert get(again, Bucket="versioned", Key="k", VersionId=ids[0]) == b"0"
    assert get(again, Bucket="versioned", Key="k") == b"1"


def test_mfa_delete_is_shown_as_it_was_set(s3, bucket):
    def shown():
        return {k: v for k, v in s3.get_bucket_versioning(Bucket=bucket).items() if k != "ResponseMetadata"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert shown() == {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled", "MFADelete": "Disabled"})
    assert shown() == {"Status": "Enabled", "MFADelete": "Disabled"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert shown() == {"Status": "Suspended", "MFADelete": "Disabled"}
