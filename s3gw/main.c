/* SPDX-License-Identifier: Apache-2.0 */
/* s3gw - an S3 server over a FastDFS-compatible store: which command is it? */
#include <stdio.h>

#include "dfscore/base/std.h"
#include "dfscore/base/version.h"
#include "s3gw/admin/client.h"
#include "s3gw/commands.h"
#include "s3gw/s3gw_conf.h"

static const char help[] =
    "usage: s3gw COMMAND [OPTIONS]\n"
    "\n"
    "  standalone --data DIR   tracker, storage and gateway on this machine, in one command\n"
    "  serve --config FILE     the gateway alone, as a member of a cluster\n"
    "  admin ...               users, keys, buckets and state of a running gateway\n"
    "  print-config            a commented configuration file with every setting's default\n"
    "  --version               which build this is\n"
    "\n"
    "s3gw COMMAND --help says more. Exit status: 0 done, 1 failed, 2 used wrongly.\n";

/* Commands that are one word take no others. */
static bool alone(int argc, char **argv)
{
    if (argc > 1)
        fprintf(stderr, "s3gw %s: what is '%s'? (see s3gw --help)\n", argv[0], argv[1]);
    return argc <= 1;
}

static int print_config(int argc, char **argv)
{
    if (!alone(argc, argv))
        return 2;
    AUTO(buf_free) struct buf text = BUF(1 << 20);
    dfs_conf_print(s3gw_conf_rows, s3gw_conf_n, &text);
    if (buf_err(&text))
        return 1;
    return fwrite(text.p, 1, text.n, stdout) == text.n ? 0 : 1;
}

static int print_version(int argc, char **argv)
{
    if (!alone(argc, argv))
        return 2;
    return printf("s3gw %s\n", dfs_version()) < 0;
}

static int print_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return fputs(help, stdout) < 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"standalone", s3gw_standalone}, {"serve", s3gw_serve},        {"admin", s3_admin_main},
        {"print-config", print_config},  {"--version", print_version}, {"version", print_version},
        {"--help", print_help},          {"-h", print_help},           {"help", print_help},
    };
    dfs_std_open();
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    if (argc > 1)
        fprintf(stderr, "s3gw: unknown command '%s' (see s3gw --help)\n", argv[1]);
    else
        fputs(help, stderr);
    return 2;
}
