# SPDX-License-Identifier: Apache-2.0
"""The HTTP layer: heads that cannot be, clients that leave in the middle, documents and their Content-MD5, threads."""
import base64
import hashlib
import os
import pathlib
import re
import signal
import socket
import ssl

import pytest
from cluster import make_certificate, running, wait_until
from rawhttp import (EMPTY, STREAMING_UNSIGNED_TRAILER, UNSIGNED, NotifiedSocket, Raw, read_response,
                     request_bytes)


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
    (["no colon"], "BadRequest"), (["Content-Length: 1", "Content-Length: 2"], "BadRequest"), (["Range : bytes=0-1"], "BadRequest"),
    (["Transfer-Encoding\v: chunked"], "BadRequest"), (["Content Length: 1"], "BadRequest"), (["x\x7f: 1"], "BadRequest"),
    (["x: 1\rContent-Length: 1"], "BadRequest"),
    (["Content-Length: 1", "x: " + "y" * 9_000, "Content-Length: 2"], "BadRequest"),  # however long it is
    (["x: " + "y" * 60_000], "RequestHeaderSectionTooLarge")])
def test_heads_that_cannot_be(either, more, code):
    raw = Raw(either)
    is_a_document(raw.send(head(raw, "PUT /bucket/key HTTP/1.1", *more), to_the_end=True), 400, code)


@pytest.mark.parametrize("line, code", [("GET / HTTP/3.7", "BadRequest"),
                                        ("GET /bucket/" + "k" * 60_000 + " HTTP/1.1", "KeyTooLongError")])
def test_request_lines_that_cannot_be(either, line, code):
    raw = Raw(either)
    is_a_document(raw.send(head(raw, line), to_the_end=True), 400, code)


