/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/sse/gcm.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/lib/test.h"

#if __has_include(<intel-ipsec-mb.h>)
static const bool built = true;
#else
static const bool built = false;
#endif

enum { LONG = 65536 };

static const uint8_t key[S3_GCM_KEY] = "0123456789abcdef0123456789abcde";
static const uint8_t nonce[S3_GCM_NONCE] = "nonce nonce";
static uint8_t plain[LONG];

static struct s3_gcm with_key(const struct s3_gcm_by *by, const uint8_t *k, bool seals)
{
    struct s3_gcm g;
    assert_int_equal(s3_gcm_init(&g, by), 0);
    assert_int_equal(s3_gcm_key(&g, k, seals), 0);
    return g;
}

static struct s3_gcm_message message(const void *in, size_t n, uint8_t *out)
{
    return (struct s3_gcm_message){nonce, STR("associated"), str_of(in, n), out};
}

/*
 * First four: McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 16
 * (17 and 18 have other nonces). Then NIST's CAVP, gcmEncryptExtIV256.rsp, the first of each shape.
 */
static const struct vector {
    const char *key, *nonce, *aad, *plain, *sealed, *tag;
} vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {"b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4", "516c33929df5a3284ff463d7",
     "", "", "", "bdc1ac884d332457a1d2664f168c76f0"},
    {"78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223", "d79cf22d504cc793c3fb6c8a",
     "b96baa8c1c75a671bfb2d08d06be5f36", "", "", "3e5d486aa2e30b22e040b85723a06e76"},
    {"31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22", "0d18e06c7c725ac9e362e1ce",
     "", "2db5168e932556f8089a0622981d017d", "fa4362189661d163fcd6a56d8bf0405a",
     "d636ac1bbedd5cc3ee727dc2ab4a9489"},
};

static struct str unhex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;
    assert_int_equal(str_unhex(str_c(hex), out, n), 0);
    return str_of(out, n);
}

static void published_vectors(void **state)
{
    (void)state;
    const struct s3_gcm_by *by;
    for (size_t b = 0; (by = s3_gcm_each(b)) != NULL; b++)
        for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
            const struct vector *v = &vectors[i];
            uint8_t k[32], iv[12], aad[32], in[64], sealed[64], tag[16], out[64], is[16];
            unhex(v->key, k);
            unhex(v->nonce, iv);
            struct s3_gcm_message m = {iv, unhex(v->aad, aad), unhex(v->plain, in), out};
            struct str expect = unhex(v->sealed, sealed);
            unhex(v->tag, tag);
            struct s3_gcm g = with_key(by, k, true);
            assert_int_equal(s3_gcm_seal(&g, &m, is), 0);
            assert_memory_equal(out, sealed, expect.n);
            assert_memory_equal(is, tag, 16);
            m.in = expect;
            assert_int_equal(s3_gcm_key(&g, k, false), 0); /* the same room, the other way */
            assert_int_equal(s3_gcm_open(&g, &m, tag), 0);
            assert_memory_equal(out, in, expect.n);
            s3_gcm_fini(&g);
        }
}

/* Both write the same bytes; each opens the other's, where it lies and elsewhere, aligned or not. */
static void exchange(const struct s3_gcm_by *one, const struct s3_gcm_by *other, size_t n)
{
    static uint8_t sealed[LONG + 1], opened[LONG + 1], again[LONG];
    uint8_t tag[16], second[16];
    struct s3_gcm seals = with_key(one, key, true), opens = with_key(other, key, false),
                  reseals = with_key(other, key, true);
    struct s3_gcm_message m = message(plain, n, sealed + n % 2);
    assert_int_equal(s3_gcm_seal(&seals, &m, tag), 0);
    m.out = again;
    assert_int_equal(s3_gcm_seal(&reseals, &m, second), 0);
    assert_memory_equal(again, sealed + n % 2, n);
    assert_memory_equal(second, tag, 16);
    m = message(sealed + n % 2, n, opened + n / 2 % 2);
    assert_int_equal(s3_gcm_open(&opens, &m, tag), 0);
    assert_memory_equal(opened + n / 2 % 2, plain, n);
    m.out = sealed + n % 2;
    assert_int_equal(s3_gcm_open(&opens, &m, tag), 0);
    assert_memory_equal(m.out, plain, n);
    m = message(m.out, n, m.out);
    assert_int_equal(s3_gcm_seal(&seals, &m, tag), 0);
    assert_memory_equal(m.out, again, n);
    assert_memory_equal(second, tag, 16);
    s3_gcm_fini(&seals);
    s3_gcm_fini(&opens);
    s3_gcm_fini(&reseals);
}

