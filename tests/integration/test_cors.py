# SPDX-License-Identifier: Apache-2.0
"""CORS: the configuration, preflights, and the headers of every answer, refusals included."""
import secrets

import pytest
from rawhttp import Raw, request_bytes
from test_objects import error

RULES = [
    {"ID": "app", "AllowedMethods": ["PUT", "POST", "GET"], "AllowedOrigins": ["https://*.app.example", "http://app"],
     "AllowedHeaders": ["*"], "ExposeHeaders": ["ETag", "x-amz-version-id"], "MaxAgeSeconds": 600},
    {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["*"], "AllowedHeaders": ["range", "x-amz-*"]}]
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


class Browser(Raw):
    def __init__(self, cluster, bucket):
        super().__init__(cluster)
        self.bucket = bucket

    def ask(self, method, target, origin, headers=None, host=None):
        h = {"Host": host or self.host, **({"Origin": origin} if origin else {}), **(headers or {})}
        return self.send(request_bytes(method, target, h), head_request=method == "HEAD")

    def preflight(self, target, origin, method=None, headers=None):
        h = {}
        if method is not None:
            h["Access-Control-Request-Method"] = method
        if headers is not None:
            h["Access-Control-Request-Headers"] = headers
        return self.ask("OPTIONS", target, origin, h)