def test_a_host_is_needed(either):
    """Just one: which of two is meant, a proxy before us may see otherwise."""
    for hosts in (b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nHost: a\r\n"):
        is_a_document(Raw(either).send(b"GET / HTTP/1.1\r\n" + hosts + b"\r\n", to_the_end=True), 400, "BadRequest")


@pytest.mark.parametrize("line", [b":", b": x", b"\0", b"\0: x", b"Content-Type: a\r\n b", b"Content-Type: a\r\n\tb",
                                  b"Content-Type: text/\0html", b"Content-Typ: 1\r\n e"])
@pytest.mark.parametrize("where", ["first", "between", "last"])
def test_a_line_that_is_none_does_not_end_the_head(either, line, where):
    """Or bytes of the head would be data, and data the next request. Nor is what it says taken for what it does not.
    Rule: RFC 9112, 5 and 5.2; RFC 9110, 5.5."""
    either.boto3().create_bucket(Bucket="lines")
    raw, follower = Raw(either), b"DELETE /lines HTTP/1.1\r\nHost: x\r\n\r\n"
    whole = raw.build("PUT", "/lines/k", body=b"a body" + follower, payload=UNSIGNED)
    at = {"first": b"\r\nHost", "between": b"\r\ncontent-length", "last": b"\r\n\r\n"}[where]
    found = re.search(re.escape(at), whole, re.IGNORECASE).start()
    is_a_document(raw.send(whole[:found] + b"\r\n" + line + whole[found:], to_the_end=True), 400, "BadRequest")
    assert raw.request("HEAD", "/lines/k").status == 404
    for first in ("GET /lines/a\0b HTTP/1.1", "GET\0S /lines HTTP/1.1"):
        is_a_document(raw.send(head(raw, first), to_the_end=True), 400, "BadRequest")


def test_heads_come_in_pieces_and_with_either_end_of_line(either):
    """What is measured there (http/lines.h) is measured rightly."""
    either.boto3().create_bucket(Bucket="pieces")
    raw = Raw(either)
    whole = raw.build("PUT", "/pieces/k", body=b"data", payload=UNSIGNED, headers={"x-amz-meta-a": "1"}, query=[("a", "b"), ("c", "d ")])
    first, rest = whole.split(b"\r\n\r\n")
    lines = [b"x-empty:", b"x-blanks: \t ", b"x-tight:1", b"Cookie: a=b; c=d"] + [b"x-long-%d: " % i + b"v" * 700 for i in range(8)]
    for end in (b"\r\n", b"\n"):
        text = end.join(first.split(b"\r\n") + lines) + end + end
        with either.socket() as sock:
            for part in [text[i:i + 333] for i in range(0, len(text), 333)] + [rest]:
                sock.sendall(part)
            assert read_response(sock).status == 200
            sock.sendall(b"\r\n" + raw.build("GET", "/pieces/k"))
            assert read_response(sock).body == b"data"


@pytest.mark.parametrize("method, coding", [("GET", "identity"), ("PUT", "gzip, chunked"), ("PUT", "chunked, chunked"), ("HEAD", "x")])
def test_only_chunked_is_a_transfer_coding(either, method, coding):
    """Rule: RFC 9112, 6.1. A server that waits for such a body waits for ever."""
    raw = Raw(either)
    answer = raw.send(head(raw, f"{method} /bucket/key HTTP/1.1", f"Transfer-Encoding: {coding}"), method == "HEAD")
    assert answer.status == 501 and answer.headers["connection"] == "close"
    assert method == "HEAD" or (answer.code == "NotImplemented" and b"<Header>Transfer-Encoding</Header>" in answer.body)


@pytest.mark.parametrize("version, more, kept", [("1.1", {}, True), ("1.0", {"Connection": "keep-alive"}, False),
                                                 ("1.1", {"Content-Length": "3"}, False)])
def test_who_is_ahead_of_their_version_is_hung_up_on(either, version, more, kept):
    """Chunks in HTTP/1.0, or beside a length: where the body ends is not certain. Rule: RFC 9112, 6.1."""
    either.boto3().create_bucket(Bucket="chunked")
    raw = Raw(either)
    whole = raw.build("PUT", "/chunked/key", payload=STREAMING_UNSIGNED_TRAILER, length=False,
                      headers={"x-amz-decoded-content-length": "5"})
    lines = "".join(f"\r\n{k}: {v}" for k, v in {"Transfer-Encoding": "chunked", **more}.items()).encode()
    whole = whole.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1).replace(b"\r\n\r\n", lines + b"\r\n\r\n", 1)
    with either.socket() as sock:
        sock.sendall(whole + b"f\r\n5\r\nhello\r\n0\r\n\r\n\r\n0\r\n\r\n")
        answer = read_response(sock)
        assert answer.status == 200 and (answer.headers.get("connection") != "close") == kept, answer
        if kept:
            sock.sendall(raw.build("HEAD", "/chunked/key"))
            assert read_response(sock, True).status == 200
        else:
            assert sock.recv(1) == b""


def test_a_head_that_is_too_large(either):
    raw = Raw(either)
    is_a_document(raw.send(head(raw, "GET / HTTP/1.1", "x: " + "y" * 9_000)), 400, "RequestHeaderSectionTooLarge")


def test_chunks_that_cannot_be(either):
    either.boto3().create_bucket(Bucket="chunks")
    raw = Raw(either)
    whole = raw.build("PUT", "/chunks/key", payload=STREAMING_UNSIGNED_TRAILER, length=False,
                      headers={"Transfer-Encoding": "chunked", "x-amz-decoded-content-length": "5"})
    is_a_document(raw.send(whole + b"zz\r\n", to_the_end=True), 400, "BadRequest")