static void what_one_seals_the_other_opens(void **state)
{
    (void)state;
    static const size_t lengths[] = {4095, 4096, 4097, 65519, 65520, 65535, 65536};
    const struct s3_gcm_by *one, *other;
    for (size_t a = 0; (one = s3_gcm_each(a)) != NULL; a++)
        for (size_t b = 0; (other = s3_gcm_each(b)) != NULL; b++) {
            for (size_t n = 0; n <= 1700; n++) /* more than two turns of 48 blocks, and all rests */
                exchange(one, other, n);
            for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
                exchange(one, other, lengths[i]);
        }
}

/* Associated data of every length that ends in another place of a block. */
static void associated_data_of_any_length(void **state)
{
    (void)state;
    const struct s3_gcm_by *one, *other;
    for (size_t a = 0; (one = s3_gcm_each(a)) != NULL; a++)
        for (size_t b = 0; (other = s3_gcm_each(b)) != NULL; b++) {
            struct s3_gcm seals = with_key(one, key, true), opens = with_key(other, key, false);
            for (size_t n = 0; n < 300; n++) {
                uint8_t out[100], tag[16];
                struct s3_gcm_message m = {nonce, str_of(plain, n), str_of(plain, 33), out};
                assert_int_equal(s3_gcm_seal(&seals, &m, tag), 0);
                m.in.p = (const char *)out;
                assert_int_equal(s3_gcm_open(&opens, &m, tag), 0);
                assert_memory_equal(out, plain, 33);
            }
            s3_gcm_fini(&seals);
            s3_gcm_fini(&opens);
        }
}

/* Refused, and nothing of it is left to see. */
static void refused(struct s3_gcm *g, const struct s3_gcm_message *m, const uint8_t *tag)
{
    static const uint8_t zeros[LONG];
    memset(m->out, 0x55, m->in.n);
    assert_int_equal(s3_gcm_open(g, m, tag), -EBADMSG);
    assert_memory_equal(m->out, zeros, m->in.n);
}

static void refuses_whatever_is_not_right(const struct s3_gcm_by *by, size_t n)
{
    static uint8_t sealed[LONG], out[LONG];
    uint8_t tag[16], other_key[S3_GCM_KEY], other_nonce[S3_GCM_NONCE];
    memcpy(other_key, key, sizeof(key));
    memcpy(other_nonce, nonce, sizeof(nonce));
    other_key[31] ^= 1;
    other_nonce[11] ^= 1;
    struct s3_gcm seals = with_key(by, key, true), opens = with_key(by, key, false),
                  wrong = with_key(by, other_key, false);
    struct s3_gcm_message m = message(plain, n, sealed);
    assert_int_equal(s3_gcm_seal(&seals, &m, tag), 0);
    m = message(sealed, n, out);
    const size_t bits = n > 1000 ? 31 : 1, bytes = n > 1000 ? 9973 : 1; /* from one to the next */
    for (size_t bit = 0; bit < 128; bit += bits) {
        tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
        refused(&opens, &m, tag);
        tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t at = 0; at < n; at += bytes) {
        sealed[at] ^= 0x80;
        refused(&opens, &m, tag);
        sealed[at] ^= 0x80;
    }
    refused(&wrong, &m, tag);
    m.nonce = other_nonce;
    refused(&opens, &m, tag);
    m.nonce = nonce;
    m.aad = STR("associates");
    refused(&opens, &m, tag);
    m.aad.n--;
    refused(&opens, &m, tag);
    m.aad = STR_NULL;
    refused(&opens, &m, tag);
    m = message(sealed, n, out);
    if (n > 0) {
        m.in.n--;
        refused(&opens, &m, tag);
        m.in.n++;
    }
    assert_int_equal(s3_gcm_open(&opens, &m, tag), 0); /* a refusal leaves nothing behind */
    assert_memory_equal(out, plain, n);
    m.out = sealed; /* where it lies */
    tag[0] ^= 1;
    refused(&opens, &m, tag);
    s3_gcm_fini(&seals);
    s3_gcm_fini(&opens);
    s3_gcm_fini(&wrong);
}

