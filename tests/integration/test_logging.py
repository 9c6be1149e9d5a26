# SPDX-License-Identifier: Apache-2.0
"""Server access logs: the configuration, who may deliver, the records, and that the end delivers them."""
import collections
import json
import re
import secrets

import pytest
from botocore.exceptions import ClientError
from cluster import Cluster, running, wait_until
from rawhttp import Signer
from test_objects import error

LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
FIELDS = re.compile(
    r'(?P<owner>\S+) (?P<bucket>\S+) \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] (?P<ip>\S+) (?P<requester>\S+) '
    r'(?P<request_id>\S+) (?P<operation>\S+) (?P<key>\S+) "(?P<line>[^"]*)" (?P<status>\d+) (?P<error>\S+) '
    r'(?P<sent>\d+|-) (?P<size>\d+|-) (?P<total>\d+) (?P<turn>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" '
    r'(?P<version>\S+) (?P<host_id>\S+) (?P<signature>\S+) (?P<cipher>\S+) (?P<auth>\S+) (?P<host>\S+) (?P<tls>\S+) '
    r'(?P<arn>\S+) (?P<acl>\S+)')


@pytest.fixture(scope="module")
def cluster():
    with running("logging_interval = 1s\n") as c:
        yield c


@pytest.fixture
def target(s3):
    """A bucket that the log-delivery group may write."""
    name = "t" + secrets.token_hex(6)
    s3.create_bucket(Bucket=name)
    s3.put_bucket_acl(Bucket=name, GrantWrite=f"uri={LOG_DELIVERY}", GrantReadACP=f"uri={LOG_DELIVERY}")
    return name


def enable(s3, bucket, target, prefix="", **more):
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={
        "LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix, **more}})


def records(s3, target, prefix=""):
    out = []
    for o in s3.list_objects_v2(Bucket=target, Prefix=prefix).get("Contents", []):
        for line in s3.get_object(Bucket=target, Key=o["Key"])["Body"].read().decode().splitlines():
            match = FIELDS.fullmatch(line)
            assert match, line
            out.append(match.groupdict())
    return out


def wait_for(s3, target, found, prefix=""):
    return wait_until("log records", lambda: [r for r in records(s3, target, prefix) if found(r)])


def test_the_configuration(s3, bucket, target):
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    grants = [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}]
    enable(s3, bucket, target, "logs/", TargetGrants=grants)
    got = s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
    assert (got["TargetBucket"], got["TargetPrefix"], got["TargetGrants"]) == (target, "logs/", grants)
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_targets_that_will_not_do(cluster, s3, bucket, target):
    bad = ("InvalidTargetBucketForLogging", 400)
    assert error(lambda: enable(s3, bucket, "no-such-bucket")) == bad
    plain = bucket + "-plain"
    s3.create_bucket(Bucket=plain)
    assert error(lambda: enable(s3, bucket, plain)) == bad  # nobody may deliver there
    key = cluster.admin("user", "create", "lena")["user"]["keys"][0]
    theirs = cluster.boto3(key["access_key"], key["secret_key"])
    theirs.create_bucket(Bucket=bucket + "-other")
    assert error(lambda: enable(theirs, bucket + "-other", target)) == bad  # another owner
    assert error(lambda: enable(theirs, bucket, target))[0] == "AccessDenied"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


@pytest.mark.parametrize("document", [
    "<LoggingEnabled><TargetBucket>t</TargetBucket></LoggingEnabled>",
    "<LoggingEnabled><TargetPrefix>t</TargetPrefix></LoggingEnabled>",
    "<LoggingEnabled><TargetBucket>T</TargetBucket><TargetPrefix/><Extra/></LoggingEnabled>",
    "<LoggingEnabled><TargetBucket>T</TargetBucket><TargetPrefix/><TargetObjectKeyFormat/></LoggingEnabled>",
    "<LoggingEnabled><TargetBucket>T</TargetBucket><TargetPrefix/><TargetObjectKeyFormat><PartitionedPrefix>"
    "<PartitionDateSource>Noon</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat></LoggingEnabled>",
    "<Other/>"])
