# SPDX-License-Identifier: Apache-2.0
"""Users, the policies they carry, and what `s3gw admin explain` says of them."""
import base64
import hashlib
import json
import re
import subprocess
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from cluster import BUILD, Cluster
from rawhttp import Raw


def refusal(call, **arguments):
    """Its code; None when there was none."""
    try:
        call(**arguments)
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    return None


def code(call, **arguments):
    found = refusal(call, **arguments)
    assert found, (call, arguments)
    return found


def policy(effect, actions, resources):
    return json.dumps({"Version": "2012-10-17",
                       "Statement": [{"Effect": effect, "Action": actions, "Resource": resources}]})


def carry(cluster, user, name, text):
    file = cluster.folder / "policy.json"
    file.write_text(text)
    return cluster.admin("policy", "put", user, name, str(file), check=False)


@pytest.fixture(scope="module")
def ann(cluster):
    key = cluster.admin("user", "create", "ann")["user"]["keys"][0]
    return cluster.boto3(key["access_key"], key["secret_key"])


def explain(cluster, *words):
    return cluster.admin("explain", *words)["decision"]


def test_a_user_may_what_their_policy_says_and_no_more(cluster, s3, bucket, ann):
    s3.put_object(Bucket=bucket, Key="pub/a", Body=b"a")
    s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    assert code(ann.get_object, Bucket=bucket, Key="pub/a") == "AccessDenied"
    assert carry(cluster, "ann", "read", policy("Allow", ["s3:GetObject"], [f"arn:aws:s3:::{bucket}/pub/*"]))["ok"]
    assert ann.get_object(Bucket=bucket, Key="pub/a")["Body"].read() == b"a"
    assert code(ann.get_object, Bucket=bucket, Key="b") == "AccessDenied"
    assert code(ann.put_object, Bucket=bucket, Key="pub/c") == "AccessDenied"
    assert code(ann.create_bucket, Bucket=bucket + "-2") == "AccessDenied"
    assert code(ann.list_buckets) == "AccessDenied"
    cluster.admin("policy", "delete", "ann", "read")
    assert code(ann.get_object, Bucket=bucket, Key="pub/a") == "AccessDenied"
    ann.create_bucket(Bucket=bucket + "-2")


def test_where_a_bucket_is_created_is_a_condition(cluster, bucket, ann):
    """The answer waits for the body, since the place is said there; what the policy does not let in learns nothing else."""
    where = {"StringEqualsIfExists": {"s3:LocationConstraint": ["us-east-1", ":group1"]}}
    text = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "*", "Condition": where}]})
    assert carry(cluster, "ann", "create", text)["ok"]

    def create(name, place=None):
        how = {"CreateBucketConfiguration": {"LocationConstraint": place}} if place is not None else {}
        return refusal(ann.create_bucket, Bucket=f"{bucket}-{name}", **how)
    try:
        assert create("none") == create("region", "us-east-1") == create("group", ":group1") is None
        assert create("far", "eu-west-1") == create("wrong", ":group9") == "AccessDenied"
        assert create("far") is None
        must = text.replace("IfExists", "")
        assert carry(cluster, "ann", "create", must)["ok"]
        assert create("unsaid") == "AccessDenied" and create("said", "us-east-1") is None
    finally:
        cluster.admin("policy", "delete", "ann", "create")


@pytest.mark.parametrize("options, rights", [
    ({"ACL": "private"}, []), ({"ACL": "public-read"}, ["s3:PutBucketAcl"]),
    ({"GrantRead": "uri=http://acs.amazonaws.com/groups/global/AllUsers"}, ["s3:PutBucketAcl"]),
    ({"ObjectLockEnabledForBucket": True}, ["s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"]),
    ({"ObjectOwnership": "ObjectWriter"}, []), ({"ObjectOwnership": "BucketOwnerEnforced"}, ["s3:PutBucketOwnershipControls"])])
