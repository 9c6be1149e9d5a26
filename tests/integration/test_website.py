# SPDX-License-Identifier: Apache-2.0
"""Website configurations, and buckets seen through their website host names."""
import json
import secrets
import socket

import pytest
from rawhttp import Raw, read_response, request_bytes
from test_objects import error

RULES = [{"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
         {"Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "lost/"},
          "Redirect": {"HostName": "elsewhere.example", "Protocol": "https", "HttpRedirectCode": "302"}},
         {"Condition": {"KeyPrefixEquals": "one"}, "Redirect": {"ReplaceKeyWith": "two"}}]
SITE = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "errors/404.html"}}


def let_read(s3, bucket, *prefixes, listing=True):
    statements = [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                   "Resource": [f"arn:aws:s3:::{bucket}/{p}*" for p in prefixes or ("",)]}]
    if listing:
        statements.append({"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket",
                           "Resource": f"arn:aws:s3:::{bucket}"})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


class Site(Raw):
    def __init__(self, cluster, bucket):
        super().__init__(cluster)
        self.host = f"{bucket}.web.localhost:{cluster.port}"

    def get(self, target, method="GET", headers=None):
        return self.send(request_bytes(method, target, {"Host": self.host, **(headers or {})}),
                         head_request=method == "HEAD")


@pytest.fixture
def site(cluster, s3, bucket):
    """A public bucket with a few pages."""
    for key in ("index.html", "a.html", "photos/index.html", "photos/b.html", "errors/404.html", "new/x"):
        s3.put_object(Bucket=bucket, Key=key, Body=f"<p>{key}</p>".encode(), ContentType="text/html")
    let_read(s3, bucket)
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={**SITE, "RoutingRules": RULES})
    return Site(cluster, bucket)


# ---- the configuration ----

@pytest.mark.parametrize("conf", [
    {"IndexDocument": {"Suffix": "i"}}, SITE, {**SITE, "RoutingRules": RULES},
    {"RedirectAllRequestsTo": {"HostName": "h.example"}},
    {"RedirectAllRequestsTo": {"HostName": "h.example", "Protocol": "https"}}])
