# SPDX-License-Identifier: Apache-2.0
"""Who is asking: signatures good and bad, by our own signer, byte by byte."""
import base64
import datetime
import hashlib
import hmac
import zlib

import pytest
from rawhttp import (EMPTY, STREAMING, STREAMING_TRAILER, STREAMING_UNSIGNED_TRAILER, UNSIGNED, Raw, request_bytes)


@pytest.fixture
def raw(cluster):
    return Raw(cluster)


def test_good_signatures(raw, bucket):
    assert raw.request("PUT", f"/{bucket}/k", body=b"hello").status == 200
    assert raw.request("PUT", f"/{bucket}/k", body=b"hello", payload=UNSIGNED).status == 200
    assert raw.request("GET", f"/{bucket}/k").body == b"hello"
    answer = raw.request("GET", f"/{bucket}/k", query=[("response-content-type", "a/b c"), ("x", "")])
    assert answer.headers["content-type"] == "a/b c"


@pytest.mark.parametrize("value", ["a  b", "a\tb", "a \t b"])
def test_blanks_in_values_are_signed_as_one_and_kept_as_they_are(raw, bucket, value):
    assert raw.request("PUT", f"/{bucket}/k", headers={"x-amz-meta-blank": value}, body=b"x").status == 200
    assert raw.request("GET", f"/{bucket}/k").headers["x-amz-meta-blank"] == value


def test_a_wrong_signature_shows_what_was_signed(raw, bucket):
    data = bytearray(raw.build("GET", f"/{bucket}/k"))
    at = data.index(b"Signature=") + len(b"Signature=")
    data[at] = ord("1") if data[at] == ord("0") else ord("0")
    answer = raw.send(bytes(data))
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch"), answer
    for tag in (b"<StringToSign>", b"<CanonicalRequest>", b"<SignatureProvided>", b"<AWSAccessKeyId>"):
        assert tag in answer.body


def test_wrong_keys(cluster, bucket):
    assert Raw(cluster, access_key="AKNOBODY").request("GET", f"/{bucket}").code == "InvalidAccessKeyId"
    assert Raw(cluster, secret_key="wrong").request("GET", f"/{bucket}").code == "SignatureDoesNotMatch"


def test_anonymous_and_malformed(raw, bucket):
    host = {"Host": raw.host}
    assert raw.send(request_bytes("GET", f"/{bucket}", host)).code == "AccessDenied"
    for bad in ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, "
                "SignedHeaders=host, Signature=zz", "Basic abc", "AWS x", "AWS4-HMAC-SHA512 Credential=a"):
        answer = raw.send(request_bytes("GET", f"/{bucket}", {**host, "Authorization": bad}))
        assert 400 <= answer.status <= 403 and answer.code, (bad, answer)


def test_wrong_region_and_service_are_named(raw, bucket):
    s = raw.signer()
    s.region = "eu-central-9"
    answer = raw.request("GET", f"/{bucket}", signer=s)
    assert answer.code == "AuthorizationHeaderMalformed" and b"<Region>us-east-1</Region>" in answer.body, answer
    s = raw.signer()
    s.service = "ec2"
    assert raw.request("GET", f"/{bucket}", signer=s).code == "AuthorizationHeaderMalformed"


def test_a_client_of_another_region_finds_ours(cluster, raw, bucket, monkeypatch):
    """HEAD has no element Region; botocore reads a header and signs anew, as it does at AWS."""
    s = raw.signer()
    s.region = "eu-west-1"
    for target in (f"/{bucket}", f"/{bucket}/k"):
        answer = raw.request("HEAD", target, signer=s)
        assert answer.status == 400 and answer.headers["x-amz-bucket-region"] == "us-east-1", answer
        url = s.presign("HEAD", raw.host, target)
        answer = raw.send(request_bytes("HEAD", url, {"Host": raw.host}), head_request=True)
        assert answer.status == 400 and answer.headers["x-amz-bucket-region"] == "us-east-1", answer
    cluster.boto3().put_object(Bucket=bucket, Key="k", Body=b"x")
    monkeypatch.setattr(cluster, "region", "eu-west-1")
    assert cluster.boto3().head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert cluster.boto3().head_object(Bucket=bucket, Key="k")["ContentLength"] == 1
    assert cluster.boto3().get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize("minutes, status", [(-20, 403), (-10, 200), (10, 200), (20, 403)])
def test_clocks_may_differ_by_fifteen_minutes(raw, bucket, minutes, status):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    answer = raw.request("GET", f"/{bucket}", signer=raw.signer(when=when))
    assert answer.status == status, answer
    assert status == 200 or answer.code == "RequestTimeTooSkewed"


def test_the_body_must_be_what_was_signed(raw, bucket):
    wrong = hashlib.sha256(b"other").hexdigest()
    answer = raw.request("PUT", f"/{bucket}/x", body=b"hello", payload=wrong)
    assert answer.code == "XAmzContentSHA256Mismatch", answer
    assert raw.request("HEAD", f"/{bucket}/x").status == 404


