/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf - reads "key = value" files into a struct, by rows that say type, default and range once.
 *
 *   struct my_conf { char *base_path; int64_t port; uint64_t buff_size; uint64_t timeout_ms; };
 *   static const struct dfs_conf_row rows[] = {
 *       CONF_STR(struct my_conf, base_path, "base_path", NULL, 1, 4095, CONF_RESTART, "Where data live"),
 *       CONF_INT(struct my_conf, port, "port", "22122", 0, 65535, NULL, CONF_RESTART, "TCP port; 0: any"),
 *       CONF_SIZE(struct my_conf, buff_size, "buff_size", "256KB", 4096, 1 << 20, "B", CONF_RESTART, "..."),
 *       CONF_DURATION(struct my_conf, timeout_ms, "network_timeout", "60s", 1, 86400000, "s", CONF_RELOAD, "..."),
 *   };
 *
 * Rule:    FastDFS configuration file format (semantics 18.1, 18.3, 18.4), read more strictly: a
 *          value that is not of the row's type is an error, not 0 or false.
 *          - lines end in LF (CR before it is dropped); blanks at both ends go; empty lines and lines
 *            starting with '#' are skipped
 *          - "#include FILE" stands for the lines of FILE, relative to the directory of the first file; no
 *            section goes on behind it. The other directives ("#@if" and the like) are refused by name
 *          - "key = value" splits at the first '='; no quoting, no inline comments
 *          - "[section]" puts "section." in front of the following keys; "[]" ends it
 *          - a key given twice: the last one counts; a list takes all, in order
 *          - a key with '#' in its row ("store_path#") stands for "store_path0", "store_path1"...
 * Threads: none of its own. A filled struct may be read by any number of threads.
 */
#ifndef DFS_CONF_H
#define DFS_CONF_H

#include "dfscore/base/buf.h"

enum dfs_conf_type {
    DFS_CONF_STR,  /* char *: owned, NUL-terminated; never NULL after a load. Range: bytes */
    DFS_CONF_INT,  /* int64_t. Range: the value */
    DFS_CONF_BOOL, /* bool: true yes on 1, false no off 0, any case */
    DFS_CONF_SIZE, /* uint64_t bytes: 4MB, 256K, 10 (in the row's unit). 1024-based. Range: bytes */
    DFS_CONF_DURATION, /* uint64_t milliseconds: 30s 500ms 5m 2h 1d, 60 (in the row's unit). Range: ms */
    DFS_CONF_SPACE,   /* struct dfs_conf_space: a size or "20%" */
    DFS_CONF_DAYTIME, /* int64_t seconds after midnight: "02:00", "01:30:15" */
    DFS_CONF_ENUM,    /* int: index of the value in the row's "allowed" list. */
    DFS_CONF_LIST,    /* struct dfs_conf_list: repeated or indexed key. Range: number of items */
};

struct dfs_conf_list {
    char **v; /* owned, as its items; an indexed key that was left out is NULL */
    size_t n;
};

struct dfs_conf_space {
    uint64_t bytes;        /* used when percent_x100 == 0 */
    uint32_t percent_x100; /* 20% is 2000; 1..9999 */
};

enum dfs_conf_apply {
    CONF_RESTART, /* read at start only */
    CONF_RELOAD,  /* SIGHUP applies it */
};

struct dfs_conf_row {
    const char *key;
    enum dfs_conf_type type;
    size_t offset;
    const char *dflt; /* as a file would say it; NULL: required (a list: may be empty) */
    int64_t min, max;
    /* unit of a bare number: SIZE "B" "KB" "MB", DURATION "s" "ms"; INT: for the reader */
    const char *unit;
    const char *allowed; /* ENUM: "a|b|c" */
    enum dfs_conf_apply apply;
    const char *help; /* one or more lines; printed above the key in a sample */
};

