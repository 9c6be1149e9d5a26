# SPDX-License-Identifier: Apache-2.0
"""ListObjects, V2, versions: true byte order, any delimiter, exact pages."""
import itertools

import pytest

KEYS = ["a", "a/", "a//", "a//b", "a/b", "a/b/c", "a0", "b/1", "b/2", "b/3", "c", "é", "\U0001f642", "z z", "z+z", "A", "~",
        "x,1", "x,2", "x;1"]


def expect(keys, prefix="", delimiter="", after=""):
    """What S3 says, worked out the slow way: entries in byte order, ('key', k) or ('prefix', p)."""
    out = []
    for key in sorted(keys, key=lambda k: k.encode()):
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix):]
        if delimiter and delimiter in rest:
            entry = ("prefix", prefix + rest.split(delimiter)[0] + delimiter)
        else:
            entry = ("key", key)
        if entry[1].encode() <= after.encode() or entry in out:
            continue
        if after and entry[0] == "key" and key.encode() <= after.encode():
            continue
        out.append(entry)
    return out


@pytest.fixture(scope="module")
def full(cluster):
    s3 = cluster.boto3()
    s3.create_bucket(Bucket="listing")
    for key in KEYS:
        s3.put_object(Bucket="listing", Key=key, Body=b"x")
    return s3


def pages(call, size, token_in, token_out, **kw):
    extra = {}
    for _ in range(100):
        page = call(Bucket="listing", MaxKeys=size, **kw, **extra)
        found = [("key", o["Key"]) for o in page.get("Contents", [])]
        found += [("prefix", p["Prefix"]) for p in page.get("CommonPrefixes", [])]
        found.sort(key=lambda e: e[1].encode())
        assert len(found) <= size
        yield found, page
        if not page["IsTruncated"]:
            return
        assert len(found) == size, "a truncated page is a full one"
        extra = {token_in: page[token_out]}
    raise AssertionError("the listing never ends")


@pytest.mark.parametrize("prefix, delimiter", itertools.product(["", "a", "a/", "b/", "x", "none"], ["", "/", ",", "//", "b"]))
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_version_2_pages_add_up(full, prefix, delimiter, size):
    kw = {k: v for k, v in (("Prefix", prefix), ("Delimiter", delimiter)) if v}
    found = [e for page, _ in pages(full.list_objects_v2, size, "ContinuationToken", "NextContinuationToken", **kw)
             for e in page]
    assert found == expect(KEYS, prefix, delimiter)


@pytest.mark.parametrize("size", [1, 4])
def test_version_1_pages_add_up(full, size):
    for delimiter in ("/", ","):
        found = [e for page, _ in pages(full.list_objects, size, "Marker", "NextMarker", Delimiter=delimiter) for e in page]
        assert found == expect(KEYS, "", delimiter)


def test_start_after_and_marker(full):
    for after in ("a", "a/", "a/b", "b", "zzz", "\U0001f642"):
        page = full.list_objects_v2(Bucket="listing", StartAfter=after)
        assert [o["Key"] for o in page.get("Contents", [])] == [k for _, k in expect(KEYS, after=after)]
        page = full.list_objects(Bucket="listing", Marker=after)
        assert [o["Key"] for o in page.get("Contents", [])] == [k for _, k in expect(KEYS, after=after)]


def test_no_keys_asked_for_none_given(full):
    page = full.list_objects_v2(Bucket="listing", MaxKeys=0)
    assert page["KeyCount"] == 0 and not page["IsTruncated"] and "Contents" not in page


def test_versions_of_an_unversioned_bucket(full):
    page = full.list_object_versions(Bucket="listing")
    assert [v["Key"] for v in page["Versions"]] == [k for _, k in expect(KEYS)]
    assert all(v["VersionId"] == "null" and v["IsLatest"] for v in page["Versions"])


def test_owner_and_details(full):
    entry = full.list_objects_v2(Bucket="listing", FetchOwner=True, MaxKeys=1)["Contents"][0]
    assert entry["Owner"]["ID"] == "root" and entry["Size"] == 1 and entry["StorageClass"] == "STANDARD"
    assert "Owner" not in full.list_objects_v2(Bucket="listing", MaxKeys=1)["Contents"][0]
