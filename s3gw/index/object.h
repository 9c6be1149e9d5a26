/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - what the index knows of one object, and the changes of a key, each one transaction.
 *
 * Rows (bytes: s3gw/README.md; `bid` is the bucket's number):
 *
 *   o bid key           current object of a key (what listings walk); absent under a delete marker
 *   v bid key 00 ~seq   other versions and delete markers, newest first
 *   n bid key           number of the null version, while that is among the `v` rows
 *   d seq               detail of a big object: extents and parts that do not fit the head
 *   f file-id 00 owner  this file is in use by that owner: the only thing that keeps a file
 *   g time seq file-id  files that lost their last owner: the reclaimer's outbox
 *
 * Owners are numbers from s3_tx_seq(). A plain PUT has one; every part of a multipart upload has
 * its own, which the completed object keeps; a copy has one of its own.
 */
#ifndef S3_INDEX_OBJECT_H
#define S3_INDEX_OBJECT_H

#include "s3gw/core/checksum.h"
#include "s3gw/core/etag.h"
#include "s3gw/core/req.h"
#include "s3gw/index/index.h"

struct s3_part { /* of a completed multipart object; of an upload see upload.h */
    uint32_t number;
    uint64_t size;
    struct s3_checksum checksum;
};

enum {
    S3_OBJ_DELETE_MARKER = 1u,
    S3_OBJ_NULL_VERSION = 2u,
    S3_OBJ_ADOPTED = 4096u, /* its file is a FastDFS client's (api/adopt.h) and outlives it */
};
#define S3_OBJ_UNSAID                                                                              \
    0x80000000u /* not stored: the storages have not been told of it as it is now */

struct s3_object {
    uint32_t flags;
    uint64_t seq;     /* version: commit order */
    uint64_t amended; /* number of the last change of a section; 0: none */
    uint64_t size;
    int64_t mtime_ms; /* never goes back for a key: commit raises it to the old one's if need be */
    struct s3_etag etag;
    struct s3_checksum checksum;
    struct str owner_id;      /* canonical id */
    struct str storage_class; /* absent: STANDARD */
    /* System headers to give back: lower-case names (content-type, cache-control, ...) and user
     * metadata (x-amz-meta-...), values as sent, in order. Arena. */
    struct s3_pair *headers;
    size_t nheaders;
    struct s3_extent *extents; /* in order; lengths sum to size, or are of its streams. Arena */
    size_t nextents;
    struct s3_part *parts; /* ascending; only of multipart objects. Arena */
    size_t nparts;
    struct str upload_id; /* of a completed multipart upload; for the idempotent retry */
    /* Opaque sections, kept as they are. */
    struct str tags; /* core/tags.h; absent: none */
    struct str acl;  /* policy/acl.h; absent: owner's full control */
    struct str lock; /* lock.h */
    struct str sse;  /* sse/section.h */
};

/* Whole record, versioned: the value of `o` and `v` rows (detail split off by put when big) and the
 * body of self-descriptions. decode: views into @bytes and @arena. 0, -EBADMSG, -ENOMEM. */
void s3_object_encode(const struct s3_object *o, struct buf *out);
int s3_object_decode(struct str bytes, struct arena *a, struct s3_object *ret) MUST_CHECK;

/* Extents of @o, owner 0, when all of its content lies in the file @file_id, in order: one; of an
 * encrypted object one for each stream (sse/frames.h). Arena. 0 or -ENOMEM. */
int s3_object_in_one_file(const struct s3_object *o, struct str file_id, struct arena *a,
                          struct s3_extent **ret, size_t *ret_n) MUST_CHECK;

/* The current object of a key. @want_detail false: extents and parts of big objects may be missing
 * (listing, HEAD). 0; -ENOENT; -EAGAIN with S3_READ_CACHED; -EBADMSG. */
int s3_object_get(struct s3_index *x, uint64_t bid, struct str key, enum s3_read how,
                  bool want_detail, struct arena *a, struct s3_object *ret) MUST_CHECK;

/* Conditions of a write, judged inside the transaction. */
struct s3_cond {
    bool if_none_match_any;  /* If-None-Match: * */
    bool has_if_match;       /* If-Match */
    bool if_match_any;       /* ... was * */
    struct s3_etag if_match; /* ... one or several (array below wins when n > 0) */
    const struct s3_etag *if_match_list;
    size_t if_match_n;
    uint64_t if_seq;          /* not 0: only while this is the current object (lifecycle) */
    bool has_size, has_mtime; /* of DeleteObjects: it must have, beside the ETag ... */
    uint64_t size;            /* ... so many bytes */
    int64_t mtime_s;          /* ... been last modified in this Unix second */
};
/*
 * Would it hold against @current (NULL: none)? Judged early to save traffic; the commit judges again. 0; -EEXIST:
 * If-None-Match failed; -ENOENT: If-Match, size or time, and no object; -ESTALE: another ETag, size or time; if_seq, another
 * object or none.
 */
int s3_cond_judge(const struct s3_cond *c, const struct s3_object *current) MUST_CHECK;

/*
 * Change the objects of a key. Each is called from within an update function; results are errnos
 * of s3_cond, -ENODEV when the bucket is gone (checked here, by its number), -EIO ...
 *
 * The storages have been told before (dfs/describe.h) what the change will be, so it has a number
 * from s3_index_number(), and is what was said or is refused:
 *   -ERESTART  another change of the key with a higher number was first, or the bucket's versioning
 *              or the key's time is not what was thought. Nothing has changed but @o, which is as it
 *              should have been described, and marked S3_OBJ_UNSAID: take a new number, describe
 *              again, clear the mark, come again.
 *
 * put: o's seq, flags (null version or not) and mtime (not before that of the object it replaces)
 * are the caller's; extents with owner 0 or seq are new files: they get seq as owner, and f rows; with
 * S3_OBJ_ADOPTED they are kept for good (s3_ref_keep).
 * What it replaces goes to the outbox; in a bucket with versioning it becomes an older version, or is
 * the null version that was replaced (-EPERM: that one is locked).
 * delete: @o is what happens. In a bucket with versioning a delete marker: flags, seq, mtime and
 * owner. In others the object that goes: its seq, 0 when there is none. ret->had says whether there
 * was a current object (deleting nothing is success).
 */
int s3_object_put(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                  struct s3_object *o) MUST_CHECK;

/*
 * Make the current object of a key longer: @o is what it becomes, its extents those of @base (as
 * read, under their owners) and then new files with owner 0, which get @o's seq. @base's files
 * and their references stay as they are. In buckets that never had versioning only (-EOPNOTSUPP).
 * -ERANGE: another object is there, or none; -EAGAIN: its class, tags, ACL or lock are not @base's
 * any more, read again; -ERESTART.
 */
int s3_object_append(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                     const struct s3_object *base, struct s3_object *o) MUST_CHECK;

/*
 * Give the current object of @from, number @seq, the key @to: it is @o then, a whole record, under its
 * new number; what @to had is replaced as by a put, @cond judges it. As append, in buckets without
 * versioning. -EAGAIN: @from's object is not that one any more, or was amended, read again; -ERESTART.
 */
int s3_object_rename(struct s3_tx *tx, uint64_t bid, struct str from, uint64_t seq, struct str to,
                     const struct s3_cond *cond, struct s3_object *o) MUST_CHECK;

struct s3_deleted {
    bool had;
    bool marker;       /* a delete marker: made by delete, removed by delete_version */
    bool null_version; /* ... or what was removed, is the null version */
    uint64_t seq;      /* ... its number; 0: nothing happened */
};
int s3_object_delete(struct s3_tx *tx, uint64_t bid, struct str key, const struct s3_cond *cond,
                     struct s3_object *o, struct s3_deleted *ret) MUST_CHECK;

/* A version by its name: the null version, or a number. */
struct s3_version {
    bool null;
    uint64_t seq; /* of the null version 0: whichever it is; else only if it is that one still */
};
/* As s3_object_get, of one version, a delete marker too (S3_OBJ_DELETE_MARKER). */
int s3_object_get_version(struct s3_index *x, uint64_t bid, struct str key,
                          const struct s3_version *v, enum s3_read how, bool want_detail,
                          struct arena *a, struct s3_object *ret) MUST_CHECK;
/* The newest version, be it a delete marker: what to say when s3_object_get() finds none. */
int s3_object_get_newest(struct s3_index *x, uint64_t bid, struct str key, struct arena *a,
                         struct s3_object *ret) MUST_CHECK;
/*
 * Remove a version for good; the next newest becomes current, unless it is a marker. Nothing there
 * is success. -EPERM: it is locked (lock.h) and @bypass_governance does not help.
 */
int s3_object_delete_version(struct s3_tx *tx, uint64_t bid, struct str key,
                             const struct s3_version *v, bool bypass_governance,
                             struct s3_deleted *ret) MUST_CHECK;

/*
 * Change what may change without a new version: one section. Everything else of the stored record
 * stays, mtime too. -ERESTART as above; -EAGAIN: that version is no longer there, or its section is not
 * *was any more, read again; -ENOENT: the key has none at all.
 */
enum s3_section {
    S3_SECTION_TAGS,
    S3_SECTION_ACL,
    S3_SECTION_LOCK,
    S3_SECTION_CLASS,
    S3_SECTION_SSE,
    S3_SECTION_COUNT_
};
struct s3_amendment {
    uint64_t seq;    /* of the version */
    uint64_t number; /* of the change */
    enum s3_section what;
    struct str value;      /* absent: none */
    const struct str *was; /* NULL: whatever it was */
};
struct str *s3_object_section(struct s3_object *o, enum s3_section what);
int s3_object_amend(struct s3_tx *tx, uint64_t bid, struct str key,
                    const struct s3_amendment *m) MUST_CHECK;
/* A change of nothing, under @number: from now on every change described before it comes with
 * -ERESTART. *ret: the whole version as it is then, arena. -ENOENT: there is no such version. */
int s3_object_touch(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t seq, uint64_t number,
                    struct arena *a, struct s3_object *ret) MUST_CHECK;

/*
 * The version @seq of a key lies elsewhere from now on: @o says the new extents (owner 0: new files)
 * and the storage class; number, times and all else stay. Its old files go to the outbox, unless
 * copies use them. -EAGAIN: that version is no longer there, its class is not @was any more, its
 * tags, ACL or lock are not those of @o, or something was described later than @number, the move's.
 */
int s3_object_move(struct s3_tx *tx, uint64_t bid, struct str key, uint64_t number, struct str was,
                   const struct s3_object *o) MUST_CHECK;

/*
 * Copy by reference: like put, after checking that the source is still the version that was read
 * (src_seq, current or an older version; else -EAGAIN: read it again) so that its files still live.
 * Every extent gets the new seq as owner and its f row.
 */
int s3_object_copy(struct s3_tx *tx, uint64_t src_bid, struct str src_key, uint64_t src_seq,
                   uint64_t bid, struct str key, const struct s3_cond *cond,
                   struct s3_object *o) MUST_CHECK;

#endif
