/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - the command line of the load generator. Strings point into argv; constant after
 * options_read().
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <sys/socket.h>
#include <sys/types.h>

#include "dfscore/base/str.h"

/* One kind of request; each has its own line of figures. */
enum load_op {
    OP_PUT,
    OP_GET,
    OP_HEAD,
    OP_DELETE,
    OP_LIST,
    OP_COPY,
    OP_CREATE,
    OP_PART,
    OP_COMPLETE,
    OP_BUCKET,
    OP_NATIVE_PUT,
    OP_NATIVE_GET,
    OP_COUNT_,
};

enum load_work {
    WORK_PUT,
    WORK_GET,
    WORK_HEAD,
    WORK_DELETE,
    WORK_LIST,
    WORK_COPY,
    WORK_MULTIPART,
    WORK_MIXED,
    WORK_IDLE,
    WORK_BUCKET,
    WORK_NATIVE_PUT,
    WORK_NATIVE_GET,
    WORK_FILES,     /* no server: write the objects as files */
    WORK_SYNC_COST, /* no server: bare flushes */
    WORK_MD5_COST,  /* no server: MD5 of one core */
};

enum { LOAD_PIDS_MAX = 16 };

struct load_options {
    enum load_work work;
    struct sockaddr_storage addr;
    socklen_t addr_n;
    const char *endpoint; /* as given: the Host header */
    const char *bucket, *prefix, *region, *access_key, *secret_key;
    bool sign;              /* false: plain HTTP, for servers without S3 */
    bool sign_payload;      /* x-amz-content-sha256 is the body's digest, not UNSIGNED-PAYLOAD */
    const char *congestion; /* TCP congestion control; NULL: the system's */

    unsigned connections;
    double seconds, warmup;    /* 0 seconds: until count is reached */
    uint64_t count;            /* requests (multipart: uploads) */
    uint64_t size;             /* bytes of an object */
    uint64_t part_size, range; /* bytes; range 0: whole objects */
    uint64_t keys, first;      /* keys are numbers first .. first + keys - 1 behind the prefix */
    bool random;               /* order of the keys */
    unsigned max_keys;         /* of a listing */
    unsigned mix[OP_COUNT_];   /* weights */
    bool verify, json, tls;

    const char *group, *id_file; /* native */
    const char *folder;          /* of WORK_FILES and WORK_SYNC_COST */
    pid_t pid[LOAD_PIDS_MAX];
    bool tree[LOAD_PIDS_MAX]; /* with descendants */
    unsigned npid;
};

const char *load_op_name(enum load_op op);
const char *load_work_name(enum load_work work);

/* 0; 1 when help was asked for and printed; -EINVAL after a line on standard error. */
int options_read(int argc, char **argv, struct load_options *ret);

#endif
