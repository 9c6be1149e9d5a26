# SPDX-License-Identifier: Apache-2.0
"""Server-side encryption of single objects: SSE-C, SSE-S3, SSE-KMS, with boto3 and with bytes no client would send."""
import base64
import datetime
import hashlib
import hmac
import json

import pytest
from cluster import Cluster
from rawhttp import Raw, request_bytes
from sealing import FRAME, Key, body, content
from test_objects import error


SIZES = [0, 1, 5000, FRAME - 1, FRAME, FRAME + 1, 262_000, 262_144, 3 * FRAME, 1_500_000]


# --- round trips ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["customer", "AES256"])
def test_objects_of_all_sizes_come_back_whole_and_in_ranges(place, kind):
    s3, b = place
    key = Key()
    write = key.args if kind == "customer" else {"ServerSideEncryption": "AES256"}
    read = key.args if kind == "customer" else {}
    for n in SIZES:
        data = content(n)
        put = s3.put_object(Bucket=b, Key=f"k{n}", Body=data, **write)
        got = s3.get_object(Bucket=b, Key=f"k{n}", ChecksumMode="ENABLED", **read)
        head = s3.head_object(Bucket=b, Key=f"k{n}", **read)
        assert body(got) == data and got["ContentLength"] == head["ContentLength"] == n
        assert put["ETag"] == got["ETag"] == head["ETag"]
        md5 = hashlib.md5(data).hexdigest()
        assert (put["ETag"].strip('"') == md5) == (kind == "AES256") and len(put["ETag"]) == 34
        for answer in (put, got, head):
            if kind == "customer":
                assert answer["SSECustomerAlgorithm"] == "AES256" and answer["SSECustomerKeyMD5"] == key.md5
                assert "ServerSideEncryption" not in answer
            else:
                assert answer["ServerSideEncryption"] == "AES256"
        for first, last in [(0, 0), (FRAME - 1, FRAME), (FRAME, 2 * FRAME - 1), (FRAME + 7, 2 * FRAME + 9),
                            (n - 1, n - 1), (1, n - 2), (1000, 10_000_000)]:
            if 0 <= first < n and first <= last:
                r = s3.get_object(Bucket=b, Key=f"k{n}", Range=f"bytes={first}-{last}", **read)
                assert body(r) == data[first:last + 1], (n, first, last)
                assert r["ContentRange"] == f"bytes {first}-{min(last, n - 1)}/{n}"
    sizes = {o["Key"]: o["Size"] for o in s3.list_objects_v2(Bucket=b)["Contents"]}
    assert sizes == {f"k{n}": n for n in SIZES}


def test_parts_are_sealed_one_by_one(place):
    s3, b = place
    key = Key()
    parts = [content(5 * 1024 * 1024 + 3), content(5 * 1024 * 1024), content(70_001)]
    for write, part_args, read in ((key.args, key.args, key.args), ({"ServerSideEncryption": "AES256"}, {}, {}),
                                   ({"ServerSideEncryption": "aws:kms"}, {}, {})):
        up = s3.create_multipart_upload(Bucket=b, Key="m", **write)
        assert up.get("ServerSideEncryption") == write.get("ServerSideEncryption")
        etags = []
        for i, data in enumerate(parts):
            p = s3.upload_part(Bucket=b, Key="m", UploadId=up["UploadId"], PartNumber=i + 3, Body=data, **part_args)
            assert p.get("ServerSideEncryption") == write.get("ServerSideEncryption")
            assert (p["ETag"].strip('"') == hashlib.md5(data).hexdigest()) == (
                write.get("ServerSideEncryption") == "AES256")
            etags.append({"PartNumber": i + 3, "ETag": p["ETag"]})
        done = s3.complete_multipart_upload(Bucket=b, Key="m", UploadId=up["UploadId"],
                                            MultipartUpload={"Parts": etags})
        assert done.get("ServerSideEncryption") == write.get("ServerSideEncryption")
        whole = b"".join(parts)
        got = s3.get_object(Bucket=b, Key="m", **read)
        assert body(got) == whole and got["ETag"].endswith('-3"')
        at = len(parts[0])
        for first, last in [(at - 5, at + 5), (at - FRAME, at + FRAME), (at + len(parts[1]) - 1, len(whole) - 1)]:
            r = s3.get_object(Bucket=b, Key="m", Range=f"bytes={first}-{last}", **read)
            assert body(r) == whole[first:last + 1]
        assert body(s3.get_object(Bucket=b, Key="m", PartNumber=2, **read)) == parts[1]