def test_conditions_of_a_source_may_be_presigned(raw, bucket):
    """Who presigns moves x-amz- headers into the query; a condition there is one."""
    etag = raw.request("PUT", f"/{bucket}/from", body=b"x").headers["etag"]
    for method, more in (("x-amz-copy-source", [("x-amz-copy-source", f"/{bucket}/from")]),
                         ("x-amz-rename-source", [("renameObject", ""), ("x-amz-rename-source", "from")])):
        for value, status in (('"0123456789abcdef0123456789abcdef"', 412), (etag, 200)):
            target = raw.signer().presign("PUT", raw.host, f"/{bucket}/to", more + [(f"{method}-if-match", value)])
            answer = raw.send(request_bytes("PUT", target, {"Host": raw.host, "Content-Length": "0"}))
            assert answer.status == status, (method, answer)


@pytest.mark.parametrize("options, want", [
    ([("x-amz-meta-a", "one line"), ("X-Amz-Meta-b", "2")], (200, None)),
    ([("x-amz-meta-a", "x\r\nX-Evil: 1")], (400, "InvalidArgument")),
    ([("x-amz-meta-a\r\nX-Evil", "1")], (400, "InvalidArgument")),
    ([("x-amz-meta-a b", "1")], (400, "InvalidArgument")),
    ([("x-amz-website-redirect-location", "/x\ny: z")], (400, "InvalidArgument")),
    ([("x-amz-acl", "private"), ("x-amz-acl", "public-read")], (400, "InvalidRequest")),
    ([("x-amz-meta-a", "1"), ("X-Amz-Meta-A", "2")], (400, "InvalidRequest")),
    ([("X-Amz-Expires", "60")], (400, "InvalidRequest")),
    ([("x-amz-acl", "private"), ("x-amz-acl", "private")], (200, None)),
    ([("a\r\nb", "c"), ("a\r\nb", "d")], (200, None))])  # no option of ours
def test_a_presigned_option_is_one_that_a_header_could_be(raw, bucket, options, want):
    for method in ("PUT", "GET"):  # what was put is there to be got
        target = raw.signer().presign(method, raw.host, f"/{bucket}/k", options)
        answer = raw.send(request_bytes(method, target, {"Host": raw.host, "Content-Length": "0"}))
        assert (answer.status, answer.code) == want, (method, answer)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_header_that_is_no_list_is_said_once(raw, bucket, method):
    raw.request("PUT", f"/{bucket}/k", body=b"x")
    headers = raw.signer().headers(method, f"/{bucket}/k", (), {"Host": raw.host, "x-amz-expected-bucket-owner": "a"})
    twice = request_bytes(method, f"/{bucket}/k", headers).replace(b"\r\n\r\n", b"\r\nx-amz-expected-bucket-owner: b\r\n\r\n")
    assert raw.send(twice, head_request=method == "HEAD").status == 400


@pytest.mark.parametrize("value, algorithm, want", [
    ("NhCmhg==", "CRC32", (200, None)), ("NhCmhg==", None, (200, None)), ("NhCmhQ==", "CRC32", (400, "BadDigest")),
    ("AAAAAA==", "CRC32", (200, None)),  # the SDK for JavaScript, which had no body when it signed
    ("NhCmhg==", "SHA1", (400, "InvalidRequest")), ("NhCm", "CRC32", (400, "InvalidRequest"))])
def test_a_presigned_checksum_is_that_of_the_body(raw, bucket, value, algorithm, want):
    options = [("x-amz-checksum-crc32", value)] + ([("x-amz-sdk-checksum-algorithm", algorithm)] if algorithm else [])
    target = raw.signer().presign("PUT", raw.host, f"/{bucket}/k", options)
    answer = raw.send(request_bytes("PUT", target, {"Host": raw.host, "Content-Length": "5"}, b"hello"))
    assert (answer.status, answer.code) == want, answer
    assert want[0] != 200 or (answer.headers.get("x-amz-checksum-crc32") == value) == (value != "AAAAAA=="), answer


def test_presigned(raw, bucket):
    raw.request("PUT", f"/{bucket}/k", body=b"hello")
    s = raw.signer()
    target = s.presign("GET", raw.host, f"/{bucket}/k")
    assert raw.send(request_bytes("GET", target, {"Host": raw.host})).body == b"hello"
    assert raw.send(request_bytes("PUT", target, {"Host": raw.host, "Content-Length": "0"})).code == "SignatureDoesNotMatch"
    old = raw.signer(when=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=11))
    answer = raw.send(request_bytes("GET", old.presign("GET", raw.host, f"/{bucket}/k", expires=600), {"Host": raw.host}))
    assert answer.code == "AccessDenied" and b"expired" in answer.body, answer
    for expires in ("0", "604801", "-1", "x"):
        target = raw.signer().presign("GET", raw.host, f"/{bucket}/k", expires=expires)
        answer = raw.send(request_bytes("GET", target, {"Host": raw.host}))
        assert answer.code in ("AuthorizationQueryParametersError", "AccessDenied"), (expires, answer)


