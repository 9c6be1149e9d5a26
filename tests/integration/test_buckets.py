# SPDX-License-Identifier: Apache-2.0
"""Buckets: creation, names, locations, lists, deletion; what is not offered says so."""
import base64
import hashlib
import zlib

import pytest
from botocore.exceptions import ClientError
from rawhttp import Raw
from test_objects import error


def test_a_bucket_from_creation_to_deletion(s3):
    assert s3.create_bucket(Bucket="life")["ResponseMetadata"]["HTTPHeaders"]["location"] == "/life"
    assert s3.head_bucket(Bucket="life")["ResponseMetadata"]["HTTPStatusCode"] == 200
    s3.put_object(Bucket="life", Key="k", Body=b"x")
    assert error(s3.delete_bucket, Bucket="life") == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="life", Key="k")
    s3.delete_bucket(Bucket="life")
    assert error(s3.head_bucket, Bucket="life")[1] == 404
    assert error(s3.delete_bucket, Bucket="life") == ("NoSuchBucket", 404)


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Upper", "under_score", "-dash", "dash-", "a..b", "192.168.1.1",
                                  "xn--abc", "abc-s3alias", "a.-b", "sthree-abc"])
def test_bad_names_are_refused(cluster, name):
    answer = Raw(cluster).request("PUT", f"/{name}")
    assert (answer.status, answer.code) == (400, "InvalidBucketName"), answer


@pytest.mark.parametrize("name", ["abc", "a" * 63, "a-b", "a.b.c", "123", "1a1"])
def test_good_names_are_taken(s3, name):
    s3.create_bucket(Bucket=name)
    s3.delete_bucket(Bucket=name)


