/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports - loopback ports of the tracker and the storage: asked for, or those of the last start, or the
 * usual ones, or any that is free. They are kept in the data folder's file "ports", because a storage
 * that comes back under another port is another server to its group.
 */
#ifndef S3_PORTS_H
#define S3_PORTS_H

#include "s3gw/supervisor/datadir.h"

struct s3_ports {
    uint16_t tracker, storage;
};

/* Take @port of loopback (0: any that the kernel gives). A descriptor, for the caller to close, as long as
 * which nobody else gets it; or negative errno. *got is the port. */
int s3_ports_hold(uint16_t port, uint16_t *got) MUST_CHECK;

/*
 * @tracker, @storage: the port asked for, 0: any free one, -1: not said. A port of the last start, and
 * one asked for, is waited for some seconds: its former owner may still be dying. 0; or negative errno
 * with a line for a human in @err.
 */
int s3_ports_choose(struct s3_datadir *d, int tracker, int storage, struct s3_ports *ret,
                    struct buf *err) MUST_CHECK;

#endif
