/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <stdio.h>

#include "dfscore/fileid/fileid.h"

#define GOLDEN "tests/unit/dfscore/wire/golden.txt"

/* Semantics 2.8, examples A to F. */
static const struct {
    const char *id;
    enum dfs_file_kind kind;
    bool slave;
    const char *source;
    int64_t created;
    bool known;
    uint64_t size;
    uint32_t crc, random;
    const char *path, *ext;
} examples[] = {
    {"group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt", DFS_FILE_NORMAL, false, "192.168.1.10",
     1700000000, true, 13, 0xEBE6C6E6, 0x2A5B7C, "data/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt",
     "txt"},
    {"group1/M01/C4/10/oYYBAGVT81gAAAABgAAAABorPE05820413", DFS_FILE_NORMAL, false, "100001",
     1700000600, true, 6442450944, 0x1A2B3C4D, 0, "data/C4/10/oYYBAGVT81gAAAABgAAAABorPE05820413",
     ""},
    {"group1/M00/12/34/CgAABWVT-AiEC83vAAAAAAAAAAA906.log", DFS_FILE_APPENDER, false, "10.0.0.5",
     1700001800, false, 0, 0, 0x0BCDEF, "data/12/34/CgAABWVT-AiEC83vAAAAAAAAAAA906.log", "log"},
    {"group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731_150x150.jpg", DFS_FILE_NORMAL, true,
     "192.168.1.10", 1700000000, false, 0, 0xEBE6C6E6, 0x2A5B7C,
     "data/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731_150x150.jpg", "jpg"},
    {"group1/M00/00/00/fwAAA2sCv3-EfU2eAAAAAMv1Ohw392.log", DFS_FILE_APPENDER, false, "127.0.0.3",
     0x6B02BF7F, false, 0, 0xCBF53A1C, 0x7D4D9E, "data/00/00/fwAAA2sCv3-EfU2eAAAAAMv1Ohw392.log",
     "log"},
};

static void worked_examples_of_the_specification(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        struct dfs_fileid f;
        char source[16], path[DFS_LOCAL_PATH_MAX];
        assert_int_equal(dfs_fileid_parse(str_c(examples[i].id), &f), 0);
        dfs_fileid_source_text(&f, source);
        dfs_fileid_path(&f, path);
        assert_string_equal(source, examples[i].source);
        assert_string_equal(path, examples[i].path);
        assert_int_equal(f.kind, examples[i].kind);
        assert_int_equal(f.slave, examples[i].slave);
        assert_int_equal(f.created_s, examples[i].created);
        assert_int_equal(f.size_known, examples[i].known);
        assert_int_equal(f.size, examples[i].size);
        assert_int_equal(f.crc32, examples[i].crc);
        assert_int_equal(f.random23, examples[i].random);
        assert_true(str_eq(f.ext, str_c(examples[i].ext)));
        assert_true(str_eq(f.group, STR("group1")));
    }
}

static void example_c_lies_in_container_12(void **state)
{
    (void)state;
    struct dfs_fileid f;
    char path[DFS_LOCAL_PATH_MAX];
    struct str id = STR("M00/00/0A/ooYBAGVT9bCIFVqgAAAAyO0IYYAAAAADAAAEAAAAAEA441.bin");
    assert_int_equal(id.n, DFS_FILENAME_TRUNK);
    assert_int_equal(dfs_filename_parse(id, &f), 0);
    assert_int_equal(f.trunk.file_id, 12);
    assert_int_equal(f.trunk.offset, 4096);
    assert_int_equal(f.trunk.slot_size, 256);
    dfs_fileid_path(&f, path);
    assert_string_equal(path, "data/00/0A/000012");
}

static void what_is_no_file_id_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        int r;
    } rows[] = {
        {"", -EINVAL},
        {"group1", -EINVAL},
        {"group1/", -EINVAL},
        {"/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt", -EINVAL},
        {"group_1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt", -EINVAL},
        {"group1/M0g/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt", -EINVAL},
        {"group1/M00/ef/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt", -EINVAL},
        {"group1/M00/EF/A9/../gBCmVT8QCAKlt8AAAADevmxuY731.txt", -EINVAL},
        {"group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731/txt", -EINVAL},
        {"group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY", -EINVAL},
        {"group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY73%.txt", -EINVAL},
        {"group1/M00/EF/A9/wKg.CmVT8QCAKlt8AAAADevmxuY731.txt", -EBADMSG},
        {"group1/M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuZ731.txt", -EBADMSG}, /* bits beyond the end */
        {"group1/M00/00/0A/ooYBAGVT9bCIFVqgAAAAyO0IYYA441.bin",
         -EBADMSG}, /* trunk without its place */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dfs_fileid f = {.created_s = 77};
        assert_int_equal(dfs_fileid_parse(str_c(rows[i].id), &f), rows[i].r);
        assert_int_equal(f.created_s, 77);
    }
    char nul[] = "M00/00/00/abc\0def";
    struct dfs_logical l;
    assert_int_equal(dfs_logical_parse(str_of(nul, sizeof(nul) - 1), &l), -EINVAL);
    assert_int_equal(dfs_logical_parse(STR("M00/00/00/.."), &l), -EINVAL);
    assert_int_equal(dfs_logical_parse(STR("M00/00/00/."), &l), -EINVAL);
}