def test_creating_again_gives_the_acl_asked_for_and_changes_nothing_else(s3, bucket):
    everybody = "http://acs.amazonaws.com/groups/global/AllUsers"

    def grantees():
        return [g["Grantee"].get("URI") for g in s3.get_bucket_acl(Bucket=bucket)["Grants"]]

    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.create_bucket(Bucket=bucket, ACL="public-read")
    assert everybody in grantees()
    s3.create_bucket(Bucket=bucket)
    assert grantees() == [None]
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    block = {"BlockPublicAcls": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert error(s3.create_bucket, Bucket=bucket, ACL="public-read") == ("AccessDenied", 403)
    assert grantees() == [None]


def test_another_region_is_no_unknown_one(s3):
    for location, code in (("eu-west-1", "IllegalLocationConstraintException"), ("EU", "IllegalLocationConstraintException"),
                           ("us-gov-west-1", "IllegalLocationConstraintException"), ("mars-1", "InvalidLocationConstraint"),
                           ("eu-west-one", "InvalidLocationConstraint"), ("EU-WEST-1", "InvalidLocationConstraint")):
        assert error(s3.create_bucket, Bucket="elsewhere",
                     CreateBucketConfiguration={"LocationConstraint": location}) == (code, 400), location


def test_locations(s3, cluster):
    raw = Raw(cluster)
    for constraint, status in (("", 200), (cluster.region, 200), (f"{cluster.region}:group1", 200), (":group1", 200),
                               ("mars-1", 400), (":nogroup", 400)):
        body = (f'<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>'
                f'{constraint}</LocationConstraint></CreateBucketConfiguration>').encode()
        answer = raw.request("PUT", "/located", body=body)
        assert answer.status == status, (constraint, answer)
        if status == 200:
            s3.get_bucket_location(Bucket="located")
            s3.delete_bucket(Bucket="located")
        else:
            assert answer.code == "InvalidLocationConstraint" or answer.code == "IllegalLocationConstraintException"


def test_buckets_are_listed_in_order_with_pages(s3, cluster):
    names = [f"page-{i:02}" for i in range(12)]
    for n in reversed(names):
        s3.create_bucket(Bucket=n)
    listed = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert [n for n in listed if n.startswith("page-")] == names
    raw, seen, token = Raw(cluster), [], None
    for _ in range(5):
        query = [("max-buckets", "5"), ("prefix", "page-")] + ([("continuation-token", token)] if token else [])
        text = raw.request("GET", "/", query=query).body.decode()
        seen += [part.split("</Name>")[0] for part in text.split("<Name>")[1:]]
        if "<ContinuationToken>" not in text:
            break
        token = text.split("<ContinuationToken>")[1].split("<")[0]
    assert seen == names
    for n in names:
        s3.delete_bucket(Bucket=n)


def test_creating_again_what_is_mine_is_fine_in_us_east_1(s3):
    s3.create_bucket(Bucket="again")
    s3.create_bucket(Bucket="again")
    s3.delete_bucket(Bucket="again")


def test_creating_again_does_not_make_it_another_bucket(cluster, s3, bucket):
    for headers in ({"x-amz-bucket-object-lock-enabled": "true"}, {"x-amz-object-ownership": "BucketOwnerEnforced"}):
        answer = Raw(cluster).request("PUT", f"/{bucket}", headers=headers)
        assert (answer.status, answer.code) == (409, "BucketAlreadyOwnedByYou"), answer


def test_what_was_meant_for_a_key_does_not_reach_its_bucket(cluster, s3, bucket):
    raw = Raw(cluster)
    answer = raw.request("DELETE", f"/{bucket}/", query=[("versionId", "null")])
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    digest = {"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()}
    answer = raw.request("POST", f"/{bucket}", query=[("delete", "")], body=body, headers={**digest, "If-Match": '"other"'})
    assert (answer.status, answer.code) == (501, "NotImplemented"), answer
    answer = raw.request("DELETE", f"/{bucket}/k", query=[("partNumber", "1")])  # of an upload whose id got lost
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
    s3.head_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize("method, query", [
    ("PUT", "replication"), ("GET", "analytics"), ("PUT", "inventory"), ("GET", "metrics")])
def test_bucket_operations_we_do_not_offer_say_so(cluster, bucket, method, query):
    answer = Raw(cluster).request(method, f"/{bucket}", query=[(query, "")], body=b"<x/>" if method == "PUT" else b"")
    assert (answer.status, answer.code) == (501, "NotImplemented"), answer


@pytest.mark.parametrize("method, query", [("GET", "torrent"), ("PUT", "annotation"),
                                           ("POST", "restore"), ("POST", "select")])
def test_object_operations_we_do_not_offer_never_fall_through(cluster, s3, bucket, method, query):
    s3.put_object(Bucket=bucket, Key="k", Body=b"original")
    q = [(query, "")] + ([("select-type", "2")] if query == "select" else [])
    answer = Raw(cluster).request(method, f"/{bucket}/k", query=q, body=b"" if method == "GET" else b"<x/>")
    assert (answer.status, answer.code) == (501, "NotImplemented"), answer
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"original"


def test_a_document_has_a_ceiling(cluster, bucket):
    """Said by its length, before any of it is read."""
    raw = Raw(cluster)
    big = b"<Tagging>" + b" " * (5 << 20) + b"</Tagging>"
    answer = raw.request("PUT", f"/{bucket}", query=[("tagging", "")], body=big)
    assert (answer.status, answer.code) == (400, "MaxMessageLengthExceeded"), answer
    assert raw.request("GET", f"/{bucket}", query=[("tagging", "")]).code == "NoSuchTagSet"


def test_options_we_do_not_honour_are_refused(cluster, bucket):
    raw = Raw(cluster)
    for header, value in (("x-amz-server-side-encryption", "aws:kms:dsse"), ("x-amz-object-lock-mode", "GOVERNANCE"),
                          ("x-amz-storage-class", "NONSENSE"), ("x-amz-website-redirect-location", "x"),
                          ("x-amz-acl", "nonsense"),
                          # names that are none, of families that say who may read it, and for how long
                          ("x-amz-server-side-encryption-kms-key-id", "k"), ("x-amz-object-lock-retention", "1"),
                          ("x-amz-grant-all", 'id="x"')):
        answer = raw.request("PUT", f"/{bucket}/k", headers={header: value}, body=b"x")
        assert 400 <= answer.status <= 501 and answer.code, (header, answer)
        assert raw.request("HEAD", f"/{bucket}/k").status == 404, f"{header} was ignored"


def document(root, inner):
    return f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{root}>'.encode()


def digest(body):
    return {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}


CORS = "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>%s</CORSRule>%s"
INDEX = "<IndexDocument><Suffix>i</Suffix>%s</IndexDocument>%s"
ROUTE = INDEX % ("", "<RoutingRules><RoutingRule><Redirect><HostName>a</HostName>%s</Redirect></RoutingRule></RoutingRules>")
LOCK = "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode>%s</DefaultRetention></Rule>"


@pytest.mark.parametrize("query, root, inner", [
    ("accelerate", "AccelerateConfiguration", "<Status>Suspended</Status><X/>"),
    ("cors", "CORSConfiguration", CORS % ("<X/>", "")),
    ("cors", "CORSConfiguration", CORS % ("", "<X/>")),
    ("cors", "CORSConfiguration", CORS % ("<ID>a</ID><ID>b</ID>", "")),
    ("encryption", "ServerSideEncryptionConfiguration", "<Rule><BucketKeyEnabled>true</BucketKeyEnabled><X/></Rule>"),
    ("object-lock", "ObjectLockConfiguration", LOCK % "<Days>1</Days><X/>"),
    ("ownershipControls", "OwnershipControls", "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership><X/></Rule>"),
    ("publicAccessBlock", "PublicAccessBlockConfiguration", "<BlockPublicAcl>true</BlockPublicAcl>"),
    ("publicAccessBlock", "PublicAccessBlockConfiguration", "<BlockPublicAcls></BlockPublicAcls>"),
    ("requestPayment", "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer><X/>"),
    ("tagging", "Tagging", "<TagSet><Tag><Key>a</Key><Value>b</Value><X/></Tag></TagSet>"),
    ("tagging", "Tagging", "<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet><TagSet/>"),
    ("versioning", "VersioningConfiguration", "<Status>Enabled</Status><Status>Suspended</Status>"),
    ("website", "WebsiteConfiguration", INDEX % ("", "<X/>")),
    ("website", "WebsiteConfiguration", INDEX % ("<X/>", "")),
    ("website", "WebsiteConfiguration", ROUTE % "<X/>"),
    ("acl", "AccessControlPolicy", "<Owner><ID>root</ID></Owner><AccessControlList><X/></AccessControlList>"),
])
def test_what_is_not_of_its_schema_is_refused_not_ignored(cluster, bucket, query, root, inner):
    body = document(root, inner)
    answer = Raw(cluster).request("PUT", f"/{bucket}", query=[(query, "")], headers=digest(body), body=body)
    wanted = "MalformedACLError" if query == "acl" else "MalformedXML"
    assert (answer.status, answer.code) == (400, wanted), answer


def test_event_holds_are_not_offered(cluster):
    raw = Raw(cluster)
    assert raw.request("PUT", "/holds", headers={"x-amz-bucket-object-lock-enabled": "true"}).status == 200
    hold = "<Days>1</Days><DefaultEventHold><Days>1</Days></DefaultEventHold>"
    for body in (LOCK % hold, LOCK.replace("<Mode>GOVERNANCE</Mode>", "") % "<DefaultEventHold><Days>1</Days></DefaultEventHold>"):
        body = document("ObjectLockConfiguration", body)
        answer = raw.request("PUT", "/holds", query=[("object-lock", "")], headers=digest(body), body=body)
        assert (answer.status, answer.code) == (501, "NotImplemented"), answer


@pytest.mark.parametrize("headers, inner, want", [
    ({"x-amz-bucket-namespace": "global"}, "", (200, None)),
    ({"x-amz-bucket-namespace": "account-regional"}, "", (501, "NotImplemented")),
    ({"x-amz-bucket-namespace": "mine"}, "", (400, "InvalidArgument")),
    ({}, "<X/>", (400, "MalformedXML")),
    ({}, "<Tags><Tag><Key>a</Key><Value>b</Value></Tag><X/></Tags>", (400, "MalformedXML")),
])
def test_what_a_new_bucket_is_asked_to_be_is_honoured_or_refused(cluster, headers, inner, want):
    raw = Raw(cluster)
    answer = raw.request("PUT", "/asked-for", headers=headers, body=document("CreateBucketConfiguration", inner))
    assert (answer.status, answer.code) == want, answer
    assert raw.request("DELETE", "/asked-for").status == (204 if want[0] == 200 else 404)


def test_lists_know_which_optional_attributes_there_are(cluster, bucket):
    for value, want in (("RestoreStatus", 200), ("Size", 400)):
        for query in ([], [("list-type", "2")], [("versions", "")]):
            answer = Raw(cluster).request("GET", f"/{bucket}", query=query,
                                          headers={"x-amz-optional-object-attributes": value})
            assert answer.status == want, answer


def test_virtual_host_style(cluster, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"virtual")
    raw = Raw(cluster)
    host = {"Host": f"{bucket}.s3.localhost:{cluster.port}"}
    assert raw.request("GET", "/a/b", headers=host).body == b"virtual"
    assert b"<Key>a/b</Key>" in raw.request("GET", "/", query=[("list-type", "2")], headers=host).body
    with pytest.raises(ClientError):
        s3.get_object(Bucket="a", Key="b")


def test_acl_and_versioning_tell_the_plain_truth(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="private")
    for acl in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        assert acl["Owner"]["ID"] == "root"
        assert [(g["Grantee"]["ID"], g["Permission"]) for g in acl["Grants"]] == [("root", "FULL_CONTROL")]
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
