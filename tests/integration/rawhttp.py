# SPDX-License-Identifier: Apache-2.0
"""rawhttp - requests byte by byte, signed by our own SigV4, for what no client library would send.

Rule: AWS "Authenticating Requests (AWS Signature Version 4)", "Signature Calculations for the
Authorization Header: Transferring Payload in Multiple Chunks".
"""
import datetime
import hashlib
import hmac
import re
import socket
import ssl
import urllib.parse

UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
EMPTY = hashlib.sha256(b"").hexdigest()


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quote(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


class Signer:
    """Signs for one moment; every part can be changed before it is used, to make it wrong."""

    def __init__(self, access_key, secret_key, region="us-east-1", service="s3", when=None):
        self.access_key, self.secret_key, self.region, self.service = access_key, secret_key, region, service
        self.when = when or datetime.datetime.now(datetime.timezone.utc)
        self.stamp = self.when.strftime("%Y%m%dT%H%M%SZ")
        self.date = self.stamp[:8]

    @property
    def scope(self):
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    def key(self):
        k = _hmac(("AWS4" + self.secret_key).encode(), self.date)
        for part in (self.region, self.service, "aws4_request"):
            k = _hmac(k, part)
        return k

    def signature(self, method, path, query, headers, signed, payload):
        pairs = sorted((quote(k), quote(v)) for k, v in query)
        canonical = "\n".join([
            method, quote(path, safe="-_.~/"), "&".join(f"{k}={v}" for k, v in pairs),
            "".join(f"{h}:{' '.join(headers[h].split())}\n" for h in signed), ";".join(signed), payload])
        self.string_to_sign = "\n".join(["AWS4-HMAC-SHA256", self.stamp, self.scope,
                                         hashlib.sha256(canonical.encode()).hexdigest()])
        return hmac.new(self.key(), self.string_to_sign.encode(), hashlib.sha256).hexdigest()

    def headers(self, method, path, query=(), headers=None, payload=EMPTY):
        """All headers of a request (lower-case names) with Authorization; `host` must be given."""
        all_headers = {k.lower(): v for k, v in (headers or {}).items()}
        all_headers["x-amz-date"] = self.stamp
        all_headers["x-amz-content-sha256"] = payload
        signed = sorted(h for h in all_headers if h == "host" or h.startswith("x-amz-") or h == "content-md5")
        self.seed = self.signature(method, path, query, all_headers, signed, payload)
        all_headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope}, "
                                        f"SignedHeaders={';'.join(signed)}, Signature={self.seed}")
        return all_headers

    def presign(self, method, host, path, query=(), expires=600):
        query = list(query) + [("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
                               ("X-Amz-Credential", f"{self.access_key}/{self.scope}"),
                               ("X-Amz-Date", self.stamp), ("X-Amz-Expires", str(expires)),
                               ("X-Amz-SignedHeaders", "host")]
        signature = self.signature(method, path, query, {"host": host}, ["host"], UNSIGNED)
        query.append(("X-Amz-Signature", signature))
        return quote(path, safe="-_.~/") + "?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in query)

    def chunks(self, pieces, trailer=None):
        """aws-chunked body of signed chunks after headers(); with @trailer (name, value) a signed trailer."""
        previous, out = self.seed, b""
        for piece in list(pieces) + [b""]:
            text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", self.stamp, self.scope, previous, EMPTY,
                              hashlib.sha256(piece).hexdigest()])
            previous = hmac.new(self.key(), text.encode(), hashlib.sha256).hexdigest()
            out += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + (b"\r\n" if piece else b"")
        if trailer is None:
            return out + b"\r\n"
        line = f"{trailer[0]}:{trailer[1]}"
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", self.stamp, self.scope, previous,
                          hashlib.sha256((line + "\n").encode()).hexdigest()])
        signature = hmac.new(self.key(), text.encode(), hashlib.sha256).hexdigest()
        return out + f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()


class Response:
    def __init__(self, status, reason, headers, body, complete):
        self.status, self.reason, self.headers, self.body, self.complete = status, reason, headers, body, complete

    @property
    def code(self):
        """The S3 error code of an error document."""
        match = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return match.group(1).decode() if match else None

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers} {self.body[:300]!r}>"


class Cut(AssertionError):
    """The connection ended within the head of an answer."""