static void names_of_128_bytes_are_too_long(void **state)
{
    (void)state;
    char name[129];
    struct dfs_logical l;
    memset(name, 'a', sizeof(name));
    memcpy(name, "M00/00/00/", 10);
    assert_int_equal(dfs_logical_parse(str_of(name, 127), &l), 0);
    assert_int_equal(dfs_logical_parse(str_of(name, 128), &l), -EINVAL);
}

static void containers_metadata_and_old_names_are_logical_names(void **state)
{
    (void)state;
    struct dfs_logical l;
    char path[DFS_LOCAL_PATH_MAX];
    assert_int_equal(dfs_logical_parse(STR("M0A/00/01/000001"), &l), 0);
    assert_int_equal(l.path_index, 10);
    assert_int_equal(l.low, 1);
    assert_true(str_eq(l.base, STR("000001")));
    dfs_logical_path(&l, "-m", path);
    assert_string_equal(path, "data/00/01/000001-m");
    assert_int_equal(dfs_logical_parse(STR("FF/01/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt"), &l), 0);
    assert_int_equal(l.path_index, 0);
    assert_int_equal(l.high, 0xFF);
}

static uint64_t next_random(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 11;
}

/* Property: what build writes, parse reads. */
static void built_names_parse_back(void **state)
{
    (void)state;
    static const char *const exts[] = {"", "a", "txt", "tar.gz", "jpeg"};
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        struct dfs_fileid_parts p = {
            .path_index = (unsigned)(next_random(&seed) & 255),
            .high = (uint8_t)next_random(&seed),
            .low = (uint8_t)next_random(&seed),
            .kind = (enum dfs_file_kind)(next_random(&seed) % 3),
            .created_s = (int64_t)(next_random(&seed) & UINT32_MAX),
            .size = next_random(&seed) >> (next_random(&seed) % 50),
            .crc32 = (uint32_t)next_random(&seed),
            .random23 = (uint32_t)next_random(&seed) & 0x7FFFFF,
            .trunk = {(uint32_t)next_random(&seed), (uint32_t)next_random(&seed),
                      (uint32_t)next_random(&seed)},
        };
        if (p.kind == DFS_FILE_TRUNK)
            p.size &= UINT32_MAX;
        if (i % 2)
            dfs_source_from_id(1 + (uint32_t)next_random(&seed) % 16777215, p.source);
        else
            dfs_source_from_ip((uint32_t)next_random(&seed), p.source);
        struct str ext = str_c(exts[next_random(&seed) % ARRAY_LEN(exts)]);
        dfs_tail7(ext, next_random(&seed), p.tail);
        char name[DFS_FILENAME_TRUNK];
        size_t n = dfs_filename_build(&p, name);
        assert_int_equal(n, p.kind == DFS_FILE_TRUNK ? DFS_FILENAME_TRUNK : DFS_FILENAME_PLAIN);
        struct dfs_fileid f;
        assert_int_equal(dfs_filename_parse(str_of(name, n), &f), 0);
        assert_int_equal(f.kind, p.kind);
        assert_false(f.slave);
        assert_memory_equal(f.source, p.source, 4);
        assert_int_equal(f.at.path_index, p.path_index);
        assert_int_equal(f.at.high, p.high);
        assert_int_equal(f.at.low, p.low);
        assert_int_equal(f.created_s, p.created_s);
        assert_int_equal(f.crc32, p.crc32);
        assert_true(f.size == (p.kind == DFS_FILE_APPENDER ? 0 : p.size));
        assert_true(str_eq(f.ext, ext));
        if (p.kind == DFS_FILE_TRUNK)
            assert_memory_equal(&f.trunk, &p.trunk, sizeof(p.trunk));
    }
}