def test_a_configuration_comes_back(s3, bucket, conf):
    assert error(s3.get_bucket_website, Bucket=bucket) == ("NoSuchWebsiteConfiguration", 404)
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=conf)
    answer = s3.get_bucket_website(Bucket=bucket)
    del answer["ResponseMetadata"]
    assert answer == conf
    assert s3.delete_bucket_website(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    s3.delete_bucket_website(Bucket=bucket)
    assert error(s3.get_bucket_website, Bucket=bucket)[0] == "NoSuchWebsiteConfiguration"


@pytest.mark.parametrize("conf, want", [
    ({"IndexDocument": {"Suffix": ""}}, "InvalidArgument"), ({"IndexDocument": {"Suffix": "a/b"}}, "InvalidArgument"),
    ({"ErrorDocument": {"Key": "e"}}, "InvalidArgument"),
    ({**SITE, "RedirectAllRequestsTo": {"HostName": "h"}}, "InvalidArgument"),
    ({**SITE, "RoutingRules": [{"Condition": {}, "Redirect": {"HostName": "h"}}]}, "InvalidRequest"),
    ({"RedirectAllRequestsTo": {"HostName": "h", "Protocol": "ftp"}}, "InvalidRequest"),
    ({**SITE, "RoutingRules": [{"Redirect": {"HostName": "h", "HttpRedirectCode": "200"}}]}, "InvalidRequest"),
    ({**SITE, "RoutingRules": [{"Condition": {"HttpErrorCodeReturnedEquals": "200"}, "Redirect": {"HostName": "h"}}]},
     "InvalidRequest"),
    ({**SITE, "RoutingRules": [{"Redirect": {"HostName": "h"}}] * 51}, "InvalidRequest")])
def test_what_is_no_configuration(s3, bucket, conf, want):
    assert error(s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=conf) == (want, 400)
    assert error(s3.get_bucket_website, Bucket=bucket)[0] == "NoSuchWebsiteConfiguration"


def test_who_may_configure(cluster, s3, bucket):
    key = cluster.admin("user", "create", "web" + secrets.token_hex(3))["user"]["keys"][0]
    other = cluster.boto3(key["access_key"], key["secret_key"])
    assert error(other.get_bucket_website, Bucket=bucket) == ("AccessDenied", 403)
    assert error(other.put_bucket_website, Bucket=bucket, WebsiteConfiguration=SITE) == ("AccessDenied", 403)
    r = Raw(cluster).request("PUT", f"/{bucket}", query=[("website", "")], body=b"")
    assert (r.status, r.code) == (400, "MissingRequestBodyError")
    r = Raw(cluster).request("PUT", f"/{bucket}", query=[("website", "")], body=b"<a")
    assert (r.status, r.code) == (400, "MalformedXML")


# ---- pages ----

def test_pages(site):
    for target, key in [("/", "index.html"), ("/a.html", "a.html"), ("/photos/", "photos/index.html"),
                        ("/photos/b.html?x=1&versionId=y&acl", "photos/b.html"), ("/photos%2Fb.html", "photos/b.html")]:
        for method in ("GET", "HEAD"):
            r = site.get(target, method)
            assert r.status == 200 and r.headers["content-type"] == "text/html", (target, r)
            assert int(r.headers["content-length"]) == len(key) + 7
            assert r.body == (f"<p>{key}</p>".encode() if method == "GET" else b"")
    r = site.get("/a.html", headers={"Range": "bytes=0-2"})
    assert r.status == 206 and r.body == b"<p>"
    etag = site.get("/a.html").headers["etag"]
    assert site.get("/a.html", headers={"If-None-Match": etag}).status == 304
    r = site.get("/a.html", headers={"If-Match": '"x"'})
    assert r.status == 412 and r.headers["x-amz-error-code"] == "PreconditionFailed" and b"<html>" in r.body


def test_a_folder_without_its_slash(site):
    for target, to in [("/photos", "/photos/"), ("/photos?a=b", "/photos/")]:
        r = site.get(target)
        assert r.status == 302 and r.headers["location"] == to and r.body == b""
    assert site.get("/new").status == 404  # no index document in there


def test_error_documents(s3, bucket, site):
    for method in ("GET", "HEAD"):
        r = site.get("/nothing", method, headers={"Range": "bytes=0-1", "If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT"})
        assert r.status == 404 and r.headers["x-amz-error-code"] == "NoSuchKey", r
        assert r.headers["x-amz-error-message"] and r.headers["content-type"] == "text/html"
        assert r.body == (b"<p>errors/404.html</p>" if method == "GET" else b"")
    s3.delete_object(Bucket=bucket, Key="errors/404.html")
    r = site.get("/nothing<b>")
    assert r.status == 404 and r.headers["content-type"].startswith("text/html")
    for text in (b"<title>404 Not Found</title>", b"<li>Code: NoSuchKey</li>", b"<li>Key: nothing&lt;b&gt;</li>",
                 b"Custom Error Document", b"<li>Key: errors/404.html</li>", b"<li>RequestId: "):
        assert text in r.body, (text, r.body)
    r, again = site.get("/nothing", "HEAD"), site.get("/nothing")
    assert r.status == 404 and not r.body and r.headers["content-length"] == str(len(again.body))
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    r = site.get("/nothing")
    assert r.status == 404 and b"Custom Error Document" not in r.body


def test_who_may_not_list_gets_403(s3, bucket, site):
    let_read(s3, bucket, listing=False)
    r = site.get("/nothing")
    assert r.status == 403 and r.headers["x-amz-error-code"] == "AccessDenied" and r.body == b"<p>errors/404.html</p>"
    assert site.get("/photos").status == 302
    let_read(s3, bucket, "photos/")  # neither pages nor error document
    r = site.get("/a.html")
    assert r.status == 403 and b"<li>Code: AccessDenied</li>" in r.body and b"Custom Error Document" in r.body
    s3.delete_bucket_policy(Bucket=bucket)
    assert site.get("/").status == 403
    s3.put_object_acl(Bucket=bucket, Key="index.html", ACL="public-read")
    assert site.get("/").status == 200


def test_signatures_do_not_count(s3, bucket, site, cluster):
    s3.delete_bucket_policy(Bucket=bucket)
    signed = site.signer().headers("GET", "/a.html", (), {"Host": site.host}, "UNSIGNED-PAYLOAD")
    r = site.get("/a.html", headers={k: v for k, v in signed.items() if k != "host"})
    assert r.status == 403, r


def test_routing_rules(site):
    r = site.get("/old/x%20y")
    assert r.status == 301 and r.headers["location"] == f"http://{site.host}/new/x%20y"
    r = site.get("/lost/k")
    assert r.status == 302 and r.headers["location"] == "https://elsewhere.example/lost/k"
    assert site.get("/one").headers["location"] == f"http://{site.host}/two"
    assert site.get("/onetwo").headers["location"] == f"http://{site.host}/two"
    assert site.get("/elsewhere").status == 404


def test_redirect_all(s3, bucket, site):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "h.example"}})
    for target in ("/", "/a%20b", "/a?b=c%20d"):
        r = site.get(target)
        assert r.status == 301 and r.headers["location"] == "http://h.example" + target
    assert site.get("/", "HEAD").status == 301