def test_documents_that_mean_nothing(cluster, s3, bucket, target, document):
    body = f"<BucketLoggingStatus>{document.replace('>T<', f'>{target}<')}</BucketLoggingStatus>".encode()
    assert raw(cluster, "PUT", f"/{bucket}", [("logging", "")], body) == (400, "MalformedXML")


def raw(cluster, method, path, query=(), body=b"", headers=None):
    import hashlib
    import urllib.parse
    host = f"127.0.0.1:{cluster.port}"
    signed = Signer(cluster.access_key, cluster.secret_key).headers(
        method, path, query, {"host": host, **(headers or {})}, hashlib.sha256(body).hexdigest())
    c = cluster.http()
    c.request(method, path + ("?" + urllib.parse.urlencode(query) if query else ""), body, signed)
    answer = c.getresponse()
    text = answer.read().decode(errors="replace")
    code = re.search("<Code>(.*?)</Code>", text)
    return answer.status, code and code.group(1)


def test_every_request_becomes_a_record(cluster, s3, bucket, target):
    enable(s3, bucket, target, "p/")
    s3.put_object(Bucket=bucket, Key="a b/ü.txt", Body=b"12345")
    s3.get_object(Bucket=bucket, Key="a b/ü.txt", Range="bytes=0-1")["Body"].read()
    with pytest.raises(ClientError):
        s3.get_object(Bucket=bucket, Key="missing")
    s3.get_bucket_versioning(Bucket=bucket)
    s3.list_objects_v2(Bucket=bucket)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/a b/ü.txt")
    s3.delete_object(Bucket=bucket, Key="copy")
    assert raw(cluster, "GET", f"/{bucket}", [("policyStatus", "")],
               headers={"referer": 'http://x/"y', "user-agent": "an agent\twith tab"})[0] == 404
    path = Signer(cluster.access_key, cluster.secret_key).presign("GET", f"127.0.0.1:{cluster.port}", f"/{bucket}/a b/ü.txt")
    c = cluster.http()
    c.request("GET", path)
    assert c.getresponse().read() == b"12345"
    # One connection's records may be delivered before another's that was answered earlier.
    asked = {"REST.PUT.OBJECT": 1, "REST.GET.OBJECT": 3, "REST.GET.VERSIONING": 1, "REST.GET.BUCKET": 1, "REST.COPY.OBJECT": 1,
             "REST.DELETE.OBJECT": 1, "REST.GET.POLICY_STATUS": 1}

    def all_there():
        found = records(s3, target, "p/")
        counts = collections.Counter(r["operation"] for r in found)
        return found if all(counts[operation] >= n for operation, n in asked.items()) else None
    all_records = wait_until("all records", all_there)
    seen = {r["operation"]: r for r in all_records}
    put = seen["REST.PUT.OBJECT"]
    assert (put["bucket"], put["key"], put["status"], put["error"], put["size"]) == \
        (bucket, "a%20b/%C3%BC.txt", "200", "-", "5")
    assert put["requester"] == put["owner"] == "root" and put["ip"] == "127.0.0.1" and put["signature"] == "SigV4"
    assert put["line"] == f"PUT /{bucket}/a%20b/%C3%BC.txt HTTP/1.1" and put["host"] == f"127.0.0.1:{cluster.port}"
    gets = [r for r in all_records if r["operation"] == "REST.GET.OBJECT"]
    part, missing, presigned = sorted(gets, key=lambda r: (r["auth"] == "QueryString", r["key"] == "missing"))
    assert (part["status"], part["sent"], part["size"]) == ("206", "2", "5")
    assert (missing["status"], missing["error"], missing["key"]) == ("404", "NoSuchKey", "missing")
    assert presigned["auth"] == "QueryString" and "X-Amz-Signature=REDACTED" in presigned["line"]
    for operation in ("REST.GET.VERSIONING", "REST.GET.BUCKET", "REST.COPY.OBJECT", "REST.DELETE.OBJECT"):
        assert seen[operation]["status"] in ("200", "204")
    status = seen["REST.GET.POLICY_STATUS"]
    assert status["referer"] == "http://x/%22y" and status["agent"] == "an agent%09with tab"
    assert status["error"] == "NoSuchBucketPolicy"