static void slaves_are_named_as_fastdfs_names_them(void **state)
{
    (void)state;
    char out[DFS_FILENAME_MAX];
    size_t n;
    struct str a = STR("M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731.txt");
    struct str b = STR("M01/C4/10/oYYBAGVT81gAAAABgAAAABorPE05820413");
    assert_int_equal(dfs_slave_name(a, STR("_150x150"), STR("jpg"), out, &n), 0);
    assert_true(
        str_eq(str_of(out, n), STR("M00/EF/A9/wKgBCmVT8QCAKlt8AAAADevmxuY731_150x150.jpg")));
    assert_int_equal(dfs_slave_name(b, STR("-s"), STR(""), out, &n), 0);
    assert_true(str_eq(str_of(out, n), STR("M01/C4/10/oYYBAGVT81gAAAABgAAAABorPE05820413-s")));
    assert_int_equal(dfs_slave_name(a, STR("-m"), STR(""), out, &n), -EINVAL);
    assert_int_equal(dfs_slave_name(a, STR("-m"), STR("x"), out, &n), 0);
    assert_int_equal(dfs_slave_name(a, STR(""), STR("x"), out, &n), -EINVAL);
    assert_int_equal(dfs_slave_name(a, STR("a/b"), STR("x"), out, &n), -EINVAL);
    assert_int_equal(dfs_slave_name(a, STR("12345678901234567"), STR("x"), out, &n), -EINVAL);
    assert_int_equal(dfs_slave_name(STR("M00/00/00/short"), STR("_a"), STR("x"), out, &n), -EINVAL);
}

static void hashes_of_the_specification(void **state)
{
    (void)state;
    char code[13];
    assert_int_equal(dfs_pjw(STR("abc")), 0x6783);
    assert_int_equal(dfs_pjw(STR("wKgBCmVT8QCAKlt8AAAADevmxuY")), 0x0439EFA9);
    dfs_ipv6_short_code(STR("2001:db8::1"), code);
    assert_string_equal(code, "8VBL_wAAAAA.");
}

/* Every file id a FastDFS server gave out in the recordings decodes, and builds to the same text. */
static void recorded_ids_decode_and_build_to_the_same_text(void **state)
{
    (void)state;
    FILE *f = fopen(GOLDEN, "r");
    AUTO(dfs_free_ptr) char *line = NULL;
    size_t cap = 0;
    unsigned checked = 0;
    assert_non_null(f);
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0;) {
        struct str rest = str_of(line, (size_t)n - 1), width, name, request, answer;
        str_split(&rest, ' ', &width);
        str_split(&rest, ' ', &name);
        bool named = str_starts(name, STR("storage.upload")) ||
                     str_starts(name, STR("storage.regen")) ||
                     str_starts(name, STR("storage.create_link"));
        str_split(&rest, ' ', &request);
        str_split(&rest, ' ', &answer);
        char raw[256];
        if (!named || answer.n / 2 < 10 + 16 + 44 || str_unhex(answer, raw, answer.n / 2) < 0)
            continue;
        struct str filename = str_of(raw + 26, answer.n / 2 - 26);
        struct dfs_fileid id;
        assert_int_equal(dfs_filename_parse(filename, &id), 0);
        if (id.slave)
            continue;
        struct dfs_fileid_parts p = {
            id.at.path_index, id.at.high, id.at.low,   id.kind,  {0}, id.created_s,
            id.size,          id.crc32,   id.random23, id.trunk, {0}};
        memcpy(p.source, id.source, 4);
        memcpy(p.tail, id.tail.p, 7);
        char again[DFS_FILENAME_TRUNK];
        assert_true(str_eq(str_of(again, dfs_filename_build(&p, again)), filename));
        checked++;
    }
    fclose(f);
    assert_true(checked >= 6);
}

static void store_paths_have_names(void **state)
{
    (void)state;
    static const char *const none[] = {"",    "M",   "M0",  "M000", "m00",
                                       "N00", "M0g", "M0a", "M 1",  "100"};
    for (unsigned i = 0; i < 256; i++) {
        char name[4];
        unsigned path = 999;
        dfs_path_name(i, name);
        assert_int_equal(dfs_path_named(str_c(name), &path), 0);
        assert_int_equal(path, i);
    }
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        unsigned path;
        assert_int_equal(dfs_path_named(str_c(none[i]), &path), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_examples_of_the_specification),
        cmocka_unit_test(example_c_lies_in_container_12),
        cmocka_unit_test(what_is_no_file_id_is_refused),
        cmocka_unit_test(names_of_128_bytes_are_too_long),
        cmocka_unit_test(containers_metadata_and_old_names_are_logical_names),
        cmocka_unit_test(built_names_parse_back),
        cmocka_unit_test(slaves_are_named_as_fastdfs_names_them),
        cmocka_unit_test(store_paths_have_names),
        cmocka_unit_test(hashes_of_the_specification),
        cmocka_unit_test(recorded_ids_decode_and_build_to_the_same_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
