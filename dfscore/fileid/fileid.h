/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fileid - FastDFS file ids, "group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt", and back.
 *
 * file id = group "/" filename;  filename = "Mxx/HH/HH/" + 27 characters (base64 of 20 bytes) +
 * [16 characters slot location of a trunk file] + 7 characters (pad digits, dot, extension);
 * a slave's name goes on after that.
 *
 * Rule:    semantics 2.1-2.7 and 2.10 (layout), protocol 8 (checks every storage makes).
 * Threads: no state; any thread, any time. Allocates nothing, logs nothing.
 */
#ifndef DFS_FILEID_H
#define DFS_FILEID_H

#include "dfscore/base/str.h"

enum {
    DFS_GROUP_MAX = 16,
    DFS_FILENAME_MAX = 127,  /* without the group */
    DFS_FILENAME_PLAIN = 44, /* normal and appender */
    DFS_FILENAME_TRUNK = 60,
    DFS_NAME27 = 27,
    DFS_TAIL7 = 7, /* pad digits + '.' + ext */
    DFS_EXT_MAX = 6,
    DFS_PREFIX_MAX = 16,
    DFS_TRUNK_HEADER = 24, /* bytes before the content of a slot */
    DFS_FILEID_TEXT = DFS_GROUP_MAX + 1 + DFS_FILENAME_MAX + 1, /* room for an id and a NUL */
    DFS_LOCAL_PATH_MAX = 5 + 6 + DFS_FILENAME_MAX + 2,          /* "data/HH/HH/name-m" */
};

/*
 * A logical name after the checks of protocol 8, before anything is decoded: also containers
 * ("M00/00/00/000001"), metadata files ("...-m") and whatever else a peer may name.
 */
struct dfs_logical {
    unsigned path_index; /* "M0A" is 10; 0 for an old-style name without "Mxx/" */
    uint8_t high, low;   /* the two directories */
    struct str base;     /* the last part; a view; 1 byte or more, no '/', NUL or control
                                      bytes, not "." or ".." */
};

/*
 * Check a filename without group. 0 or -EINVAL; *ret on 0. The caller still compares path_index
 * with its number of store paths, and high and low with its number of directories.
 */
int dfs_logical_parse(struct str filename, struct dfs_logical *ret) MUST_CHECK;

/* "M0A" for 10; @path below 256. */
void dfs_path_name(unsigned path, char out[4]);
/* The other way round. -EINVAL: it is no store path's name. */
int dfs_path_named(struct str name, unsigned *ret) MUST_CHECK;

/* "data/HH/HH/base" plus @suffix ("" or "-m"); @out has DFS_LOCAL_PATH_MAX bytes. */
void dfs_logical_path(const struct dfs_logical *l, const char *suffix, char *out);

enum dfs_file_kind {
    DFS_FILE_NORMAL,
    DFS_FILE_APPENDER,
    DFS_FILE_TRUNK,
};

struct dfs_trunk_loc {
    uint32_t file_id;   /* container number */
    uint32_t offset;    /* of the slot in the container, header included */
    uint32_t slot_size; /* allocated, header included */
};

struct dfs_fileid {
    struct str group;    /* view; absent when parsed without group */
    struct str filename; /* view: all after the group */
    struct dfs_logical at;
    enum dfs_file_kind kind;    /* of the 27 characters; a slave's are its master's */
    bool slave;                 /* then size, created_s and crc32 say nothing about the content */
    uint8_t source[4];          /* as stored; see dfs_fileid_source_id / _ip */
    int64_t created_s;          /* Unix seconds, by the storage's clock */
    uint64_t size;              /* bytes; 0 when !size_known */
    bool size_known;            /* false for appenders and slaves */
    uint32_t crc32;             /* of the content at upload */
    uint32_t random23;          /* the random bits of the size field; 0 when it has none */
    struct dfs_trunk_loc trunk; /* DFS_FILE_TRUNK only */
    struct str tail;            /* view: the seven characters of the (master's) name */
    struct str ext;             /* view: extension without dot, may be empty; of the whole name */
};

/*
 * Parse a file id, or a filename without its group. Views point into @text.
 *
 * Returns 0; -EINVAL when the text is not shaped like one; -EBADMSG when it is, but the encoded
 * part does not decode. *ret is written only on 0.
 */
int dfs_fileid_parse(struct str text, struct dfs_fileid *ret) MUST_CHECK;
int dfs_filename_parse(struct str filename, struct dfs_fileid *ret) MUST_CHECK;

/* Server id 1..16777215 when the source is one, else 0. (An IPv4 address ending in .0 reads as an
 * id; that is FastDFS's rule.) */
uint32_t dfs_fileid_source_id(const struct dfs_fileid *f);
/* The source as text: "100001" or "192.168.1.10". */
void dfs_fileid_source_text(const struct dfs_fileid *f, char out[16]);
void dfs_source_from_id(uint32_t id, uint8_t out[4]);
void dfs_source_from_ip(uint32_t ip_host_order, uint8_t out[4]);

/*
 * Where the content lives below its store path: "data/HH/HH/name", or for a trunk file its
 * container "data/HH/HH/000012". @out has DFS_LOCAL_PATH_MAX bytes.
 */
void dfs_fileid_path(const struct dfs_fileid *f, char *out);
/* Path of the container @id in directories @high/@low. */
void dfs_trunk_path(uint8_t high, uint8_t low, uint32_t id, char *out);

struct dfs_fileid_parts {
    unsigned path_index; /* 0..255 */
    uint8_t high, low;
    enum dfs_file_kind kind;
    uint8_t source[4];
    int64_t created_s;
    uint64_t size; /* bytes; ignored for an appender; < 2^32 for a trunk file */
    uint32_t crc32;
    uint32_t random23;          /* low 23 bits are used; ignored for sizes >= 2^32 */
    struct dfs_trunk_loc trunk; /* DFS_FILE_TRUNK only */
    char tail[DFS_TAIL7];
};

/*
 * Write the filename (no group, no NUL) to @out, DFS_FILENAME_TRUNK bytes; returns its length,
 * 44 or 60. Always succeeds: parts come from us.
 */
size_t dfs_filename_build(const struct dfs_fileid_parts *p, char *out);

/* True when @ext can be an extension: 0..6 characters of [A-Za-z0-9._-]. */
bool dfs_ext_ok(struct str ext);
bool dfs_group_ok(struct str group); /* 1..16 of [A-Za-z0-9] */
/* Seven last characters from an extension that is dfs_ext_ok and random bits for the digits. */
void dfs_tail7(struct str ext, uint64_t random, char out[DFS_TAIL7]);

/*
 * Filename of a slave: master's name up to the dot of its extension, prefix, '.' + ext.
 * @out has DFS_FILENAME_MAX bytes. Returns 0 and its length; -EINVAL: master shorter than 44, bad
 * prefix (1..16 of [A-Za-z0-9._-]) or ext, "-m" without ext; -ENAMETOOLONG. Rule: semantics 2.7.
 */
int dfs_slave_name(struct str master, struct str prefix, struct str ext, char *out,
                   size_t *ret_n) MUST_CHECK;

/* PJW hash with its arithmetic shift; n = hash mod 65536, directories (n >> 8) mod S, (n & 255) mod S. */
uint32_t dfs_pjw(struct str s);
/* Storage id of an IPv6 server without storage ids: 12 characters and a NUL. Semantics 2.9. */
void dfs_ipv6_short_code(struct str address, char out[13]);

#endif