/* The member's type is checked at compile time. */
#define CONF_AT(S, field, T)                                                                       \
    (offsetof(S, field) +                                                                          \
     0 * sizeof(struct {                                                                           \
         _Static_assert(__builtin_types_compatible_p(__typeof__(((S *)0)->field), T),              \
                        #field " must be " #T);                                                    \
         int x_;                                                                                   \
     }))
#define CONF_STR(S, f, key, dflt, min, max, apply, help)                                           \
    {                                                                                              \
        key, DFS_CONF_STR, CONF_AT(S, f, char *), dflt, min, max, NULL, NULL, apply, help          \
    }
#define CONF_INT(S, f, key, dflt, min, max, unit, apply, help)                                     \
    {                                                                                              \
        key, DFS_CONF_INT, CONF_AT(S, f, int64_t), dflt, min, max, unit, NULL, apply, help         \
    }
#define CONF_BOOL(S, f, key, dflt, apply, help)                                                    \
    {                                                                                              \
        key, DFS_CONF_BOOL, CONF_AT(S, f, bool), dflt, 0, 1, NULL, NULL, apply, help               \
    }
#define CONF_SIZE(S, f, key, dflt, min, max, unit, apply, help)                                    \
    {                                                                                              \
        key, DFS_CONF_SIZE, CONF_AT(S, f, uint64_t), dflt, min, max, unit, NULL, apply, help       \
    }
#define CONF_DURATION(S, f, key, dflt, min, max, unit, apply, help)                                \
    {                                                                                              \
        key, DFS_CONF_DURATION, CONF_AT(S, f, uint64_t), dflt, min, max, unit, NULL, apply, help   \
    }
#define CONF_SPACE(S, f, key, dflt, unit, apply, help)                                             \
    {                                                                                              \
        key, DFS_CONF_SPACE, CONF_AT(S, f, struct dfs_conf_space), dflt, 0, 0, unit, NULL, apply,  \
            help                                                                                   \
    }
#define CONF_DAYTIME(S, f, key, dflt, apply, help)                                                 \
    {                                                                                              \
        key, DFS_CONF_DAYTIME, CONF_AT(S, f, int64_t), dflt, 0, 86399, NULL, NULL, apply, help     \
    }
#define CONF_ENUM(S, f, key, dflt, allowed, apply, help)                                           \
    {                                                                                              \
        key, DFS_CONF_ENUM, CONF_AT(S, f, int), dflt, 0, 0, NULL, allowed, apply, help             \
    }
#define CONF_LIST(S, f, key, min, max, apply, help)                                                \
    {                                                                                              \
        key, DFS_CONF_LIST, CONF_AT(S, f, struct dfs_conf_list), NULL, min, max, NULL, NULL,       \
            apply, help                                                                            \
    }

/* How files of FastDFS are read: of a key that is given twice the last counts, where without options it is an error. */
struct dfs_conf_opts {
    /* Keys that mean nothing here, and are passed over; "http.*" stands for all of a section or prefix. */
    const char *const *meaningless;
    size_t n;
    /* Called for each of them, and for keys that nobody knows, which are passed over then. NULL: these are an error. */
    void (*unknown)(const char *file, unsigned line, struct str key, bool meaningless);
};

/*
 * Read @path into the struct at @conf, which must be zeroed (all members that no row names stay as
 * they are). Rows that the file leaves out get their default.
 *
 * Returns 0; -EINVAL for a mistake in the file; -ENOMEM; other negative errno when the file cannot
 * be read. On failure @err holds one line for a human without newline:
 *   "tracker.conf:12: port = 99999: must be a number from 0 to 65535"
 * and @conf is empty again. Give it back with dfs_conf_fini.
 */
int dfs_conf_load(const char *path, const struct dfs_conf_row *rows, size_t n,
                  const struct dfs_conf_opts *opts, void *conf, struct buf *err);
/* The same for @text; @name stands for the file in messages. Does no I/O, so nothing can be included. */
int dfs_conf_parse(struct str text, const char *name, const struct dfs_conf_row *rows, size_t n,
                   const struct dfs_conf_opts *opts, void *conf, struct buf *err);
/*
 * For what a program checks after loading: puts "PATH: KEY = VALUE: WHAT" in @err, without " = VALUE" when that is empty.
 * Returns -EINVAL.
 */
int dfs_conf_refuse(struct buf *err, const char *path, const char *key, const char *value,
                    const char *what);
/* "true", "off" and so on, as a BOOL row reads them. 0 or -EINVAL. */
int dfs_conf_bool(struct str v, bool *ret);
/* Frees what load put into @conf and zeroes these members; idempotent. */
void dfs_conf_fini(const struct dfs_conf_row *rows, size_t n, void *conf);

/*
 * By SIGHUP: the members of @conf that CONF_RELOAD rows name change places with those of @next, which was loaded since. The
 * others, which somebody may point to, stay. Free @next when nobody uses the old ones any more.
 */
void dfs_conf_reload(const struct dfs_conf_row *rows, size_t n, void *conf, void *next);

/*
 * A documented sample file made from the rows: help, unit, default, range, whether reload applies
 * it. It loads again to the defaults. For --print-config; tests compare conf/<program>.conf with it.
 */
void dfs_conf_print(const struct dfs_conf_row *rows, size_t n, struct buf *out);

#endif