def test_what_a_bucket_is_created_with_needs_its_own_right(cluster, bucket, ann, options, rights):
    """Rule: S3 User Guide, "Required permissions for Amazon S3 API operations", CreateBucket."""
    try:
        for missing in rights:
            some = ["s3:CreateBucket", *(r for r in rights if r != missing)]
            assert carry(cluster, "ann", "create", policy("Allow", some, "*"))["ok"]
            assert refusal(ann.create_bucket, Bucket=bucket + "-opt", **options) == "AccessDenied", missing
        assert carry(cluster, "ann", "create", policy("Allow", ["s3:CreateBucket", *rights], "*"))["ok"]
        ann.create_bucket(Bucket=bucket + "-opt", **options)
        if rights == ["s3:PutBucketAcl"]:  # a bucket of one's own that is there gets the ACL
            assert carry(cluster, "ann", "create", policy("Allow", "s3:CreateBucket", "*"))["ok"]
            assert refusal(ann.create_bucket, Bucket=bucket + "-opt", **options) == "AccessDenied"
            assert refusal(ann.create_bucket, Bucket=bucket + "-opt") == "AccessDenied"  # private: another ACL than it has
    finally:
        cluster.admin("policy", "delete", "ann", "create")


@pytest.mark.parametrize("action, resource, want", [
    ("s3:CreateBucket", "arn:aws:s3:::{}", None), ("s3:*", "arn:aws:s3:::{}", None), ("s3:ListBucket", "arn:aws:s3:::{}", "MalformedPolicy"),
    ("s3:GetObject", "arn:aws:s3:::{}/*", "MalformedPolicy")])
def test_the_place_is_a_condition_of_creating_only(s3, bucket, action, resource, want):
    text = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource.format(bucket),
         "Condition": {"StringEquals": {"s3:LocationConstraint": "eu-west-1"}}}]})
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy=text) == want


def test_who_began_an_upload_may_list_and_abort_it(cluster, s3, bucket, ann):
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": {
        "Effect": "Allow", "Principal": {"AWS": "ann"}, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}}))
    hers, roots = ({"Bucket": bucket, "Key": "k", "UploadId": who.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
                   for who in (ann, s3))
    ann.upload_part(**hers, PartNumber=1, Body=b"x")
    assert len(ann.list_parts(**hers)["Parts"]) == 1
    for call in (ann.list_parts, ann.abort_multipart_upload):
        assert code(call, **roots) == code(call, **{**hers, "UploadId": "none"}) == "AccessDenied"
    everything = {"Effect": "Deny", "Principal": "*", "Action": "s3:AbortMultipartUpload", "Resource": f"arn:aws:s3:::{bucket}/*"}
    allow = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [allow, everything]}))
    assert code(ann.abort_multipart_upload, **hers) == "AccessDenied"
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": allow}))
    ann.abort_multipart_upload(**hers)
    s3.list_parts(**roots)


@pytest.mark.parametrize("actions, version, want", [
    (["s3:GetObjectAttributes"], None, "AccessDenied"), (["s3:GetObject"], None, "AccessDenied"),
    (["s3:GetObject", "s3:GetObjectAttributes"], None, None), (["s3:GetObject", "s3:GetObjectAttributes"], "null", "AccessDenied"),
    (["s3:GetObjectVersion", "s3:GetObjectVersionAttributes"], "null", None)])
