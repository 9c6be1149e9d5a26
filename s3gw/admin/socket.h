/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket - the admin socket: a Unix-domain socket of mode 0600, on a thread of its own. One line of
 * JSON is a request, one line the answer (verbs.h); a connection may ask several times.
 *
 * Only the server's own user and root may connect (mode, and the kernel's word about the peer). At
 * most 16 connections; one that says nothing for 10 seconds is closed.
 */
#ifndef S3_ADMIN_SOCKET_H
#define S3_ADMIN_SOCKET_H

#include "s3gw/admin/verbs.h"

struct s3_admin;

enum { S3_ADMIN_LINE_MAX = 64 * 1024 };

/* @path replaces a socket that nobody serves. @context is copied, what it points to must live on. */
int s3_admin_start(const char *path, const struct s3_admin_context *context,
                   struct s3_admin **ret) MUST_CHECK;
/* Waits for the request in progress; removes the socket. */
void s3_admin_stop(struct s3_admin **a);

/*
 * connect() to a path of any length: struct sockaddr_un holds 107 bytes, so the folder is opened and the
 * socket named through /proc, as for the listening end. 0 or negative errno.
 */
int s3_admin_connect(int fd, const char *path) MUST_CHECK;

#endif