static void what_is_not_right_is_refused(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, 32, 255, 777, 65535, 65536};
    const struct s3_gcm_by *by;
    for (size_t b = 0; (by = s3_gcm_each(b)) != NULL; b++)
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
            refuses_whatever_is_not_right(by, lengths[i]);
}

static void nothing_may_be_nowhere(void **state)
{
    (void)state;
    const struct s3_gcm_by *by;
    for (size_t b = 0; (by = s3_gcm_each(b)) != NULL; b++) {
        const struct s3_gcm_message m = {nonce, STR_NULL, STR_NULL, NULL};
        uint8_t tag[16];
        struct s3_gcm g = with_key(by, key, true);
        assert_int_equal(s3_gcm_seal(&g, &m, tag), 0);
        assert_int_equal(s3_gcm_key(&g, key, false), 0);
        assert_int_equal(s3_gcm_open(&g, &m, tag), 0);
        tag[15] ^= 1;
        assert_int_equal(s3_gcm_open(&g, &m, tag), -EBADMSG);
        s3_gcm_fini(&g);
    }
}

static void *in_a_thread(void *arg)
{
    (void)arg;
    uint8_t out[100], tag[16];
    struct s3_gcm *g = s3_gcm_of_thread();
    struct s3_gcm_message m = message(plain, sizeof(out), out);
    assert_int_equal(s3_gcm_key(g, key, true), 0);
    assert_int_equal(s3_gcm_seal(g, &m, tag), 0);
    m.in.p = (const char *)out;
    assert_ptr_equal(s3_gcm_of_thread(), g);
    assert_int_equal(s3_gcm_key(g, key, false), 0);
    assert_int_equal(s3_gcm_open(g, &m, tag), 0);
    assert_memory_equal(out, plain, sizeof(out));
    return g;
}

static void a_thread_has_its_own(void **state)
{
    (void)state;
    pthread_t t;
    void *theirs;
    assert_int_equal(pthread_create(&t, NULL, in_a_thread, NULL), 0);
    assert_int_equal(pthread_join(t, &theirs), 0); /* what it held is the sanitizer's to find */
    assert_ptr_not_equal(in_a_thread(NULL), theirs);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(s3_gcm_key(NULL, key, true), -ENOMEM);
    const struct s3_gcm_by *by;
    for (size_t b = 0; (by = s3_gcm_each(b)) != NULL; b++) {
        struct s3_gcm g = {0};
        s3_gcm_fini(&g);
        TEST_EVERY_ALLOC_FAILS({
            int r = s3_gcm_init(&g, by);
            assert_int_equal(r, g.state ? 0 : -ENOMEM);
            s3_gcm_fini(&g);
            assert_null(g.state);
        });
    }
}

/* As the kernel tells it, not as either library finds out. */
static bool processor_has(const char *const *flags, size_t n)
{
    static char text[65536];
    int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    char *line = got > 0 ? strstr(text, "\nflags") : NULL,
         *end = line ? strchr(line + 1, '\n') : NULL;
    if (!end)
        return false;
    *end = ' ';
    end[1] = '\0';
    for (size_t i = 0; i < n; i++) {
        char word[32];
        (void)snprintf(word, sizeof(word), " %s ", flags[i]);
        if (!strstr(line, word))
            return false;
    }
    return true;
}

static void the_fastest_is_chosen(void **state)
{
    (void)state;
    static const char *const wants[] = {"avx512f",  "avx512dq",  "avx512cd", "avx512bw",
                                        "avx512vl", "vaes",      "gfni",     "vpclmulqdq",
                                        "sha_ni",   "avx512ifma"};
    bool both =
        built && OpenSSL_version_num() < 0x30100000 && processor_has(wants, ARRAY_LEN(wants));
    assert_string_equal(s3_gcm_name(s3_gcm_best()), both ? "ipsec-mb" : "OpenSSL");
    assert_ptr_equal(s3_gcm_each(0), s3_gcm_best());
    if (both)
        assert_string_equal(s3_gcm_name(s3_gcm_each(1)), "OpenSSL");
    assert_null(s3_gcm_each(both ? 2 : 1));
    assert_null(s3_gcm_each(SIZE_MAX));
}

int main(void)
{
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 31 + (i >> 9));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_is_chosen),
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(what_one_seals_the_other_opens),
        cmocka_unit_test(associated_data_of_any_length),
        cmocka_unit_test(what_is_not_right_is_refused),
        cmocka_unit_test(nothing_may_be_nowhere),
        cmocka_unit_test(a_thread_has_its_own),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
