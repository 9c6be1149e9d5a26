/* SPDX-License-Identifier: Apache-2.0 */
/* gw - what a handler may use. Built by main.c, constant afterwards, save the budget. */
#ifndef S3_GW_H
#define S3_GW_H

#include "dfscore/base/str.h"
#include "s3gw/core/budget.h"
#include "s3gw/core/storage_class.h"

struct s3_index;
struct s3_dfs;
struct s3_keyring;
struct s3_kms;
struct s3_rates;
struct s3_serverlog;
struct s3_sender;
struct s3_growth;
struct s3_tenure;

/* Are customer keys accepted without TLS? */
enum s3_sse_c_over_http { S3_SSE_C_TLS_ONLY, S3_SSE_C_FROM_LOOPBACK, S3_SSE_C_ALWAYS };

struct s3_native_group { /* whose files are served by their FastDFS names */
    struct str group;
    struct str secret; /* of tokens; empty: none are asked for */
};

struct s3_gw {
    struct s3_index *index;
    uint64_t index_id;      /* index/identity.h */
    struct s3_dfs *dfs;     /* s3gw/dfs/dfs.h: stored files, notes */
    struct s3_rates *rates; /* policy/rate.h; NULL: nobody is limited */
    struct s3_serverlog
        *serverlog;           /* notify/serverlog.h; NULL: requests are not logged for buckets */
    struct s3_sender *sender; /* notify/sender.h; NULL: nobody is notified */
    struct s3_tenure *tenure; /* core/tenure.h; NULL: no other gateway is to take over */
    struct s3_growth *growth; /* api/growth.h; NULL: buckets have the groups they were given */
    struct str region;        /* "us-east-1" */
    struct str *domains;      /* lower case, longest first; virtual-host style below these */
    size_t ndomains;
    struct str *websites; /* likewise; below these buckets are websites */
    size_t nwebsites;
    struct s3_native_group *native;
    size_t nnative;
    int64_t native_token_ttl_s; /* how long a token counts */
    struct str default_group;   /* of new buckets, "group1" */
    struct s3_classes classes;  /* storage classes beside STANDARD */
    bool sigv2;                 /* SigV2 accepted */
    bool closed_buckets;        /* new buckets begin as AWS's: ACLs off, public access blocked */
    bool no_acl_emails;         /* grants to e-mail addresses are refused */
    /* s3gw/sse/kms.h: wraps data keys; NULL: SSE-S3 and SSE-KMS are not offered */
    struct s3_kms *kms;
    struct s3_keyring *keyring; /* the same, when it is the ring on this machine; for admin */
    enum s3_sse_c_over_http sse_c_over_http;
    bool relaxed;             /* durability = relaxed */
    int64_t lifecycle_day_ms; /* length of a day of lifecycle rules; 0: a real one */
    _Atomic bool stopping;    /* long work of the background gives up */
    uint8_t note_key[32];     /* core/secretbox.h: secrets in notes */
    /* bytes of small objects in memory while they arrive; limit set by main */
    struct s3_budget small;
    _Atomic unsigned lone_uploads; /* small ones in a row that had no other beside them */
};

#endif