def test_a_policy_permits_and_its_conditions_hold(cluster, s3, bucket):
    target = bucket + "-target"
    s3.create_bucket(Bucket=target)
    s3.put_bucket_ownership_controls(Bucket=target, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})

    def policy(arn):
        s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{target}/in/*",
            "Condition": {"ArnLike": {"aws:SourceArn": arn}, "StringEquals": {"aws:SourceAccount": "root"}}},
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{target}/public/*"}]}))
    # which shuts out others, not services
    s3.put_public_access_block(Bucket=target, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    bad = ("InvalidTargetBucketForLogging", 400)
    policy("arn:aws:s3:::another")
    assert error(lambda: enable(s3, bucket, target, "in/")) == bad
    policy(f"arn:aws:s3:::{bucket}")
    assert error(lambda: enable(s3, bucket, target, "out/")) == bad
    enable(s3, bucket, target, "in/")
    s3.head_bucket(Bucket=bucket)
    wait_for(s3, target, lambda r: r["operation"] == "REST.HEAD.BUCKET", "in/")
    # taken away: what gathers from now on is dropped, nothing else suffers
    s3.delete_bucket_policy(Bucket=target)
    dropped = cluster.admin("status")["server_logs"]["dropped"]
    s3.head_bucket(Bucket=bucket)
    wait_until("a drop", lambda: cluster.admin("status")["server_logs"]["dropped"] > dropped)


@pytest.mark.parametrize("source", ["EventTime", "DeliveryTime"])
def test_partitioned_keys(cluster, s3, bucket, target, source):
    body = (f"<BucketLoggingStatus><LoggingEnabled><TargetBucket>{target}</TargetBucket><TargetPrefix>x/</TargetPrefix>"
            f"<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>{source}</PartitionDateSource></PartitionedPrefix>"
            "</TargetObjectKeyFormat></LoggingEnabled></BucketLoggingStatus>").encode()
    assert raw(cluster, "PUT", f"/{bucket}", [("logging", "")], body)[0] == 200
    s3.head_bucket(Bucket=bucket)
    wait_for(s3, target, lambda r: r["operation"] == "REST.HEAD.BUCKET", "x/")
    key = s3.list_objects_v2(Bucket=target, Prefix="x/")["Contents"][0]["Key"]
    time = "00-00-00" if source == "EventTime" else r"\d\d-\d\d-\d\d"
    assert re.fullmatch(rf"x/root/us-east-1/{bucket}/(\d{{4}})/(\d\d)/(\d\d)/\1-\2-\3-{time}-[0-9A-F]{{16}}", key), key


def test_grants_open_the_log_objects(cluster, s3, bucket, target):
    enable(s3, bucket, target, "g/", TargetGrants=[
        {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}])
    s3.head_bucket(Bucket=bucket)
    wait_for(s3, target, lambda r: r["operation"] == "REST.HEAD.BUCKET", "g/")
    key = s3.list_objects_v2(Bucket=target, Prefix="g/")["Contents"][0]["Key"]
    c = cluster.http()
    c.request("GET", f"/{target}/{key}")
    assert c.getresponse().status == 200


def test_the_end_delivers_and_nothing_is_lost(tmp_path):
    settings = tmp_path / "s3gw.conf"
    settings.write_text("logging_interval = 1d\n")
    c = Cluster(args=["--config", str(settings)])
    try:
        c.start()
        s3 = c.boto3()
        s3.create_bucket(Bucket="src")
        s3.create_bucket(Bucket="dst")
        s3.put_bucket_acl(Bucket="dst", GrantWrite=f"uri={LOG_DELIVERY}", GrantReadACP=f"uri={LOG_DELIVERY}")
        enable(s3, "src", "dst")
        for i in range(50):
            s3.put_object(Bucket="src", Key=f"k{i}", Body=b"x")
        c.restart()
        s3 = c.boto3()
        assert [r["key"] for r in records(s3, "dst") if r["operation"] == "REST.PUT.OBJECT"] == [f"k{i}" for i in range(50)]
    finally:
        c.remove()