def test_a_refused_head_says_what_get_would(either):
    """And none of the document follows: the connection goes on. Rule: RFC 9110, 8.6 and 9.3.2."""
    either.boto3().create_bucket(Bucket="heads")
    raw = Raw(either)
    raw.request("PUT", "/heads/k", body=b"data")
    refused = [("/heads/none", {}), ("/heads/k", {"If-Match": '"x"'}), ("/heads/k", {"Range": "bytes=9-"}),
               ("/heads/k", {"x-amz-server-side-encryption": "AES256"}), ("/none-such/k", {})]
    with either.socket() as sock:
        for path, headers in refused:
            said = []
            for method in ("GET", "HEAD"):
                sock.sendall(raw.build(method, path, headers=headers))
                said.append(read_response(sock, method == "HEAD"))
            get, head_ = said
            assert get.status == head_.status >= 400 and get.body and not head_.body, (get, head_)
            for answer in said:
                for name in ("date", "x-amz-request-id", "x-amz-id-2"):
                    del answer.headers[name]
            assert head_.headers == get.headers


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


@pytest.fixture(scope="module", params=["http", "https"])
def impatient(request):
    """A server with a bucket, that waits two seconds for clients."""
    with running("idle_timeout = 2s\n", tls=request.param == "https") as c:
        c.boto3().create_bucket(Bucket="bucket")
        yield c


@pytest.mark.parametrize("size", [0, 100, 40_000, 3_000_000])
def test_who_closes_behind_a_whole_request_is_answered(either, size):
    either.boto3().create_bucket(Bucket=(bucket := f"closes-{size}"))
    raw, body = Raw(either), b"y" * size
    for _ in range(5):
        answer = raw.send(raw.build("PUT", f"/{bucket}/k", body=body), shut=True)
        assert answer and answer.status == 200, answer
        answer = raw.send(raw.build("GET", f"/{bucket}/k"), shut=True)
        assert answer and answer.complete and answer.body == body
    document = b"<Delete><Object><Key>k</Key></Object></Delete>"
    md5 = {"Content-MD5": base64.b64encode(hashlib.md5(document).digest()).decode()}
    answer = raw.send(raw.build("POST", f"/{bucket}", query=[("delete", "")], body=document, headers=md5), shut=True)
    assert answer and answer.status == 200, answer


