/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealing - a large file encrypted on the thread that writes it: fits sse/frames to
 * dfs/upload_file.
 */
#ifndef S3_SEALING_H
#define S3_SEALING_H

#include "s3gw/api/encryption.h"
#include "s3gw/dfs/dfs.h"

struct s3_gw;

/*
 * Fill seal, seal_free, seal_again and sealer of @o. Its frame is memory taken from gw->small: -EAGAIN at that
 * ceiling, -ENOMEM, -EIO. Until s3_upload_file_new() took it, o->seal_free() is the caller's to
 * call.
 */
int s3_sealing_new(struct s3_gw *gw, const struct s3_seal *seal,
                   struct s3_upload_file_options *o) MUST_CHECK;

#endif