def test_a_part_needs_the_key_of_its_upload(place):
    s3, b = place
    key, other = Key(), Key()
    up = s3.create_multipart_upload(Bucket=b, Key="m", **key.args)["UploadId"]
    part = dict(Bucket=b, Key="m", UploadId=up, PartNumber=1, Body=b"x")
    assert error(s3.upload_part, **part) == ("InvalidRequest", 400)
    assert error(s3.upload_part, **part, **other.args) == ("InvalidRequest", 400)
    assert s3.upload_part(**part, **key.args)["SSECustomerKeyMD5"] == key.md5
    plain = s3.create_multipart_upload(Bucket=b, Key="m")["UploadId"]
    assert error(s3.upload_part, **{**part, "UploadId": plain}, **key.args) == ("InvalidRequest", 400)


def test_a_key_given_to_list_or_complete_must_be_the_uploads(cluster, s3, bucket):
    key, other = Key(), Key()
    up = s3.create_multipart_upload(Bucket=bucket, Key="m", **key.args)["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="m", UploadId=up, PartNumber=1, Body=b"x", **key.args)["ETag"]
    xml = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"

    def ask(method, key, sent=b""):
        return Raw(cluster).request(method, f"/{bucket}/m", query=[("uploadId", up)],
                                    headers=key.headers() if key else {}, body=sent)
    for method, sent in ("GET", b""), ("POST", xml.encode()):
        assert (ask(method, other, sent).status, ask(method, other, sent).code) == (400, "InvalidRequest")
    assert ask("GET", None).status == ask("GET", key).status == 200
    assert ask("POST", key, xml.encode()).status == 200


# --- keys that are missing, wrong or needless --------------------------------------------------


def test_the_wrong_key_opens_nothing(place):
    s3, b = place
    key, other = Key(), Key()
    s3.put_object(Bucket=b, Key="k", Body=b"secret", **key.args)
    s3.put_object(Bucket=b, Key="plain", Body=b"plain")
    for ask in (s3.get_object, s3.head_object):
        head = ask == s3.head_object
        assert error(ask, Bucket=b, Key="k") == ("400" if head else "InvalidRequest", 400)
        assert error(ask, Bucket=b, Key="k", **other.args) == ("403" if head else "AccessDenied", 403)
        assert error(ask, Bucket=b, Key="plain", **key.args) == ("400" if head else "InvalidRequest", 400)
    attributes = dict(Bucket=b, Key="k", ObjectAttributes=["ObjectSize", "ETag"])
    assert error(s3.get_object_attributes, **attributes) == ("InvalidRequest", 400)
    text = dict(SSECustomerAlgorithm="AES256", SSECustomerKey=key.text, SSECustomerKeyMD5=key.md5)
    assert s3.get_object_attributes(**attributes, **text)["ObjectSize"] == 6
    assert body(s3.get_object(Bucket=b, Key="k", **key.args)) == b"secret"


CUSTOMER_FAULTS = [
    ({"algorithm": None}, "InvalidArgument"), ({"algorithm": "AES128"}, "InvalidEncryptionAlgorithmError"),
    ({"key": None}, "InvalidArgument"), ({"key": "AAAA"}, "InvalidArgument"), ({"key": "not base64!"}, "InvalidArgument"),
    ({"key-MD5": None}, "InvalidArgument"), ({"key-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "InvalidArgument"),
    ({"key-MD5": "short"}, "InvalidArgument"),
]


@pytest.mark.parametrize("change, code", CUSTOMER_FAULTS)
def test_faulty_customer_headers(cluster, s3, bucket, change, code):
    key = Key()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **key.args)
    for method in ("PUT", "GET"):
        answer = Raw(cluster).request(method, f"/{bucket}/k", headers=key.headers(**change), body=b"x" * (method == "PUT"))
        assert (answer.status, answer.code) == (400, code), answer
        assert key.text.encode() not in answer.body


@pytest.mark.parametrize("headers, status, code", [
    ({"x-amz-server-side-encryption": "ROT13"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": ""}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms:dsse"}, 501, "NotImplemented"),
    ({"x-amz-server-side-encryption-aws-kms-key-id": "k"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "AES256", "x-amz-server-side-encryption-aws-kms-key-id": "k"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "AES256", "x-amz-server-side-encryption-context": "e30="}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "AES256", "x-amz-server-side-encryption-bucket-key-enabled": "true"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-bucket-key-enabled": "maybe"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "nobody"}, 400, "KMS.NotFoundException"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "a b"}, 400, "KMS.NotFoundException"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-context": "e30"}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-context": "W10="}, 400, "InvalidArgument"),
    ({"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-context": "eyJhIjoxfQ=="}, 400, "InvalidArgument"),
])
def test_faulty_headers_of_a_write(cluster, bucket, headers, status, code):
    answer = Raw(cluster).request("PUT", f"/{bucket}/k", headers=headers, body=b"x")
    assert (answer.status, answer.code) == (status, code), answer
    assert Raw(cluster).request("HEAD", f"/{bucket}/k").status == 404


def test_both_kinds_at_once_and_method_on_a_read(cluster, s3, bucket):
    key = Key()
    both = {**key.headers(), "x-amz-server-side-encryption": "AES256"}
    answer = Raw(cluster).request("PUT", f"/{bucket}/k", headers=both, body=b"x")
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")
    answer = Raw(cluster).request("GET", f"/{bucket}/k", headers={"x-amz-server-side-encryption": "AES256"})
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    answer = Raw(cluster).request("GET", f"/{bucket}/k", headers=key.headers())
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_customer_keys_can_be_kept_off_plain_http():
    c = Cluster(args=["--sse-c-over-http", "no"])
    try:
        c.start()
        s3 = c.boto3()
        s3.create_bucket(Bucket="sealed")
        assert error(s3.put_object, Bucket="sealed", Key="k", Body=b"x", **Key().args) == ("InvalidRequest", 400)
        s3.put_object(Bucket="sealed", Key="k", Body=b"x", ServerSideEncryption="AES256")
        assert c.stop() == 0
    finally:
        c.remove()


def test_forms_encrypt_as_their_fields_say(cluster, s3, bucket):
    raw = Raw(cluster)
    key = Key()
    for fields, read, n in (({"x-amz-server-side-encryption": "AES256"}, {}, 100), (key.headers(), key.args, 100),
                            ({"x-amz-server-side-encryption": "aws:kms"}, {}, 262_140), (key.headers(), key.args, 900_000)):
        signer, data = raw.signer(), content(n)
        expires = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)).strftime(
            "%Y-%m-%dT%H:%M:%S.000Z")
        credential = f"{signer.access_key}/{signer.scope}"
        policy = base64.b64encode(json.dumps({"expiration": expires, "conditions": [
            {"bucket": bucket}, {"key": "k"}, ["starts-with", "$x-amz-", ""], {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
            {"x-amz-credential": credential}, {"x-amz-date": signer.stamp}, *({f: v} for f, v in fields.items())]}
        ).encode()).decode()
        signature = hmac.new(signer.key(), policy.encode(), hashlib.sha256).hexdigest()
        form = {"key": "k", "policy": policy, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": credential,
                "x-amz-date": signer.stamp, "x-amz-signature": signature, **fields}
        text = b"".join(f'--XX\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in form.items())
        text += b'--XX\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + data + b"\r\n--XX--\r\n"
        answer = raw.send(request_bytes("POST", f"/{bucket}", {
            "Host": raw.host, "Content-Type": "multipart/form-data; boundary=XX", "Content-Length": str(len(text))}, text))
        assert answer.status == 204, answer
        got = s3.get_object(Bucket=bucket, Key="k", **read)
        assert body(got) == data
        assert got.get("ServerSideEncryption") == fields.get("x-amz-server-side-encryption")
