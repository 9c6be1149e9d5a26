/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify - tell the service manager how we are, without its library.
 *
 * Rule: sd_notify(3), "Notes": a datagram of NAME=value lines to the socket in $NOTIFY_SOCKET; a name
 * that begins with '@' is an abstract one. Threads: the main thread.
 */
#ifndef S3_NOTIFY_H
#define S3_NOTIFY_H

/* "READY=1", "STOPPING=1", "STATUS=..." Does nothing when nobody asked. */
void s3_notify(const char *state);

#endif
