# SPDX-License-Identifier: Apache-2.0
"""more_s3_steps - what programs do with minio-py and with Rust's object_store (obstore). Runs under the virtual
environment's Python: more_s3_steps.py JSON-SETTINGS."""
import datetime
import io
import json
import random
import sys

DATA = random.Random(7).randbytes(11_000_000)
PART = 5 << 20


def raises(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except Exception as e:
        assert code in (getattr(e, "code", ""), type(e).__name__), (code, e)
    else:
        raise AssertionError(f"{code} was expected")


def minio_py(settings):
    """Streams of unknown length, parts, composed objects, versions, tags, forms, lock."""
    import minio
    import urllib3
    from minio import commonconfig, datatypes, deleteobjects, objectlockconfig, retention, versioningconfig
    http = urllib3.PoolManager(ca_certs=settings["certificate"])
    m = minio.Minio(settings["endpoint"].split("//")[1], settings["access_key"], settings["secret_key"],
                    secure=bool(settings["certificate"]), http_client=http)
    b = "minio-py"
    assert not m.bucket_exists(b)
    m.make_bucket(b)
    assert m.bucket_exists(b)
    m.put_object(b, "a b+c/ü", io.BytesIO(b"small"), 5, metadata={"of": "mine"}, content_type="x/y")
    m.put_object(b, "stream", io.BytesIO(DATA), -1, part_size=PART)
    assert m.get_object(b, "stream").read() == DATA
    assert m.get_object(b, "stream", offset=PART - 5, length=10).read() == DATA[PART - 5:PART + 5]
    stat = m.stat_object(b, "a b+c/ü")
    assert (stat.size, stat.content_type, stat.metadata["x-amz-meta-of"]) == (5, "x/y", "mine")
    m.copy_object(b, "copy +", commonconfig.CopySource(b, "a b+c/ü"))
    m.compose_object(b, "both", [commonconfig.ComposeSource(b, "stream"), commonconfig.ComposeSource(b, "copy +")])
    assert m.stat_object(b, "both").size == len(DATA) + 5
    for v1 in (False, True):
        names = [(o.object_name, o.is_dir) for o in m.list_objects(b, use_api_v1=v1)]
        assert sorted(names) == [("a b+c/", True), ("both", False), ("copy +", False), ("stream", False)], names
    tags = commonconfig.Tags.new_object_tags()
    tags["k"] = "v w"
    m.set_object_tags(b, "stream", tags)
    assert m.get_object_tags(b, "stream") == tags
    m.set_bucket_versioning(b, versioningconfig.VersioningConfig(commonconfig.ENABLED))
    first = m.stat_object(b, "copy +").version_id
    second = m.put_object(b, "copy +", io.BytesIO(b"again"), 5).version_id
    assert second and second != first and m.get_object(b, "copy +", version_id="null").read() == b"small"
    assert http.request("GET", m.presigned_get_object(b, "a b+c/ü")).data == b"small"
    assert http.request("PUT", m.presigned_put_object(b, "by url"), body=b"u").status == 200
    policy = datatypes.PostPolicy(b, datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1))
    policy.add_starts_with_condition("key", "up/")
    policy.add_content_length_range_condition(1, 100)
    form = {**m.presigned_post_policy(policy), "key": "up/${filename}", "file": ("f.txt", b"of a form", "text/plain")}
    assert http.request("POST", f"{settings['endpoint']}/{b}", fields=form).status == 204
    assert m.get_object(b, "up/f.txt").read() == b"of a form"
    raises("NoSuchKey", m.stat_object, b, "none")
    raises("NoSuchBucketPolicy", m.get_bucket_policy, b)
    m.make_bucket("minio-py-lock", object_lock=True)
    m.set_object_lock_config("minio-py-lock", objectlockconfig.ObjectLockConfig(commonconfig.GOVERNANCE, 1, "Days"))
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    m.put_object("minio-py-lock", "o", io.BytesIO(b"x"), 1, legal_hold=True,
                 retention=retention.Retention(commonconfig.GOVERNANCE, until))
    assert m.is_object_legal_hold_enabled("minio-py-lock", "o")
    every = [deleteobjects.DeleteObject(o.object_name, o.version_id)
             for o in m.list_objects(b, recursive=True, include_version=True)]
    assert len(every) == 7 and not list(m.remove_objects(b, every))
    m.remove_bucket(b)


def object_store(settings):
    """What delta-rs, lance and polars commit with: puts that must not replace, or replace just what was read."""
    import obstore
    from obstore.store import S3Store
    here = dict(endpoint=settings["endpoint"], region=settings["region"], access_key_id=settings["access_key"],
                secret_access_key=settings["secret_key"],
                client_options={"allow_http": True, "allow_invalid_certificates": bool(settings["certificate"])})
    s = S3Store("object-store", **here)
    summed = S3Store("object-store", checksum_algorithm="sha256", **here)
    obstore.put(s, "a b+c/ü %2F", b"small", attributes={"Content-Type": "x/y", "of": "mine"}, tags={"k": "v"})
    assert obstore.get(s, "a b+c/ü %2F").attributes == {"Content-Type": "x/y", "of": "mine"}
    for store in (s, summed):
        obstore.put(store, "big", io.BytesIO(DATA), chunk_size=PART)
        assert bytes(obstore.get(store, "big").bytes()) == DATA
    ranges = obstore.get_ranges(s, "big", starts=[0, PART - 5, 10_999_990], ends=[10, PART + 5, 11_000_000])
    assert [bytes(r) for r in ranges] == [DATA[:10], DATA[PART - 5:PART + 5], DATA[-10:]]
    assert bytes(obstore.get(s, "big", options={"range": {"suffix": 7}}).bytes()) == DATA[-7:]
    assert [o["path"] for o in obstore.list(s, offset="a b+c/ü %2F").collect()] == ["big"]
    assert obstore.list_with_delimiter(s)["common_prefixes"] == ["a b+c"]
    obstore.copy(s, "a b+c/ü %2F", "copy +")
    obstore.rename(s, "copy +", "moved +")
    obstore.put(s, "_log/1.json", b"{}", mode="create")
    raises("AlreadyExistsError", obstore.put, s, "_log/1.json", b"{}", mode="create")
    etag = obstore.head(s, "_log/1.json")["e_tag"]
    obstore.put(s, "_log/1.json", b"[]", mode={"e_tag": etag})
    raises("PreconditionError", obstore.put, s, "_log/1.json", b"no", mode={"e_tag": etag})
    raises("NotModifiedError", obstore.get, s, "big", options={"if_none_match": obstore.head(s, "big")["e_tag"]})
    raises("FileNotFoundError", obstore.get, s, "none")
    obstore.delete(s, ["a b+c/ü %2F", "big", "moved +", "_log/1.json", "none"])
    assert obstore.list(s).collect() == []


def main():
    settings = json.loads(sys.argv[1])
    globals()[settings["step"]](settings)
    print("ok")


if __name__ == "__main__":
    main()
