# SPDX-License-Identifier: Apache-2.0
"""What a bucket says of encryption: its default, what it refuses, what its policy demands."""
import base64
import hashlib
import json
import secrets

import pytest
from cluster import Cluster
from rawhttp import Raw
from sealing import Key
from test_objects import error


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
