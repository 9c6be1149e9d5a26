# SPDX-License-Identifier: Apache-2.0
"""Keys of the ring: made, rotated, disabled; from a file and from the environment."""
import base64
import os

from cluster import Cluster
from sealing import body
from test_objects import error


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
