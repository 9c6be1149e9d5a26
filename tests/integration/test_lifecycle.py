# SPDX-License-Identifier: Apache-2.0
"""Lifecycle rules with a day of one second: what goes, what stays, and that a restart goes on."""
import datetime
import re

import pytest
from cluster import a_whole_pass, running, wait_until
from test_objects import error

EVERYTHING = {"Prefix": ""}


@pytest.fixture(scope="module")
def cluster():
    with running("lifecycle_seconds_per_day = 1\n") as c:
        yield c


def rule(name="r", where=None, **actions):
    return {"ID": name, "Status": "Enabled", "Filter": where or EVERYTHING, **actions}


def set_rules(s3, bucket, *rules):
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)})


def keys(s3, bucket):
    return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def versions(s3, bucket):
    answer = s3.list_object_versions(Bucket=bucket)
    return answer.get("Versions", []), answer.get("DeleteMarkers", [])


def test_the_configuration(s3, bucket):
    assert error(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)
    rules = [rule("a", {"And": {"Prefix": "x/", "Tags": [{"Key": "k", "Value": "v"}]}}, Expiration={"Days": 30000}),
             {"ID": "b", "Status": "Disabled", "Filter": {"ObjectSizeLessThan": 10},
              "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 1}}]
    set_rules(s3, bucket, *rules)
    answer = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert answer["Rules"] == rules
    headers = answer["ResponseMetadata"]["HTTPHeaders"]  # Debian's boto3 does not know it by name
    assert headers["x-amz-transition-default-minimum-object-size"] == "all_storage_classes_128K"
    old = {"Rules": [{"ID": "o", "Prefix": "p/", "Status": "Enabled", "Expiration": {"Days": 30000}}]}
    s3.put_bucket_lifecycle(Bucket=bucket, LifecycleConfiguration=old)
    assert s3.get_bucket_lifecycle(Bucket=bucket)["Rules"] == old["Rules"]
    for move, e in (({"Days": 1, "StorageClass": "GLACIER"}, "InvalidStorageClass"),
                    ({"Days": 1, "StorageClass": "STANDARD_IA"}, "InvalidArgument"),
                    ({"Days": 1, "StorageClass": "STANDARD"}, "MalformedXML")):
        assert error(lambda move=move: set_rules(s3, bucket, rule(Transitions=[move]))) == (e, 400)
    assert error(lambda: set_rules(s3, bucket, rule(Expiration={"Days": 0}))) == ("InvalidArgument", 400)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == old["Rules"]
    s3.delete_bucket_lifecycle(Bucket=bucket)
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert error(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)


def test_headers_tell_when(s3, bucket):
    set_rules(s3, bucket, rule("a \"b\"", Expiration={"Days": 30000}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 30000}))
    now = datetime.datetime.now(datetime.timezone.utc)
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    got = s3.get_object(Bucket=bucket, Key="k")
    for answer in (put, got, s3.head_object(Bucket=bucket, Key="k"),
                   s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")):
        when = re.fullmatch(r'expiry-date="(.*) GMT", rule-id="a%20%22b%22"', answer["Expiration"])
        date = datetime.datetime.strptime(when.group(1), "%a, %d %b %Y %H:%M:%S").replace(tzinfo=datetime.timezone.utc)
        assert datetime.timedelta(seconds=29990) < date - now < datetime.timedelta(seconds=30100)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")
    assert upload["AbortRuleId"] == 'a "b"' and upload["AbortDate"] > now


def test_current_objects_go_by_prefix_tag_and_size(cluster, s3, bucket):
    def days(n):
        return {"Expiration": {"Days": n}}
    set_rules(s3, bucket, rule("p", {"Prefix": "p/"}, **days(1)), rule("later", {"Prefix": "later/"}, **days(30000)),
              rule("t", {"Tag": {"Key": "k", "Value": "v"}}, **days(1)),
              rule("s", {"ObjectSizeGreaterThan": 100_000}, **days(1)))
    for key, size, tags in (("p/1", 1, ""), ("p/2", 2, ""), ("later/1", 1, ""), ("tagged", 1, "k=v&x=y"), ("other", 1, "k=w"),
                            ("large", 300_000, ""), ("small", 1, "")):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size, Tagging=tags)
    wait_until("expiry", lambda: keys(s3, bucket) == ["later/1", "other", "small"])
    a_whole_pass(cluster)
    assert keys(s3, bucket) == ["later/1", "other", "small"]


def test_versions_and_markers(cluster, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for i in range(4):
        last = s3.put_object(Bucket=bucket, Key="many", Body=b"%d" % i)["VersionId"]
    s3.put_object(Bucket=bucket, Key="gone", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="gone")
    s3.put_object(Bucket=bucket, Key="tmp/1", Body=b"1")
    set_rules(s3, bucket, rule("a", {"Prefix": "tmp/"}, Expiration={"Days": 1}),
              rule("b", NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}))
    # the marker above tmp/1, its version kept as one of two; of "many" two noncurrent ones
    wait_until("versions", lambda: [v["Key"] for v in versions(s3, bucket)[0]].count("many") == 3)
    wait_until("a marker", lambda: [m["Key"] for m in versions(s3, bucket)[1]] == ["gone", "tmp/1"])
    assert error(s3.get_object, Bucket=bucket, Key="tmp/1") == ("NoSuchKey", 404)
    set_rules(s3, bucket, rule("a", Expiration={"ExpiredObjectDeleteMarker": True}),
              rule("b", NoncurrentVersionExpiration={"NoncurrentDays": 1}))
    wait_until("all but one gone", lambda: [v["VersionId"] for v in versions(s3, bucket)[0]] == [last])
    wait_until("no markers", lambda: not versions(s3, bucket)[1])
    assert s3.get_object(Bucket=bucket, Key="many")["Body"].read() == b"3"


def test_transitions_come_back_and_change_labels(cluster, s3, bucket):
    big = {"ObjectSizeGreaterThan": 0}
    rules = [rule("t", big, Transitions=[{"Days": 0, "StorageClass": "INTELLIGENT_TIERING"}, {"Days": 30000, "StorageClass": "GLACIER_IR"}],
                  NoncurrentVersionTransitions=[{"NoncurrentDays": 0, "StorageClass": "GLACIER_IR"}],
                  Expiration={"Days": 30001})]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    new = s3.put_object(Bucket=bucket, Key="k", Body=b"new", Tagging="a=b")
    before = s3.head_object(Bucket=bucket, Key="k")
    set_rules(s3, bucket, *rules)
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    wait_until("both to move", lambda: [v["StorageClass"] for v in versions(s3, bucket)[0]] == ["INTELLIGENT_TIERING", "GLACIER_IR"])
    after = s3.head_object(Bucket=bucket, Key="k")
    assert after["StorageClass"] == "INTELLIGENT_TIERING" and after["VersionId"] == new["VersionId"]
    assert (after["LastModified"], after["ETag"]) == (before["LastModified"], before["ETag"])
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=old["VersionId"])["Body"].read() == b"old"
    a_whole_pass(cluster)
    assert [v["StorageClass"] for v in versions(s3, bucket)[0]] == ["INTELLIGENT_TIERING", "GLACIER_IR"]


