/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish - the file INDEX.rebuild, empty: the key index is to be made anew from the storages when it is opened next
 * (s3gw/keyindex.c). It was asked for, or the index is not the cluster's any more (s3gw/lease), and the new index does not
 * say so yet.
 *
 * Threads: any.
 */
#ifndef S3_WISH_H
#define S3_WISH_H

#include "dfscore/base/base.h"

/* Durably: whoever is killed from here on need not be told again. 0 or errno. */
int s3_wish_rebuild(const char *index_path) MUST_CHECK;
bool s3_rebuild_wished(const char *index_path);
/* 0, also when there is none; or errno. Not durably: it may be granted twice. */
int s3_wish_granted(const char *index_path) MUST_CHECK;

#endif
