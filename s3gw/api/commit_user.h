/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit_user - changes of users and access keys: noted in the default group (secrets sealed,
 * core/secretbox.h), then in the index, one change at a time. Root's own are not noted: they come with
 * every start.
 *
 * Threads: any that may block.
 */
#ifndef S3_COMMIT_USER_H
#define S3_COMMIT_USER_H

#include "s3gw/core/gw.h"
#include "s3gw/index/bucket.h"

struct s3_user_change {
    const struct s3_user *user; /* NULL: stays; else made (must_be_new) or replaced */
    bool must_be_new;
    const struct s3_access_key *key; /* NULL: none; else made */
    struct str gone_user;            /* absent: none; else goes with its keys */
    struct str gone_key;
    bool key_refused; /* written: -EEXIST was about the key, not the user */
};

/* 0; -EEXIST; -ENOENT; -ENOTEMPTY: the user owns buckets; the note's errno. */
int s3_commit_user(const struct s3_gw *gw, struct s3_user_change *c) MUST_CHECK;
/* Say of all users and keys that they are there: when what was noted before cannot be read any
 * more. */
int s3_note_all_users(const struct s3_gw *gw) MUST_CHECK;

#endif
