# SPDX-License-Identifier: Apache-2.0
"""Quotas of buckets and users, rates of users."""
import concurrent.futures
import secrets

import pytest
from botocore.exceptions import ClientError

from test_access import code


@pytest.fixture
def user(cluster):
    """A user of the test's own: their id and client."""
    name = "u" + secrets.token_hex(4)
    key = cluster.admin("user", "create", name)["user"]["keys"][0]
    return name, cluster.boto3(key["access_key"], key["secret_key"])


def test_a_full_bucket_takes_no_more_until_something_goes(cluster, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"1" * 600)
    cluster.admin("limit", "set", "bucket", bucket, "--max-bytes", "1000")
    s3.put_object(Bucket=bucket, Key="b", Body=b"1" * 400)
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="c", Body=b"1")
    assert refused.value.response["Error"]["Code"] == "QuotaExceeded"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    source = {"Bucket": bucket, "Key": "a"}
    assert code(s3.copy_object, Bucket=bucket, Key="d", CopySource=source) == "QuotaExceeded"
    s3.get_object(Bucket=bucket, Key="a")["Body"].read()
    s3.delete_object(Bucket=bucket, Key="a")
    s3.put_object(Bucket=bucket, Key="c", Body=b"1" * 600)
    shown = cluster.admin("limit", "show", "bucket", bucket)["limits"]
    assert shown == {"objects": 2, "bytes": 1000, "max_bytes": 1000, "max_objects": 0}
    cluster.admin("limit", "set", "bucket", bucket, "--max-bytes", "0")
    s3.put_object(Bucket=bucket, Key="d", Body=b"1")


def test_parts_and_their_completion_are_measured(cluster, s3, bucket):
    part = b"1" * (5 << 20)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etags = [s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=n, Body=part)["ETag"]
             for n in (1, 2)]
    cluster.admin("limit", "set", "bucket", bucket, "--max-bytes", str(9 << 20))
    parts = {"Parts": [{"PartNumber": n + 1, "ETag": e} for n, e in enumerate(etags)]}
    arguments = dict(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert code(s3.complete_multipart_upload, **arguments) == "QuotaExceeded"
    cluster.admin("limit", "set", "bucket", bucket, "--max-bytes", str(10 << 20))
    s3.complete_multipart_upload(**arguments)
    assert code(s3.put_object, Bucket=bucket, Key="j", Body=b"1") == "QuotaExceeded"


def test_a_users_quota_spans_their_buckets(cluster, s3, user):
    name, client = user
    for bucket in (name + "-1", name + "-2"):
        client.create_bucket(Bucket=bucket)
    cluster.admin("limit", "set", "user", name, "--max-objects", "2")
    client.put_object(Bucket=name + "-1", Key="a", Body=b"")
    client.put_object(Bucket=name + "-2", Key="a", Body=b"")
    assert code(client.put_object, Bucket=name + "-2", Key="b", Body=b"") == "QuotaExceeded"
    assert code(s3.put_object, Bucket=name + "-1", Key="b", Body=b"") == "QuotaExceeded"  # root too: it is theirs
    client.delete_object(Bucket=name + "-1", Key="a")
    client.put_object(Bucket=name + "-2", Key="b", Body=b"")


def test_a_user_in_a_hurry_is_slowed_down(cluster, user):
    name, client = user
    client.create_bucket(Bucket=name)
    cluster.admin("limit", "set", "user", name, "--requests-per-second", "3")

    def ask(_):
        try:
            return client.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"]
        except ClientError as refused:
            assert refused.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
            return refused.response["ResponseMetadata"]["HTTPStatusCode"]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:  # side by side: in a hurry on a busy machine, too
        answers = set(pool.map(ask, range(200)))
    assert answers == {200, 503}
    cluster.admin("limit", "set", "user", name, "--requests-per-second", "0")
    client.head_bucket(Bucket=name)


def test_traffic_is_paid_for_afterwards(cluster, user):
    name, client = user
    client.create_bucket(Bucket=name)
    cluster.admin("limit", "set", "user", name, "--bytes-per-second", "100")
    client.put_object(Bucket=name, Key="k", Body=b"1" * 100_000)
    assert code(client.put_object, Bucket=name, Key="k", Body=b"1") == "SlowDown"


@pytest.mark.parametrize("words,message", [
    (("limit", "set", "user", "root", "--max-bytes", "1"), "root has no limits"),
    (("limit", "set", "bucket", "{bucket}"), "no limit is named"),
    (("limit", "set", "bucket", "{bucket}", "--max-bytes", "1G"), "whole number"),
    (("limit", "set", "bucket", "{bucket}", "--requests-per-second", "1"), "limit of users"),
    (("limit", "set", "group", "x", "--max-bytes", "1"), "user or a bucket"),
    (("limit", "show", "bucket", "no-such-bucket"), "no bucket"),
])
def test_mistakes_are_named(cluster, bucket, words, message):
    answer = cluster.admin(*(w.format(bucket=bucket) for w in words), check=False)
    assert answer["exit_status"] in (1, 2) and message in answer["error"]


def test_limits_survive_a_restart(fresh_cluster):
    fresh_cluster.boto3().create_bucket(Bucket="bucket")
    fresh_cluster.admin("user", "create", "ann")
    fresh_cluster.admin("limit", "set", "user", "ann", "--max-bytes", "5", "--requests-per-second", "7")
    fresh_cluster.admin("limit", "set", "bucket", "bucket", "--max-objects", "9")
    fresh_cluster.stop()
    fresh_cluster.start()
    shown = fresh_cluster.admin("limit", "show", "user", "ann")["limits"]
    assert (shown["max_bytes"], shown["requests_per_second"]) == (5, 7)
    assert fresh_cluster.admin("limit", "show", "bucket", "bucket")["limits"]["max_objects"] == 9
