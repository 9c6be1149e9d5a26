/* SPDX-License-Identifier: Apache-2.0 */
/* actions - which actions a pattern of a policy names. Rule: actions.def, condition_scope.def.
 * Threads: no state. */
#ifndef S3_POLICY_ACTIONS_H
#define S3_POLICY_ACTIONS_H

#include "dfscore/base/str.h"

enum s3_action_on { S3_ON_BUCKET = 1, S3_ON_OBJECT = 2, S3_ON_SERVICE = 4 };

/*
 * What the actions that @pattern matches ("s3:Get*", "*"; * and ? as in a policy, no case) are done
 * to: a set of s3_action_on. 0: no action is named so.
 */
unsigned s3_actions_on(struct str pattern);

/*
 * May condition key @key (lower case) be asked of what @pattern matches? Yes when one of these
 * actions has it (condition_scope.def), or the key belongs to all of them.
 */
bool s3_actions_know(struct str pattern, struct str key);

#endif
