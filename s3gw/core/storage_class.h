/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage_class - the storage classes objects may have, and the group each places data in.
 *
 * STANDARD is always there and not listed: it lies in the bucket's own groups. The others are the
 * operator's (setting storage_class), in the order in which lifecycle rules may move objects: down
 * the list, never up. A class that names no group is a label: its data lie with STANDARD's. How
 * many copies a class keeps is how many members its group has.
 *
 * Rule:    s3-behaviours 12 (storage class), 20 (transitions); Amazon S3 User Guide, "Transitioning
 *          objects using Amazon S3 Lifecycle" (the waterfall).
 * Threads: no state; a list is constant once made.
 */
#ifndef S3_STORAGE_CLASS_H
#define S3_STORAGE_CLASS_H

#include "dfscore/base/str.h"

enum { S3_CLASS_NAME_MAX = 32, S3_CLASSES_MAX = 32 };

struct s3_class {
    struct str name;  /* as clients write it */
    struct str group; /* where its data go; empty: the bucket's groups */
};

struct s3_classes {
    const struct s3_class *v;
    size_t n;
};

/* What is offered when the operator names none: AWS's classes that can be read at once, as labels.
 * Not GLACIER and DEEP_ARCHIVE, whose objects would have to be restored first. */
extern const struct s3_classes s3_classes_default;

/* A row of the setting: "NAME" or "NAME=group"; views. -EINVAL: no such row, or STANDARD. */
int s3_class_parse(struct str row, struct s3_class *ret) MUST_CHECK;

/* NULL: not offered. STANDARD and the absent name are not in the list: NULL as well. */
const struct s3_class *s3_class_find(const struct s3_classes *c, struct str name);
/* Place in the order of transitions: 0 STANDARD (or absent), then 1 for the first; -ENOENT. */
int s3_class_rank(const struct s3_classes *c, struct str name);
/* Where data of that class go: its group, or those of the bucket (core/groups.h); a class that is not offered any more
 * lies with STANDARD. */
struct str s3_class_group(const struct s3_classes *c, struct str name, struct str bucket_groups);
/* Is it a name that AWS's documents know, offered or not? STANDARD too. */
bool s3_class_is_aws(struct str name);

#endif