def test_redirect_locations_of_objects(s3, bucket, site):
    for where in ("/a.html", "https://elsewhere.example/x"):
        s3.put_object(Bucket=bucket, Key="moved", Body=b"here", WebsiteRedirectLocation=where)
        r = site.get("/moved")
        assert r.status == 301 and r.headers["location"] == where
        got = s3.get_object(Bucket=bucket, Key="moved")
        assert got["WebsiteRedirectLocation"] == where and got["Body"].read() == b"here"
    for bad in ("a.html", "ftp://x/", "/" + "x" * 2048):
        assert error(s3.put_object, Bucket=bucket, Key="k", Body=b"", WebsiteRedirectLocation=bad) == \
            ("InvalidRedirectLocation", 400)
    # never copied; given anew on a copy
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/moved")
    assert "WebsiteRedirectLocation" not in s3.head_object(Bucket=bucket, Key="copy")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/moved", WebsiteRedirectLocation="/b")
    assert site.get("/copy").headers["location"] == "/b"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", WebsiteRedirectLocation="/c")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert site.get("/parts").headers["location"] == "/c"


def test_only_get_and_head(site, s3, bucket):
    for method in ("PUT", "POST", "DELETE", "OPTIONS", "PATCH"):
        r = site.get("/a.html", method, headers={"Content-Length": "0"})
        assert r.status == 405 and r.headers["x-amz-error-code"] == "MethodNotAllowed", (method, r)
        assert r.headers["allow"] == "GET, HEAD" and b"<html>" in r.body
    assert s3.get_object(Bucket=bucket, Key="a.html")["Body"].read() == b"<p>a.html</p>"


def test_hosts_that_are_no_website(cluster, s3, bucket):
    for host, want in [(f"{bucket}.web.localhost", (404, "NoSuchWebsiteConfiguration")),
                       ("nobodys-bucket.web.localhost", (404, "NoSuchBucket")),
                       ("web.localhost", (400, "InvalidRequest")), ("a_b.web.localhost", (400, "InvalidBucketName"))]:
        r = Raw(cluster).send(request_bytes("GET", "/k", {"Host": host}))
        assert (r.status, r.headers["x-amz-error-code"]) == want and b"<html>" in r.body, (host, r)


def test_large_pages_and_error_documents(cluster, s3, bucket, site):
    big = b"x" * 3_000_000
    s3.put_object(Bucket=bucket, Key="big", Body=big)
    s3.put_object(Bucket=bucket, Key="errors/404.html", Body=big)
    assert site.get("/big").body == big
    r = site.get("/nothing")
    assert r.status == 404 and r.body == big
    # ... also when nothing is in memory yet, and on one connection
    cluster.restart()
    with cluster.socket(30) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for target, status in [("/nothing", 404), ("/photos", 302), ("/", 200), ("/lost/x", 302), ("/big", 200)]:
            sock.sendall(request_bytes("GET", target, {"Host": site.host}))
            assert read_response(sock).status == status, target


def test_cors_on_websites(s3, bucket, site):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://page"]}]})
    for target, status in [("/", 200), ("/nothing", 404), ("/photos", 302), ("/old/x", 301)]:
        r = site.get(target, headers={"Origin": "http://page"})
        assert r.status == status and r.headers["access-control-allow-origin"] == "http://page", (target, r)


def test_deleted_versions_are_missing(s3, bucket, site):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(Bucket=bucket, Key="a.html")
    r = site.get("/a.html")
    assert r.status == 404 and r.body == b"<p>errors/404.html</p>"


def test_a_website_survives_restart_and_rebuild(fresh_cluster):
    s3 = fresh_cluster.boto3()
    s3.create_bucket(Bucket="pages")
    s3.put_object(Bucket="pages", Key="index.html", Body=b"hello", WebsiteRedirectLocation="/x")
    s3.put_bucket_website(Bucket="pages", WebsiteConfiguration={**SITE, "RoutingRules": RULES})
    assert fresh_cluster.stop() == 0
    fresh_cluster.args = [*fresh_cluster.args, "--rebuild-index"]
    fresh_cluster.start()
    s3 = fresh_cluster.boto3()
    answer = s3.get_bucket_website(Bucket="pages")
    del answer["ResponseMetadata"]
    assert answer == {**SITE, "RoutingRules": RULES}
    assert s3.head_object(Bucket="pages", Key="index.html")["WebsiteRedirectLocation"] == "/x"