def test_locked_versions_stay(cluster, s3):
    name = "locked-by-law"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    kept = s3.put_object(Bucket=name, Key="k", Body=b"1", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    free = s3.put_object(Bucket=name, Key="k", Body=b"2")
    s3.put_object(Bucket=name, Key="k", Body=b"3")
    set_rules(s3, name, rule("b", NoncurrentVersionExpiration={"NoncurrentDays": 1}))
    wait_until("the free one to go",
               lambda: free["VersionId"] not in [v["VersionId"] for v in versions(s3, name)[0]])
    assert a_whole_pass(cluster)["locked"] >= 1
    assert s3.get_object(Bucket=name, Key="k", VersionId=kept["VersionId"])["Body"].read() == b"1"


def test_uploads_are_aborted(cluster, s3, bucket):
    a = s3.create_multipart_upload(Bucket=bucket, Key="a/1")
    s3.upload_part(Bucket=bucket, Key="a/1", UploadId=a["UploadId"], PartNumber=1, Body=b"x")
    s3.create_multipart_upload(Bucket=bucket, Key="b/1")
    set_rules(s3, bucket, rule("u", {"Prefix": "a/"}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}))
    wait_until("the abort", lambda: [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["b/1"])


def test_a_restart_remembers_the_last_pass(cluster, s3, bucket):
    set_rules(s3, bucket, rule(Expiration={"Days": 1}))
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    wait_until("expiry", lambda: keys(s3, bucket) == [])
    a_whole_pass(cluster)
    cluster.restart()
    assert cluster.admin("lifecycle")["lifecycle"]["last_pass"]["done"]["buckets"] >= 1
    s3 = cluster.boto3()
    s3.put_object(Bucket=bucket, Key="k2", Body=b"1")
    wait_until("expiry after the restart", lambda: keys(s3, bucket) == [])
