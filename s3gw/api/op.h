/* SPDX-License-Identifier: Apache-2.0 */
/* Moved: op.h lives in core/ now (policy/ and auth/ may not look up into api/). */
#include "s3gw/core/op.h"
