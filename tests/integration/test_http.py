# SPDX-License-Identifier: Apache-2.0
"""The HTTP layer: heads that cannot be, clients that leave in the middle, documents and their Content-MD5."""
import base64
import hashlib

import pytest
from rawhttp import EMPTY, UNSIGNED, Raw, read_response, request_bytes


def head(raw, line="GET / HTTP/1.1", *more):
    return "\r\n".join([line, f"Host: {raw.host}", *more, "", ""]).encode()


def is_a_document(answer, status, code):
    """An error as S3 sends it, whoever noticed it, and nothing else on the wire."""
    assert answer is not None and (answer.status, answer.code) == (status, code), answer
    request_id = answer.headers["x-amz-request-id"]
    assert f"<RequestId>{request_id}</RequestId>".encode() in answer.body and answer.headers["x-amz-id-2"]
    assert answer.headers["content-type"] == "application/xml" and answer.headers["server"] and answer.headers["date"]
    assert len(answer.body) == int(answer.headers["content-length"]) and answer.body.startswith(b"<?xml")


@pytest.mark.parametrize("more, code", [
    (["Content-Length: -1"], "BadRequest"), (["Content-Length: 1 2"], "BadRequest"), (["Content-Length: x"], "BadRequest"),
    (["Content-Length: "], "BadRequest"), (["Content-Length: " + "9" * 25], "EntityTooLarge"),
    (["no colon"], "BadRequest"), (["Content-Length: 1", "Content-Length: 2"], "BadRequest"),
    (["x: " + "y" * 9_000], "RequestHeaderSectionTooLarge"), (["x: " + "y" * 60_000], "RequestHeaderSectionTooLarge")])
def test_heads_that_cannot_be(cluster, more, code):
    raw = Raw(cluster)
    is_a_document(raw.send(head(raw, "PUT /bucket/key HTTP/1.1", *more)), 400, code)


@pytest.mark.parametrize("line, code", [("GET / HTTP/3.7", "BadRequest"),
                                        ("GET /bucket/" + "k" * 60_000 + " HTTP/1.1", "KeyTooLongError")])
def test_request_lines_that_cannot_be(cluster, line, code):
    raw = Raw(cluster)
    is_a_document(raw.send(head(raw, line)), 400, code)


def test_a_host_is_needed(cluster):
    is_a_document(Raw(cluster).send(b"GET / HTTP/1.1\r\n\r\n"), 400, "BadRequest")


def test_refusals_over_tls(tls_cluster):
    import ssl
    context = ssl.create_default_context(cafile=str(tls_cluster.certificate))
    with context.wrap_socket(tls_cluster.socket(), server_hostname="localhost") as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 60_000 + b"\r\n\r\n")
        is_a_document(read_response(sock), 400, "RequestHeaderSectionTooLarge")


def test_large_metadata_has_its_own_error(cluster, bucket):
    answer = Raw(cluster).request("PUT", f"/{bucket}/k", body=b"x", headers={"x-amz-meta-a": "v" * 9_000})
    assert (answer.status, answer.code) == (400, "MetadataTooLarge"), answer


def test_clients_that_leave_in_the_middle_are_let_go(cluster, bucket):
    raw = Raw(cluster)
    whole = raw.build("PUT", f"/{bucket}/k", body=b"x" * 100, payload=UNSIGNED)
    for part in (whole[:50], whole[:-10], b""):
        # far less than the idle timeout, and than the test's own patience
        assert raw.send(part, timeout=20, shut=True) is None
    assert raw.request("HEAD", f"/{bucket}/k").status == 404


def test_who_closes_behind_a_whole_request_is_answered(cluster, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"y" * 3_000_000)
    raw = Raw(cluster)
    answer = raw.send(raw.build("GET", f"/{bucket}/k"), shut=True)
    assert answer.complete and len(answer.body) == 3_000_000


DOCUMENTS = [("PUT", "policy"), ("PUT", "acl"), ("PUT", "cors"), ("PUT", "tagging"), ("PUT", "versioning"),
             ("PUT", "lifecycle"), ("PUT", "publicAccessBlock"), ("PUT", "ownershipControls"), ("POST", "delete")]


@pytest.mark.parametrize("method, query", DOCUMENTS)
def test_a_document_is_checked_against_its_md5(cluster, s3, bucket, method, query):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    raw = Raw(cluster)
    answer = raw.request(method, f"/{bucket}", query=[(query, "")], body=body, headers={"Content-MD5": wrong})
    assert (answer.status, answer.code) == (400, "BadDigest") and b"<CalculatedDigest>" in answer.body, answer
    answer = raw.request(method, f"/{bucket}", query=[(query, "")], body=body, headers={"Content-MD5": "abc"})
    assert (answer.status, answer.code) == (400, "InvalidDigest"), answer
    assert s3.head_object(Bucket=bucket, Key="k")


def test_a_refusal_comes_instead_of_100_continue(cluster, bucket):
    raw = Raw(cluster)
    for length in ("0", "5"):
        headers = {"Host": raw.host, "Expect": "100-continue", "Content-Length": length}
        answer = raw.send(request_bytes("PUT", f"/{bucket}/k", headers))
        assert (answer.status, answer.code, answer.continues) == (403, "AccessDenied", 0), answer
    signed = raw.signer().headers("PUT", f"/{bucket}/k", (), {"Host": raw.host}, EMPTY)
    answer = raw.send(request_bytes("PUT", f"/{bucket}/k", {**signed, "Expect": "100-continue", "Content-Length": "0"}))
    assert answer.status == 200, answer