@pytest.mark.parametrize("also", [False, True], ids=["notified", "closed too"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size, record", [(0, 16384), (100, 16384), (100, 50), (40_000, 700), (3_000_000, 16384)])
def test_who_ends_tls_behind_a_whole_request_is_answered(tls_cluster, size, record, version, also):
    """close_notify is the end of one direction. Rule: RFC 8446, 6.1."""
    tls_cluster.boto3().create_bucket(Bucket=(bucket := f"notifies-{size}-{record}-{version.name[-1]}-{int(also)}"))
    raw, body = Raw(tls_cluster), b"y" * size
    for method, sent in [("PUT", body), ("GET", b"")] * 2:
        with NotifiedSocket(tls_cluster, raw.build(method, f"/{bucket}/k", body=sent), also, record, version) as sock:
            answer = read_response(sock)
        assert answer and answer.status == 200 and answer.complete, answer
        assert answer.body == (body if method == "GET" else b"")


def test_who_ends_tls_in_the_middle_is_let_go(tls_cluster):
    tls_cluster.boto3().create_bucket(Bucket="leaves")
    raw = Raw(tls_cluster)
    whole = raw.build("PUT", "/leaves/k", body=b"x" * 100, payload=UNSIGNED)
    for part in (whole[:50], whole[:-10], b""):
        with NotifiedSocket(tls_cluster, part, timeout=20) as sock:
            assert read_response(sock) is None
    assert raw.request("HEAD", "/leaves/k").status == 404


@pytest.mark.parametrize("arrived", [0, 10, 90])
def test_an_upload_that_stands_still_is_told_so(impatient, arrived):
    raw = Raw(impatient)
    whole = raw.build("PUT", "/bucket/k", body=b"x" * 100)
    answer = raw.send(whole[:-100 + arrived], to_the_end=True)
    is_a_document(answer, 400, "RequestTimeout")
    assert answer.headers["connection"] == "close"
    assert raw.request("HEAD", "/bucket/k").status == 404


def test_a_refused_upload_that_stands_still_is_told_why(impatient):
    raw = Raw(impatient)
    whole = raw.build("PUT", "/no-such-bucket/k", body=b"x" * 100)
    is_a_document(raw.send(whole[:-10], to_the_end=True), 404, "NoSuchBucket")


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


def shown_certificate(c):
    with c.socket() as sock:
        return sock.getpeercert()["serialNumber"]


def said(c, event):
    return [line for line in c.log_path.read_text().splitlines() if f" {event} " in line]


def test_a_certificate_is_changed_without_a_restart(tmp_path):
    """SIGHUP; who is connected stays so, and a bad pair of files changes nothing."""
    with running(tls=True, folder=tmp_path) as c:
        first, s3 = shown_certificate(c), c.boto3()
        s3.create_bucket(Bucket="bucket")
        old = c._trust()  # of who connected before
        with c.socket() as before:
            old_key = c.key_file.read_bytes()
            make_certificate(c.folder)
            c.process.send_signal(signal.SIGHUP)
            wait_until("the new certificate", lambda: said(c, "http.certificate_read"))
            assert shown_certificate(c) != first  # and trusted: c.certificate is the new file
            with pytest.raises(ssl.SSLCertVerificationError), socket.create_connection(("127.0.0.1", c.port)) as sock:
                old.wrap_socket(sock, server_hostname="localhost")
            before.sendall(Raw(c).build("HEAD", "/bucket"))
            assert read_response(before, head_request=True).status == 200
        second = shown_certificate(c)
        for bad, why in ((old_key, "not the key of the certificate"), (b"no key", "TLS key"), (None, "TLS key")):
            new_key = c.key_file.read_bytes()
            c.key_file.unlink() if bad is None else c.key_file.write_bytes(bad)
            n = len(said(c, "http.certificate_kept"))
            c.process.send_signal(signal.SIGHUP)
            line = wait_until("the error", lambda: said(c, "http.certificate_kept")[n:])[0]
            assert " error " in line and why in line, line
            assert shown_certificate(c) == second
            c.key_file.write_bytes(new_key)
        assert len(said(c, "http.certificate_kept")) == 3


def watched_by_threads(c, clients):
    """How many of the connections each HTTP thread watches: each has an epoll, with a copy of the listener in it."""
    here, ports = f":{c.port:04X}", {f":{s.getsockname()[1]:04X}" for s in clients}
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    rows = [row for row in rows if row[1].endswith(here)]
    listeners = {row[9] for row in rows if row[3] == "0A"}
    ours = {row[9] for row in rows if row[3] == "01" and row[2][-5:] in ports}
    process, counts = pathlib.Path(f"/proc/{c.process.pid}"), []
    for fd in (process / "fd").iterdir():
        try:
            if "eventpoll" not in os.readlink(fd):
                continue
            watched = re.findall(r"tfd: *([0-9]+)", (process / "fdinfo" / fd.name).read_text())
            inodes = {os.readlink(process / "fd" / w).strip("socket:[]") for w in watched}
        except FileNotFoundError:
            continue # closed meanwhile
        if inodes & listeners:
            counts.append(len(inodes & ours))
    return counts


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_connections_that_come_at_once_are_spread_over_the_threads(tls):
    with running("http_threads = 3\n", tls=tls) as c:
        c.process.send_signal(signal.SIGSTOP) # so that all are there when the first thread looks
        try:
            clients = [socket.create_connection(("127.0.0.1", c.port), timeout=60) for _ in range(9)]
        finally:
            c.process.send_signal(signal.SIGCONT)
        wait_until("all are accepted", lambda: sum(watched_by_threads(c, clients)) == 9)
        assert watched_by_threads(c, clients) == [3, 3, 3]
        clients = [c._trust().wrap_socket(s, server_hostname="localhost") if tls else s for s in clients]
        for s in clients:
            s.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert read_response(s).status == 200
            s.close()
