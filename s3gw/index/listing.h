/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing - prefix, delimiter and continuation over the index's iterator; one algorithm for
 * objects, versions and uploads. Seeks past a common prefix instead of walking it, so a page costs
 * its entries.
 *
 * Rule: s3-behaviours 11; Amazon S3 API Reference, ListObjectsV2, ListObjectVersions,
 * ListMultipartUploads.
 */
#ifndef S3_INDEX_LISTING_H
#define S3_INDEX_LISTING_H

#include "s3gw/index/object.h"
#include "s3gw/index/upload.h"

struct s3_list_query {
    uint64_t bid;
    struct str prefix;    /* absent or empty: all */
    struct str delimiter; /* absent or empty: none */
    struct str after; /* marker / start-after / decoded token: entries > this; a common prefix skips
                         everything under it */
    uint64_t after_seq; /* versions, uploads: within key `after`, entries after this one; 0: whole
                           key done */
    size_t max;         /* 0..1000 */
};

struct s3_list_entry {
    struct str key; /* or the common prefix */
    bool is_prefix;
    bool is_latest; /* versions */
    union {
        struct s3_object
            object; /* objects, versions: what listings show, no headers, extents, sections */
        struct s3_upload upload; /* uploads: likewise */
    };
};

struct s3_list_page {
    struct s3_list_entry *entries; /* arena; in byte order of key / prefix, merged */
    size_t n;
    bool truncated; /* exact: another entry follows */
};

/* May block. 0 or errno. */
int s3_list_objects(struct s3_index *x, const struct s3_list_query *q, struct arena *a,
                    struct s3_list_page *ret) MUST_CHECK;
int s3_list_versions(struct s3_index *x, const struct s3_list_query *q, struct arena *a,
                     struct s3_list_page *ret) MUST_CHECK;
int s3_list_uploads(struct s3_index *x, const struct s3_list_query *q, struct arena *a,
                    struct s3_list_page *ret) MUST_CHECK;

#endif