def chunked(raw, bucket, body, payload=STREAMING, headers=None, change=None, trailer=None, length=None, pieces=None,
            shut=False):
    s = raw.signer()
    h = {"Host": raw.host, "Content-Encoding": "aws-chunked",
         "x-amz-decoded-content-length": str(len(body) if length is None else length), **(headers or {})}
    signed = s.headers("PUT", f"/{bucket}/c", (), h, payload)
    if payload == STREAMING_UNSIGNED_TRAILER:
        data = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n" + f"{trailer[0]}:{trailer[1]}\r\n\r\n".encode()
    else:
        data = s.chunks([body] if pieces is None else pieces, trailer)
    data = change(data) if change else data
    signed["content-length"] = str(len(data))
    # what was cut short ends with the connection's writing half; the server must not wait for more
    return raw.send(request_bytes("PUT", f"/{bucket}/c", signed, data), shut=shut)


@pytest.mark.parametrize("size", [0, 1, 70_000, 600_000])
def test_signed_chunks(raw, bucket, size):
    body = b"x" * size
    pieces = [body[i:i + 65_536] for i in range(0, size, 65_536)]
    assert chunked(raw, bucket, body, pieces=pieces).status == 200
    got = raw.request("GET", f"/{bucket}/c")
    assert got.body == body and "content-encoding" not in got.headers


def test_chunks_with_trailers(raw, bucket):
    body = b"hello trailer"
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    announce = {"x-amz-trailer": "x-amz-checksum-crc32"}
    for payload in (STREAMING_UNSIGNED_TRAILER, STREAMING_TRAILER):
        good = chunked(raw, bucket, body, payload, announce, trailer=("x-amz-checksum-crc32", crc))
        assert good.status == 200 and good.headers.get("x-amz-checksum-crc32") == crc, good
        bad = chunked(raw, bucket, b"Hello trailer", payload, announce, trailer=("x-amz-checksum-crc32", crc))
        assert bad.code == "BadDigest", bad
        other = chunked(raw, bucket, body, payload, announce, trailer=("x-amz-checksum-sha1", crc))
        assert other.status == 400, other
    assert raw.request("GET", f"/{bucket}/c").body == body


@pytest.mark.parametrize("change, codes", [
    (lambda d: d.replace(b"signature=", b"signature=f", 1)[:-1], ("SignatureDoesNotMatch", "InvalidChunkSizeError", "IncompleteBody", "InvalidRequest")),
    (lambda d: d.replace(b"hello", b"jello"), ("SignatureDoesNotMatch",)),
    (lambda d: d[:40], ("IncompleteBody",)),
    (lambda d: d[:-2 - 85], ("IncompleteBody", "InvalidRequest")),
    (lambda d: b"zz" + d[1:], ("InvalidChunkSizeError", "IncompleteBody", "InvalidRequest", "MalformedTrailerError")),
    (lambda d: b"FFFFFFFFFFFFFFFFFF" + d[1:], ("InvalidChunkSizeError", "IncompleteBody", "InvalidRequest", "EntityTooLarge")),
])
def test_damaged_chunks_store_nothing(raw, bucket, change, codes):
    answer = chunked(raw, bucket, b"hello", change=change)
    assert answer is None or answer.code in codes, answer
    assert raw.request("HEAD", f"/{bucket}/c").status == 404


def test_the_decoded_length_must_be_true(raw, bucket):
    for length in (4, 6, 2**64):
        answer = chunked(raw, bucket, b"hello", length=length)
        assert answer.status in (400, 413) and answer.code, answer
    assert raw.request("HEAD", f"/{bucket}/c").status == 404


def test_signature_version_2_with_curl_like_headers(raw, bucket):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    text = f"GET\n\n\n{date}\n/{bucket}/"
    signature = base64.b64encode(hmac.new(raw.secret_key.encode(), text.encode(), hashlib.sha1).digest()).decode()
    headers = {"Host": raw.host, "Date": date, "Authorization": f"AWS {raw.access_key}:{signature}"}
    assert raw.send(request_bytes("GET", f"/{bucket}/", headers)).status == 200
    headers["Authorization"] = f"AWS {raw.access_key}:AAAA{signature[4:]}"
    assert raw.send(request_bytes("GET", f"/{bucket}/", headers)).code == "SignatureDoesNotMatch"


def test_continue_comes_after_the_head_was_judged(raw, bucket):
    data = raw.build("PUT", f"/{bucket}/k", body=b"hello", headers={"Expect": "100-continue"})
    head = data[:-5]
    with raw.cluster.socket() as sock:
        sock.sendall(head)
        assert sock.recv(1000).startswith(b"HTTP/1.1 100")
        sock.sendall(b"hello")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    refused = raw.build("PUT", "/no-such-bucket-at-all/k", body=b"hello", headers={"Expect": "100-continue"})
    with raw.cluster.socket() as sock:
        sock.sendall(refused[:-5])
        assert sock.recv(1000).startswith(b"HTTP/1.1 404")


def test_empty_payload_hash_constant(raw, bucket):
    assert raw.request("GET", f"/{bucket}", payload=EMPTY).status == 200
    answer = raw.request("GET", f"/{bucket}", payload="nonsense")
    assert answer.status == 400, answer
