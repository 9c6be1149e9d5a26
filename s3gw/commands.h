/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - the sub-commands of s3gw that run a server. argv[0] is the command's name; the result is
 * the program's exit status: 0 stopped as asked, 1 failed (said why on standard error), 2 used wrongly.
 */
#ifndef S3GW_COMMANDS_H
#define S3GW_COMMANDS_H

int s3gw_standalone(int argc, char **argv);
int s3gw_serve(int argc, char **argv);

#endif
