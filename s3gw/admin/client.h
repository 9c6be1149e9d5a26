/* SPDX-License-Identifier: Apache-2.0 */
/* client - `s3gw admin`: the command line of the admin socket. */
#ifndef S3_ADMIN_CLIENT_H
#define S3_ADMIN_CLIENT_H

/*
 * argv[0] is "admin". Prints the answer; the return value is the program's exit status: 0 done,
 * 1 refused or failed, 2 used wrongly, 3 nobody answers on the socket.
 */
int s3_admin_main(int argc, char **argv);

#endif