@pytest.fixture
def browser(cluster, s3, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    return Browser(cluster, bucket)


def cors_of(r):
    return {k[len("access-control-"):]: v for k, v in r.headers.items() if k.startswith("access-control-")}


APP = {"allow-origin": "http://app", "allow-methods": "PUT, POST, GET", "expose-headers": "ETag, x-amz-version-id",
       "max-age": "600", "allow-credentials": "true"}


# ---- the configuration ----

def test_a_configuration_comes_back(s3, bucket):
    assert error(s3.get_bucket_cors, Bucket=bucket) == ("NoSuchCORSConfiguration", 404)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES[1:]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES[1:]
    for _ in range(2):
        assert s3.delete_bucket_cors(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error(s3.get_bucket_cors, Bucket=bucket)[0] == "NoSuchCORSConfiguration"


@pytest.mark.parametrize("rules, want", [
    ([], "MalformedXML"), ([{"AllowedMethods": ["GET"], "AllowedOrigins": []}], "MalformedXML"),
    ([{"AllowedMethods": [], "AllowedOrigins": ["*"]}], "MalformedXML"),
    ([{"AllowedMethods": ["OPTIONS"], "AllowedOrigins": ["*"]}], "InvalidRequest"),
    ([{"AllowedMethods": ["get"], "AllowedOrigins": ["*"]}], "InvalidRequest"),
    ([{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.*"]}], "InvalidRequest"),
    ([{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*-*"]}], "InvalidRequest"),
    ([{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "ExposeHeaders": ["x-*"]}], "InvalidRequest"),
    ([{"ID": "same", "AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}] * 2, "InvalidRequest"),
    ([{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}] * 101, "MalformedXML")])
def test_what_is_no_configuration(s3, bucket, rules, want):
    assert error(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": rules}) == (want, 400)
    assert error(s3.get_bucket_cors, Bucket=bucket)[0] == "NoSuchCORSConfiguration"


# ---- preflights ----

def test_preflights(browser, bucket):
    for target in (f"/{bucket}", f"/{bucket}/a/b", f"/{bucket}/k?X-Amz-Signature=0&X-Amz-Algorithm=AWS4-HMAC-SHA256"):
        r = browser.preflight(target, "http://app", "PUT", "Content-Type, X-Amz-Meta-A")
        assert r.status == 200 and r.body == b"", r
        assert cors_of(r) == {**APP, "allow-headers": "content-type, x-amz-meta-a"} and r.headers["vary"] == VARY
    r = browser.preflight(f"/{bucket}/k", "https://x.app.example", "POST")
    assert r.status == 200 and r.headers["access-control-allow-origin"] == "https://x.app.example"
    assert "access-control-allow-headers" not in r.headers
    r = browser.preflight(f"/{bucket}/k", "null", "HEAD", "range")
    assert cors_of(r) == {"allow-origin": "*", "allow-methods": "GET, HEAD", "allow-headers": "range"}
    assert r.headers["vary"] == VARY


def test_preflights_that_are_refused(cluster, s3, browser, bucket):
    for origin, method, headers, want in [
            ("http://app", "DELETE", None, (403, "AccessForbidden")), ("http://other", "PUT", None, (403, "AccessForbidden")),
            ("http://other", "GET", "content-type", (403, "AccessForbidden")), (None, "GET", None, (400, "BadRequest")),
            ("http://app", None, None, (400, "BadRequest")), ("http://app", "PATCH", None, (400, "BadRequest")),
            ("http://app", "put", None, (400, "BadRequest")), ("", "GET", None, (400, "BadRequest"))]:
        r = browser.preflight(f"/{bucket}/k", origin, method, headers)
        assert (r.status, r.code) == want and not cors_of(r), (origin, method, headers, r)
    r = browser.preflight(f"/{bucket}/k", "http://other", "PUT")
    assert b"<Method>PUT</Method>" in r.body and b"<ResourceType>OBJECT</ResourceType>" in r.body
    assert browser.preflight("/no-such-bucket-here/k", "http://app", "GET").code == "NoSuchBucket"
    s3.delete_bucket_cors(Bucket=bucket)
    r = browser.preflight(f"/{bucket}", "http://app", "GET")
    assert (r.status, r.code) == (403, "AccessForbidden") and b"<ResourceType>BUCKET</ResourceType>" in r.body


# ---- answers ----

def test_answers_carry_the_headers(cluster, s3, browser, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789", ACL="public-read")
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    for method, headers, status in [("GET", {}, 200), ("GET", {"Range": "bytes=0-3"}, 206), ("GET", {"If-None-Match": etag}, 304),
                                    ("GET", {"If-Match": '"x"'}, 412), ("GET", {"Range": "bytes=99-"}, 416)]:
        r = browser.ask(method, f"/{bucket}/k", "http://app", headers)
        assert r.status == status and cors_of(r) == APP and r.headers["vary"] == VARY, (headers, r)
    r = browser.ask("HEAD", f"/{bucket}/k", "http://app")  # the second rule: the first has no HEAD
    assert r.status == 200 and cors_of(r) == {"allow-origin": "*", "allow-methods": "GET, HEAD"}
    assert not cors_of(browser.ask("GET", f"/{bucket}/k", None))
    # by what the browser says it will send, when it says so
    r = browser.ask("GET", f"/{bucket}/k", "http://app", {"Access-Control-Request-Method": "PUT",
                                                          "Access-Control-Request-Headers": "X-A"})
    assert cors_of(r) == {**APP, "allow-headers": "x-a"}
    assert not cors_of(browser.ask("GET", f"/{bucket}/k", "http://app", {"Access-Control-Request-Method": "DELETE"}))
    # no rule: the request goes on without
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES[:1]})
    r = browser.ask("GET", f"/{bucket}/k", "http://other")
    assert r.status == 200 and not cors_of(r)


REFUSALS = [("GET", "/k", {}, 403), ("GET", "/k", {"Authorization": "nonsense"}, 400),
            ("GET", "/k", {"Authorization": "AWS nobody:x"}, 403), ("GET", "/k?X-Amz-Signature=1", {}, 400),
            ("GET", "/k?uploads", {}, 400), ("GET", "/k?torrent", {}, 501), ("POST", "?cors", {"Content-Length": "0"}, 405),
            ("PUT", "/k", {"Content-Length": "x"}, 400), ("PUT", "/k", {"Content-Length": str(6 << 30), "Expect": "100-continue"}, 403)]


def test_refusals_carry_them_too(browser, bucket):
    for method, rest, headers, status in REFUSALS:
        r = browser.ask(method, f"/{bucket}{rest}", "http://app", headers)
        assert r.status == status, (method, rest, headers, r)
        if "Content-Length" not in headers or headers["Content-Length"] != "x":  # the library's own refusal
            assert cors_of(r) == APP, (method, rest, headers, r)


def test_also_when_nothing_of_the_bucket_is_in_memory(fresh_cluster):
    fresh_cluster.boto3().create_bucket(Bucket="cold-bucket")
    fresh_cluster.boto3().put_bucket_cors(Bucket="cold-bucket", CORSConfiguration={"CORSRules": RULES})
    for method, rest, headers, status in REFUSALS[1:6]:
        fresh_cluster.restart()
        browser = Browser(fresh_cluster, "cold-bucket")
        r = browser.ask(method, f"/cold-bucket{rest}", "http://app", headers)
        assert r.status == status and cors_of(r) == APP, (method, rest, headers, r)


def test_signed_requests_and_virtual_hosts(cluster, s3, browser, bucket):
    r = browser.request("PUT", f"/{bucket}/k", body=b"x", headers={"Origin": "http://app"})
    assert r.status == 200 and cors_of(r) == APP
    r = browser.request("DELETE", f"/{bucket}/k", headers={"Origin": "http://app"})
    assert r.status == 204 and not cors_of(r)
    r = browser.request("GET", f"/{bucket}/gone", headers={"Origin": "http://app"})
    assert (r.status, r.code) == (404, "NoSuchKey") and cors_of(r) == APP
    r = browser.ask("OPTIONS", "/k", "http://app", {"Access-Control-Request-Method": "PUT"},
                    host=f"{bucket}.s3.localhost:{cluster.port}")
    assert r.status == 200 and cors_of(r) == APP
    name = "b" + secrets.token_hex(6)
    assert not cors_of(browser.request("PUT", f"/{name}", headers={"Origin": "http://app"}))  # a new bucket has no rules