def test_attributes_need_the_right_to_read_beside_their_own(s3, bucket, ann, actions, version, want):
    """Rule: s3-behaviours 21, table of permissions."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": {
        "Effect": "Allow", "Principal": {"AWS": "ann"}, "Action": actions, "Resource": f"arn:aws:s3:::{bucket}/*"}}))
    which = {"Bucket": bucket, "Key": "k", **({"VersionId": version} if version else {})}
    assert refusal(ann.get_object_attributes, **which, ObjectAttributes=["ETag"]) == want


def test_a_deny_holds_against_a_bucket_policy(cluster, s3, bucket, ann):
    s3.put_object(Bucket=bucket, Key="k", Body=b"k")
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": everybody}))
    ann.get_object(Bucket=bucket, Key="k")
    assert carry(cluster, "ann", "no", policy("Deny", "s3:*", "*"))["ok"]
    try:
        assert code(ann.get_object, Bucket=bucket, Key="k") == "AccessDenied"
        assert explain(cluster, "ann", "s3:GetObject", f"arn:aws:s3:::{bucket}/k") == {
            "allowed": False, "why": "a policy of the user denies it"}
        assert explain(cluster, "anonymous", "s3:GetObject", f"{bucket}/k")["allowed"]
    finally:
        cluster.admin("policy", "delete", "ann", "no")


def test_an_operator_who_lists_sees_all_buckets(cluster, bucket, ann):
    assert carry(cluster, "ann", "list", policy("Allow", "s3:ListAllMyBuckets", "*"))["ok"]
    try:
        assert bucket in [b["Name"] for b in ann.list_buckets()["Buckets"]]
    finally:
        cluster.admin("policy", "delete", "ann", "list")
    assert bucket not in [b["Name"] for b in ann.list_buckets()["Buckets"]]


def test_policies_are_listed_and_shown_as_given(cluster, ann):
    text = policy("Allow", "s3:GetObject", "*")
    assert carry(cluster, "ann", "one", text)["ok"]
    assert cluster.admin("policy", "list", "ann")["policies"] == [{"name": "one"}]
    assert cluster.admin("policy", "show", "ann", "one")["policy"] == text
    cluster.admin("policy", "delete", "ann", "one")
    assert cluster.admin("policy", "list", "ann")["policies"] == []


@pytest.mark.parametrize("words,status,message", [
    (("policy", "show", "ann", "none"), 1, "no policy 'none'"),
    (("policy", "delete", "ann", "none"), 1, "no policy 'none'"),
    (("explain", "ann", "s3:GetObject", "no-such-bucket/k"), 1, "no bucket"),
    (("explain", "ann", "get", "b/k"), 2, "action must be"),
    (("explain", "ann", "s3:GetObject", "*"), 2, "needs a bucket"),
    (("explain", "nobody", "s3:GetObject", "b"), 1, "no user 'nobody'"),
])
def test_mistakes_are_named(cluster, ann, words, status, message):
    answer = cluster.admin(*words, check=False)
    assert answer["exit_status"] == status and message in answer["error"]


def test_bad_policies_and_files_are_refused(cluster, ann):
    answer = carry(cluster, "ann", "bad", '{"Statement":{"Effect":"Allow","Principal":"*"}}')
    assert answer["exit_status"] == 2 and answer["error"].startswith("policy: ")
    assert carry(cluster, "root", "p", policy("Deny", "s3:*", "*"))["error"].startswith("root may do everything")
    done = subprocess.run([str(BUILD / "s3gw"), "admin", "--data", str(cluster.data), "policy", "put", "ann", "p",
                           "/no/such/file"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "/no/such/file: No such file" in done.stderr


def test_who_reads_where_the_requester_pays_says_so(cluster, s3, bucket, ann):
    s3.put_object(Bucket=bucket, Key="k", Body=b"k")
    everybody = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                 "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": everybody}))
    ann.get_object(Bucket=bucket, Key="k")
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    assert code(ann.get_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert code(ann.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert code(ann.put_object, Bucket=bucket, Key="n", Body=b"n") == "AccessDenied"
    assert explain(cluster, "ann", "s3:GetObject", f"{bucket}/k")["why"].startswith("the requester pays")
    agreed = {"Bucket": bucket, "RequestPayer": "requester"}
    assert ann.get_object(Key="k", **agreed)["RequestCharged"] == "requester"
    assert ann.put_object(Key="n", Body=b"n", **agreed)["RequestCharged"] == "requester"
    assert len(ann.list_objects_v2(**agreed)["Contents"]) == 2
    nobody = urllib.request.Request(f"{cluster.endpoint}/{bucket}/k", headers={"x-amz-request-payer": "requester"})
    with pytest.raises(urllib.error.HTTPError, match="403"):  # nobody to charge
        urllib.request.urlopen(nobody, timeout=60)
    assert "RequestCharged" not in s3.get_object(Bucket=bucket, Key="k")  # the owner pays anyway
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "RequestCharged" not in ann.get_object(**agreed, Key="k")


def test_policies_survive_a_restart(fresh_cluster):
    key = fresh_cluster.admin("user", "create", "eve")["user"]["keys"][0]
    assert carry(fresh_cluster, "eve", "p", policy("Allow", "s3:CreateBucket", "*"))["ok"]
    fresh_cluster.stop()
    fresh_cluster.start()
    eve = fresh_cluster.boto3(key["access_key"], key["secret_key"])
    eve.create_bucket(Bucket="eves")
    assert code(eve.list_objects_v2, Bucket="eves") == "AccessDenied"


def test_usage_is_shown(cluster, s3, bucket):
    before = cluster.admin("user", "show", "root")["user"]
    s3.put_object(Bucket=bucket, Key="a", Body=b"12345")
    s3.put_object(Bucket=bucket, Key="b", Body=b"1" * 400_000)
    s3.put_object(Bucket=bucket, Key="a", Body=b"123")
    shown = cluster.admin("bucket", "show", bucket)["bucket"]
    assert (shown["objects"], shown["bytes"]) == (2, 400_003)
    after = cluster.admin("user", "show", "root")["user"]
    assert (after["objects"] - before["objects"], after["bytes"] - before["bytes"]) == (2, 400_003)


def configured(tmp_path_factory, text):
    settings = tmp_path_factory.mktemp("conf") / "s3gw.conf"
    settings.write_text(text)
    return Cluster(args=["--config", str(settings)])


def test_buckets_can_begin_as_aws_makes_them(tmp_path_factory):
    c = configured(tmp_path_factory, "bucket_defaults = aws\nacl_email_grants = no\n")
    try:
        s3 = c.start().boto3()
        s3.create_bucket(Bucket="closed")
        rules = s3.get_bucket_ownership_controls(Bucket="closed")["OwnershipControls"]["Rules"]
        assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        block = s3.get_public_access_block(Bucket="closed")["PublicAccessBlockConfiguration"]
        assert all(block.values()) and len(block) == 4
        assert code(s3.put_object, Bucket="closed", Key="k", ACL="public-read") == "AccessControlListNotSupported"
        assert code(s3.create_bucket, Bucket="open", ACL="public-read") == "InvalidBucketAclWithObjectOwnership"
        s3.create_bucket(Bucket="open", ObjectOwnership="ObjectWriter")
        assert code(s3.put_bucket_acl, Bucket="open", GrantRead='emailAddress="a@b"') == "MethodNotAllowed"
        assert c.stop() == 0
    finally:
        c.remove()


def test_a_denial_binds_root_but_not_from_lifting_it(cluster, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*",
         "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]}))
    for call, args in ((s3.get_object, {"Key": "k"}), (s3.list_objects_v2, {}), (s3.delete_object, {"Key": "k"})):
        with pytest.raises(ClientError) as e:
            call(Bucket=bucket, **args)
        assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("condition", [{"NotIpAddress": {"aws:SourceIp": "10.0.0.0/33"}},
                                       {"Bool": {"aws:SecureTransport": "flase"}},
                                       {"DateGreaterThan": {"aws:CurrentTime": "31.12.2030"}}])
def test_a_denial_that_could_never_hold_is_refused(s3, bucket, condition):
    text = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": condition}})
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy=text) == "MalformedPolicy"


@pytest.mark.parametrize("actions, condition, known", [
    (["GetObject"], {"StringLike": {"s3:prefix": "a*"}}, False),
    (["ListBucket"], {"StringLike": {"s3:prefix": "a*"}}, True),
    (["ListBucket", "GetObject"], {"StringLike": {"s3:prefix": "a*"}}, False),
    (["*"], {"StringLike": {"s3:prefix": "a*"}}, True),
    (["GetObject", "PutObject"], {"StringEquals": {"s3:x-amz-acl": "private"}}, False),
    (["PutObject", "PutObjectAcl"], {"StringEquals": {"s3:x-amz-acl": "private"}}, True),
    (["GetObject"], {"NumericLessThan": {"s3:TlsVersion": 1.2}}, True),
    (["GetObject"], {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True)])
def test_a_condition_that_an_action_does_not_know_is_refused(cluster, s3, bucket, actions, condition, known):
    statement = {"Effect": "Deny", "Action": [f"s3:{a}" for a in actions],
                 "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], "Condition": condition}
    document = {"Version": "2012-10-17", "Statement": [{**statement, "Principal": "*"}]}
    if known:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
        assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == document
    else:
        with pytest.raises(ClientError) as refused:
            s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
        error = refused.value.response["Error"]
        assert error["Code"] == "MalformedPolicy"
        assert error["Message"] == "Conditions do not apply to combination of actions and resources in statement"
    cluster.admin("user", "create", name := "u" + bucket[:20])  # IAM does not ask so of users' policies
    assert carry(cluster, name, "p", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))["ok"]


@pytest.mark.parametrize("condition, public", [
    ({}, True), ({"StringNotEquals": {"aws:userid": "ann"}}, True), ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True),
    ({"StringEqualsIfExists": {"aws:userid": "ann"}}, True), ({"StringEquals": {"aws:userid": "${aws:userid}"}}, True),
    ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, False), ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False)])
def test_what_is_open_to_everybody_is_public(s3, bucket, condition, public):
    """Rule: S3 User Guide, "Blocking public access", "The meaning of public"."""
    text = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": condition}})
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is public
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicPolicy": True})
    if public:
        assert code(s3.put_bucket_policy, Bucket=bucket, Policy=text) == "AccessDenied"
    else:
        s3.put_bucket_policy(Bucket=bucket, Policy=text)


def test_a_public_bucket_can_be_kept_to_its_owner(cluster, s3, bucket, ann):
    """Rule: S3 API Reference, PublicAccessBlockConfiguration: with a public policy only the owner's account and services."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert refusal(ann.get_object, Bucket=bucket, Key="k") is None  # ACLs alone are IgnorePublicAcls' matter
    hers = {"Effect": "Allow", "Principal": {"AWS": "ann"}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": hers}))
    assert refusal(ann.get_object, Bucket=bucket, Key="k") is None
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [hers, {**hers, "Principal": "*"}]}))
    assert refusal(ann.get_object, Bucket=bucket, Key="k") == refusal(ann.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert explain(cluster, "ann", "s3:GetObject", f"arn:aws:s3:::{bucket}/k") == {
        "allowed": False, "why": "RestrictPublicBuckets shuts others out, since the policy is public"}
    s3.get_object(Bucket=bucket, Key="k")


def test_the_version_of_tls_is_known_to_policies(tls_cluster):
    s3 = tls_cluster.boto3()
    s3.create_bucket(Bucket="versions-of-tls")
    s3.put_object(Bucket="versions-of-tls", Key="k", Body=b"x")
    def deny_below(version):
        s3.put_bucket_policy(Bucket="versions-of-tls", Policy=json.dumps({"Version": "2012-10-17", "Statement": {
            "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::versions-of-tls/*",
            "Condition": {"NumericLessThan": {"s3:TlsVersion": version}}}}))
    deny_below(1.2)
    assert s3.get_object(Bucket="versions-of-tls", Key="k")["Body"].read() == b"x"
    deny_below("1.9")
    assert code(s3.get_object, Bucket="versions-of-tls", Key="k") == "AccessDenied"


def test_tags_in_the_body_are_judged_as_those_in_a_header(s3, ann, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    def let_in(condition, tags):
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "ann"}, "Action": "s3:PutObjectTagging",
             "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": condition}]}))
        try:
            ann.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [
                {"Key": k, "Value": v} for k, v in tags.items()]})
            return True
        except ClientError as e:
            assert e.response["Error"]["Code"] == "AccessDenied"
            return False

    kind = {"StringEquals": {"s3:RequestObjectTag/kind": "open"}}
    keys = {"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["kind", "team"]}}
    assert let_in(kind, {"kind": "open"}) and not let_in(kind, {"kind": "shut"}) and not let_in(kind, {})
    assert let_in(keys, {"kind": "x", "team": "y"}) and not let_in(keys, {"kind": "x", "other": "y"})


@pytest.fixture
def shared(s3, ann, bucket):
    """Gives ann these actions on the keys of a bucket; its name, and the ETag of a tagged object in it."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b")["ETag"]

    def give(*actions):
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "ann"}, "Action": [f"s3:{a}" for a in actions],
             "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
    give("PutObject")
    return bucket, etag, give


def test_if_match_on_a_write_tells_what_is_there_and_needs_the_right_to_read(cluster, ann, shared):
    bucket, etag, give = shared
    key = cluster.admin("key", "create", "ann")["key"]
    raw = Raw(cluster, key["access_key"], key["secret_key"])
    give("PutObject", "DeleteObject")
    for method, body in (("PUT", b"x"), ("DELETE", b"")):
        answer = raw.request(method, f"/{bucket}/k", headers={"If-Match": etag}, body=body)
        assert (answer.status, answer.code) == (403, "AccessDenied"), answer
    entry = {"Objects": [{"Key": "k", "ETag": etag}, {"Key": "none", "ETag": etag}]}
    body = "".join(f"<Object><Key>{o['Key']}</Key><ETag>{o['ETag']}</ETag></Object>" for o in entry["Objects"])
    body = f"<Delete>{body}<Object><Key>free</Key></Object></Delete>".encode()
    md5 = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}

    def codes():
        answer = raw.request("POST", f"/{bucket}", query=[("delete", "")], headers=md5, body=body)
        return re.findall("<Deleted><Key>([^<]*)|<Key>([^<]*)</Key><Code>([^<]*)", answer.body.decode())
    assert codes() == [("", "k", "AccessDenied"), ("", "none", "AccessDenied"), ("free", "", "")]
    give("PutObject", "DeleteObject", "GetObject")
    assert raw.request("PUT", f"/{bucket}/k", headers={"If-Match": etag}, body=b"x").status == 200
    assert raw.request("DELETE", f"/{bucket}/k", headers={"If-Match": etag}).status == 204
    assert raw.request("PUT", f"/{bucket}/k", body=b"x").status == 200
    assert codes() == [("k", "", ""), ("", "none", "AccessDenied"), ("free", "", "")]  # who may not list learns of no absence
    assert raw.request("PUT", f"/{bucket}/k", body=b"x").status == 200
    give("DeleteObject")  # is there one at all? That the deletion tells anyhow
    assert raw.request("DELETE", f"/{bucket}/k", headers={"If-Match": "*"}).status == 204


def test_a_policy_can_demand_conditional_deletions(cluster, s3, ann, shared):
    """Rule: S3 User Guide, "Enforce conditional deletes on Amazon S3 buckets"."""
    bucket, etag, _ = shared
    one = {"Effect": "Allow", "Principal": {"AWS": "ann"}, "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {**one, "Action": "s3:GetObject"}, {**one, "Action": "s3:DeleteObject", "Condition": {"Null": {"s3:if-match": "false"}}}]}))
    key = cluster.admin("key", "create", "ann")["key"]
    raw = Raw(cluster, key["access_key"], key["secret_key"])
    assert raw.request("DELETE", f"/{bucket}/k").code == "AccessDenied"
    for condition, want in (("", b"<Code>AccessDenied</Code>"), (f"<ETag>{etag}</ETag>", b"<Deleted>")):
        body = f"<Delete><Object><Key>k</Key>{condition}</Object></Delete>".encode()
        md5 = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
        assert want in raw.request("POST", f"/{bucket}", query=[("delete", "")], headers=md5, body=body).body
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert raw.request("DELETE", f"/{bucket}/k", headers={"If-Match": etag}).status == 204


def test_tags_are_told_and_copied_only_to_whom_may_read_them(s3, ann, shared):
    bucket, _, give = shared
    mine = bucket + "-mine"
    ann.create_bucket(Bucket=mine)
    source = {"Bucket": bucket, "Key": "k"}
    give("GetObject")
    assert "x-amz-tagging-count" not in ann.head_object(**source)["ResponseMetadata"]["HTTPHeaders"]
    assert code(ann.copy_object, Bucket=mine, Key="c", CopySource=source) == "AccessDenied"
    ann.copy_object(Bucket=mine, Key="c", CopySource=source, TaggingDirective="REPLACE")
    give("GetObject", "GetObjectTagging")
    assert ann.head_object(**source)["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "1"
    ann.copy_object(Bucket=mine, Key="c", CopySource=source)
    assert ann.get_object_tagging(Bucket=mine, Key="c")["TagSet"] == [{"Key": "a", "Value": "b"}]
    back = {"Bucket": mine, "Key": "c"}
    give("PutObject")
    assert code(ann.copy_object, Bucket=bucket, Key="back", CopySource=back) == "AccessDenied"
    give("PutObject", "PutObjectTagging")
    ann.copy_object(Bucket=bucket, Key="back", CopySource=back)
    assert s3.get_object_tagging(Bucket=bucket, Key="back")["TagSet"] == [{"Key": "a", "Value": "b"}]


def test_a_policy_that_shuts_its_author_out_must_be_confirmed(cluster, s3, bucket, ann):
    """Rule: S3 API Reference, PutBucketPolicy, x-amz-confirm-remove-self-bucket-access."""
    def document(*statements):
        return json.dumps({"Version": "2012-10-17", "Statement": statements})
    rule = {"Effect": "Allow", "Principal": "*", "Action": ["s3:PutBucketPolicy", "s3:GetBucketPolicy"],
            "Resource": f"arn:aws:s3:::{bucket}"}
    nobody = document({**rule, "Effect": "Deny"})
    s3.put_bucket_policy(Bucket=bucket, Policy=document(rule))
    other = document(rule, {**rule, "Action": "s3:ListBucket"})
    ann.put_bucket_policy(Bucket=bucket, Policy=other)  # and may go on
    for text in (nobody, document({**rule, "Action": "s3:GetBucketPolicy"})):
        assert code(ann.put_bucket_policy, Bucket=bucket, Policy=text) == "AccessDenied"
        assert code(ann.put_bucket_policy, Bucket=bucket, Policy=text, ConfirmRemoveSelfBucketAccess=False) == "AccessDenied"
        assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(other)
    ann.put_bucket_policy(Bucket=bucket, Policy=nobody, ConfirmRemoveSelfBucketAccess=True)
    assert code(ann.put_bucket_policy, Bucket=bucket, Policy=other) == "AccessDenied"
    # who owns the bucket is never shut out, and need not confirm
    s3.put_bucket_policy(Bucket=bucket, Policy=nobody)
    s3.put_bucket_policy(Bucket=bucket, Policy=other)
    answer = Raw(cluster).request("PUT", f"/{bucket}", query=[("policy", "")], body=nobody.encode(),
                                  headers={"x-amz-confirm-remove-self-bucket-access": "perhaps"})
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