def read_response(sock, head_request=False):
    """One answer from a socket; None when the peer closed without one. 1xx are skipped, and counted."""
    data, continues = b"", 0
    while True:
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                if data:
                    raise Cut(f"half an answer: {data!r}")
                return None
            data += piece
        head, data = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        _, status, reason = (lines[0].split(" ", 2) + [""])[:3]
        if status.startswith("1"):
            continues += 1
            continue
        break
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        headers[name.strip().lower()] = value.strip()
    complete = True
    if head_request or status in ("204", "304"):
        body = b""
    elif "content-length" in headers:
        want, body = int(headers["content-length"]), data
        while len(body) < want:
            piece = sock.recv(65536)
            if not piece:
                complete = False
                break
            body += piece
    elif headers.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            while b"\r\n" not in data:
                data += sock.recv(65536)
            size, data = data.split(b"\r\n", 1)
            n = int(size, 16)
            while len(data) < n + 2:
                data += sock.recv(65536)
            body, data = body + data[:n], data[n + 2:]
            if n == 0:
                break
    else:
        body = data
        while piece := sock.recv(65536):
            body += piece
    response = Response(int(status), reason, headers, body, complete)
    response.continues = continues
    return response


def request_bytes(method, target, headers, body=b""):
    lines = [f"{method} {target} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class NotifiedSocket:
    """A TLS connection that sends close_notify behind what it says (@also: and TCP's end), and reads on. What it
    says goes in records of @record bytes. By hand, since Python's sockets wait for the other side's close_notify there."""

    def __init__(self, cluster, data, also=False, record=16384, version=ssl.TLSVersion.TLSv1_3, timeout=30):
        context = ssl.create_default_context(cafile=str(cluster.certificate))
        context.minimum_version = context.maximum_version = version
        self.tcp = socket.create_connection(("127.0.0.1", cluster.port), timeout=timeout)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self._until_done(self.tls.do_handshake)
        for at in range(0, len(data), record):
            self.tls.write(data[at:at + record])
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # sent; the other side's is not waited for
        self.tcp.sendall(self.outgoing.read())  # in one piece with what was said
        if also:
            self.tcp.shutdown(socket.SHUT_WR)

    def _flush(self):
        if out := self.outgoing.read():
            self.tcp.sendall(out)

    def _until_done(self, step, *args):
        while True:
            try:
                done = step(*args)
                self._flush()
                return done
            except ssl.SSLWantReadError:
                self._flush()
                piece = self.tcp.recv(65536)
                self.incoming.write(piece) if piece else self.incoming.write_eof()

    def recv(self, n):
        try:
            return self._until_done(self.tls.read, n)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tcp.close()


class Raw:
    """Signed requests over sockets of our own, against one cluster."""

    def __init__(self, cluster, access_key=None, secret_key=None):
        self.cluster = cluster
        self.access_key, self.secret_key = access_key or cluster.access_key, secret_key or cluster.secret_key
        self.host = f"127.0.0.1:{cluster.port}"

    def signer(self, **kw):
        return Signer(self.access_key, self.secret_key, self.cluster.region, **kw)

    def build(self, method, path, query=(), headers=None, body=b"", payload=None, signer=None, length=True):
        s = signer or self.signer()
        h = {"Host": self.host, **(headers or {})}
        payload = payload if payload is not None else hashlib.sha256(body).hexdigest()
        signed = s.headers(method, path, query, h, payload)
        if length and (body or method in ("PUT", "POST")) and "content-length" not in signed:
            signed["content-length"] = str(len(body))
        target = quote(path, safe="-_.~/")
        if query:
            target += "?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in query)
        return request_bytes(method, target, signed, body)

    def send(self, data, head_request=False, timeout=60, shut=False, to_the_end=False):
        """Send bytes as they are, read one answer (None: closed without one). @shut: close behind them.
        @to_the_end: the server closes behind its answer; what else it sends is added to the body."""
        with self.cluster.socket(timeout) as sock:
            try:
                sock.sendall(data)
                if shut:
                    socket.socket.shutdown(sock, socket.SHUT_WR)  # of TCP, under TLS too
            except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                pass  # the server answered and closed before it took everything: read what it said
            try:
                answer = read_response(sock, head_request)
            except ConnectionResetError:
                return None
            if to_the_end and answer is not None:
                answer.body += sock.recv(65536)
            return answer

    def request(self, method, path, **kw):
        return self.send(self.build(method, path, **kw), head_request=method == "HEAD")
