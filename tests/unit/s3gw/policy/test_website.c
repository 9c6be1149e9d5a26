/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/policy/website.h"
#include "s3gw/xml/reader.h"
#include "s3gw/xml/writer.h"

static struct s3_req q;

static int done(void **state)
{
    (void)state;
    s3_req_fini(&q);
    return 0;
}

static enum s3err parse(const char *inner, struct s3_website *ret)
{
    struct s3_node *root;
    s3_req_fini(&q);
    s3_req_init(&q);
    struct str text =
        arena_printf(&q.arena, "<WebsiteConfiguration>%s</WebsiteConfiguration>", inner);
    if (s3_xml_parse(text, "WebsiteConfiguration", &q.arena, &root) < 0)
        return S3ERR_MALFORMED_XML; /* as s3_document() */
    return s3_website_parse(&q, root, ret);
}

#define INDEX        "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>"
#define ALL(inner)   "<RedirectAllRequestsTo>" inner "</RedirectAllRequestsTo>"
#define HOST         "<HostName>a.example</HostName>"
#define RULES(rules) INDEX "<RoutingRules>" rules "</RoutingRules>"
#define RULE(condition, redirect)                                                                  \
    "<RoutingRule>" condition "<Redirect>" redirect "</Redirect></RoutingRule>"
#define IF(inner) "<Condition>" inner "</Condition>"

static void what_a_configuration_must_be(void **state)
{
    (void)state;
    static const struct {
        const char *inner;
        enum s3err want;
    } rows[] = {
        {INDEX, S3ERR_OK},
        {INDEX "<ErrorDocument><Key>e/404.html</Key></ErrorDocument>", S3ERR_OK},
        {INDEX "<Unknown/>", S3ERR_MALFORMED_XML},
        {"", S3ERR_INVALID_ARGUMENT},
        {"<ErrorDocument><Key>e</Key></ErrorDocument>", S3ERR_INVALID_ARGUMENT},
        {"<IndexDocument/>", S3ERR_INVALID_ARGUMENT},
        {"<IndexDocument><Suffix/></IndexDocument>", S3ERR_INVALID_ARGUMENT},
        {"<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", S3ERR_INVALID_ARGUMENT},
        {INDEX "<ErrorDocument/>", S3ERR_INVALID_ARGUMENT},
        {INDEX "<ErrorDocument><Key></Key></ErrorDocument>", S3ERR_INVALID_ARGUMENT},
        {ALL(HOST), S3ERR_OK},
        {ALL(HOST "<Protocol>https</Protocol>"), S3ERR_OK},
        {ALL(HOST "<Protocol>HTTP</Protocol>"), S3ERR_INVALID_REQUEST},
        {ALL(HOST "<Protocol>ftp</Protocol>"), S3ERR_INVALID_REQUEST},
        {ALL("<Protocol>http</Protocol>"), S3ERR_MALFORMED_XML},
        {ALL("<HostName/>"), S3ERR_MALFORMED_XML},
        {ALL("<HostName>a b</HostName>"), S3ERR_INVALID_ARGUMENT},
        {ALL("<HostName>a/b</HostName>"), S3ERR_INVALID_ARGUMENT},
        {INDEX ALL(HOST), S3ERR_INVALID_ARGUMENT},
        {ALL(HOST) "<ErrorDocument><Key>e</Key></ErrorDocument>", S3ERR_INVALID_ARGUMENT},
        {ALL(HOST) "<RoutingRules/>", S3ERR_INVALID_ARGUMENT},
        {RULES(""), S3ERR_MALFORMED_XML},
        {RULES(RULE("", HOST)), S3ERR_OK},
        {RULES(RULE(IF("<KeyPrefixEquals>a</KeyPrefixEquals>"), HOST)), S3ERR_OK},
        {RULES(RULE(IF(""), HOST)), S3ERR_INVALID_REQUEST},
        {RULES(RULE(IF("<Unknown/>"), HOST)), S3ERR_MALFORMED_XML},
        {RULES(RULE("", "")), S3ERR_MALFORMED_XML},
        {RULES("<RoutingRule/>"), S3ERR_MALFORMED_XML},
        {RULES("<RoutingRule>" IF("<KeyPrefixEquals>a</KeyPrefixEquals>") "</RoutingRule>"),
         S3ERR_MALFORMED_XML},
        {RULES(RULE("", "<ReplaceKeyWith>a</ReplaceKeyWith>")), S3ERR_OK},
        {RULES(RULE("", "<ReplaceKeyPrefixWith/>")), S3ERR_OK},
        {RULES(RULE("", "<ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b"
                        "</ReplaceKeyPrefixWith>")),
         S3ERR_INVALID_REQUEST},
        {RULES(RULE("", HOST "<Protocol>gopher</Protocol>")), S3ERR_INVALID_REQUEST},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_website w;
        enum s3err e = parse(rows[i].inner, &w);
        if (e != rows[i].want)
            fail_msg("%s: %d", rows[i].inner, e);
    }
}

static void codes_must_be_real_ones(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool redirect, error; /* good as such */
    } rows[] = {
        {"301", true, false},  {"302", true, false},  {"303", true, false},  {"304", true, false},
        {"305", true, false},  {"306", false, false}, {"307", true, false},  {"308", true, false},
        {"309", false, false}, {"300", false, false}, {"200", false, false}, {"x", false, false},
        {"", false, false},    {"404", false, true},  {"403", false, true},  {"400", false, true},
        {"418", false, false}, {"451", false, true},  {"500", false, true},  {"503", false, true},
        {"509", false, false}, {"600", false, false}, {"-1", false, false},  {"4040", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_website w;
        char text[600];
        snprintf(text, sizeof(text),
                 RULES(RULE("", "<HttpRedirectCode>%s</HttpRedirectCode>" HOST)), rows[i].code);
        enum s3err want = rows[i].redirect ? S3ERR_OK : S3ERR_INVALID_REQUEST;
        assert_int_equal(parse(text, &w), want);
        snprintf(
            text, sizeof(text),
            RULES(RULE(IF("<HttpErrorCodeReturnedEquals>%s</HttpErrorCodeReturnedEquals>"), HOST)),
            rows[i].code);
        want = rows[i].error ? S3ERR_OK : S3ERR_INVALID_REQUEST;
        assert_int_equal(parse(text, &w), want);
    }
}

static void fifty_rules_are_the_most(void **state)
{
    (void)state;
    struct s3_website w;
    AUTO(buf_free) struct buf text = BUF(64 * 1024);
    for (int n = 50; n <= 51; n++) {
        buf_reset(&text);
        buf_adds(&text, STR(INDEX "<RoutingRules>"));
        for (int i = 0; i < n; i++)
            buf_adds(&text, STR(RULE("", HOST)));
        buf_adds(&text, STR("</RoutingRules>"));
        buf_addc(&text, '\0');
        assert_int_equal(parse(text.p, &w), n == 50 ? S3ERR_OK : S3ERR_INVALID_REQUEST);
    }
}

static void a_configuration_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char *const rows[] = {
        INDEX,
        INDEX "<ErrorDocument><Key>e &amp; f</Key></ErrorDocument>",
        ALL(HOST),
        ALL(HOST "<Protocol>https</Protocol>"),
        RULES(RULE("", "<HostName>h:80</HostName>")
                  RULE(IF("<KeyPrefixEquals></KeyPrefixEquals><HttpErrorCodeReturnedEquals>404"
                          "</HttpErrorCodeReturnedEquals>"),
                       "<Protocol>http</Protocol><ReplaceKeyPrefixWith></ReplaceKeyPrefixWith>"
                       "<HttpRedirectCode>302</HttpRedirectCode>")
                      RULE(IF("<KeyPrefixEquals>a</KeyPrefixEquals>"),
                           "<ReplaceKeyWith>b</ReplaceKeyWith>")),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_website w, again;
        AUTO(buf_free) struct buf record = BUF(64 * 1024);
        AUTO(buf_free) struct buf xml = BUF(64 * 1024);
        assert_int_equal(parse(rows[i], &w), S3ERR_OK);
        s3_website_encode(&w, &record);
        for (size_t n = 0; n < record.n; n++)
            assert_int_equal(s3_website_decode(str_head(buf_str(&record), n), &q.arena, &again),
                             -EBADMSG);
        assert_int_equal(s3_website_decode(buf_str(&record), &q.arena, &again), 0);
        s3_website_write(&again, &xml);
        if (!str_eq(buf_str(&xml), str_c(rows[i])))
            fail_msg("%s\n" STR_F, rows[i], STR_A(buf_str(&xml)));
    }
}

#define PREFIX(p)   "<KeyPrefixEquals>" p "</KeyPrefixEquals>"
#define ERROR(code) "<HttpErrorCodeReturnedEquals>" code "</HttpErrorCodeReturnedEquals>"

static void rules_send_requests_elsewhere(void **state)
{
    (void)state;
    static const struct {
        const char *rules, *path;
        int error;
        const char *url; /* NULL: no rule */
    } rows[] = {
        {RULE("", HOST), "a/b c", 0, "http://a.example/a/b%20c"},
        {RULE("", HOST), "", 0, "http://a.example/"},
        {RULE("", "<Protocol>https</Protocol>"), "k", 0, "https://site:80/k"},
        {RULE(IF(PREFIX("docs/")), "<ReplaceKeyPrefixWith>d/</ReplaceKeyPrefixWith>"), "docs/a", 0,
         "http://site:80/d/a"},
        {RULE(IF(PREFIX("docs/")), "<ReplaceKeyPrefixWith>d/</ReplaceKeyPrefixWith>"), "docs", 0,
         NULL},
        {RULE(IF(PREFIX("docs/")), "<ReplaceKeyPrefixWith/>"), "docs/a", 0, "http://site:80/a"},
        {RULE("", "<ReplaceKeyPrefixWith>#!/</ReplaceKeyPrefixWith>"), "a", 0,
         "http://site:80/#!/a"},
        {RULE("", "<ReplaceKeyPrefixWith>a b&amp;\xc3\xa4?</ReplaceKeyPrefixWith>"), "c&d", 0,
         "http://site:80/a%20b&%C3%A4?c%26d"},
        {RULE(IF(PREFIX("x")), "<ReplaceKeyWith>e.html</ReplaceKeyWith>"), "xyz", 0,
         "http://site:80/e.html"},
        {RULE(IF(ERROR("404")), HOST), "a", 0, NULL},
        {RULE(IF(ERROR("404")), HOST), "a", 403, NULL},
        {RULE(IF(ERROR("404")), HOST), "a", 404, "http://a.example/a"},
        {RULE("", HOST), "a", 404, NULL},
        {RULE(IF(PREFIX("b") ERROR("404")), HOST), "a", 404, NULL},
        {RULE(IF(PREFIX("a") ERROR("404")), HOST), "a", 404, "http://a.example/a"},
        {RULE(IF(PREFIX("a")), "<HostName>first</HostName>") RULE("", HOST), "ab", 0,
         "http://first/ab"},
        {RULE(IF(PREFIX("a")), "<HostName>first</HostName>") RULE("", HOST), "b", 0,
         "http://a.example/b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_website w;
        char text[1024];
        snprintf(text, sizeof(text), RULES("%s"), rows[i].rules);
        assert_int_equal(parse(text, &w), S3ERR_OK);
        struct s3_website_from from = {false, STR("site:80"), str_c(rows[i].path)};
        const struct s3_website_rule *r = s3_website_match(&w, from.path, rows[i].error);
        assert_int_equal(r != NULL, rows[i].url != NULL);
        if (!r)
            continue;
        AUTO(buf_free) struct buf url = BUF(4096);
        s3_website_url(&r->to, r, &from, &url);
        if (!str_eq(buf_str(&url), str_c(rows[i].url)))
            fail_msg("row %zu: " STR_F, i, STR_A(buf_str(&url)));
    }
}

static void all_requests_keep_their_path(void **state)
{
    (void)state;
    static const struct {
        const char *protocol;
        bool tls;
        const char *url;
    } rows[] = {
        {"", false, "http://a.example/p/q%3F"},
        {"", true, "https://a.example/p/q%3F"},
        {"<Protocol>https</Protocol>", false, "https://a.example/p/q%3F"},
        {"<Protocol>http</Protocol>", true, "http://a.example/p/q%3F"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_website w;
        char text[400];
        snprintf(text, sizeof(text), ALL(HOST "%s"), rows[i].protocol);
        assert_int_equal(parse(text, &w), S3ERR_OK);
        assert_null(s3_website_match(&w, STR("p"), 0));
        struct s3_website_from from = {rows[i].tls, STR("site"), STR("p/q?")};
        AUTO(buf_free) struct buf url = BUF(4096);
        s3_website_url(&w.all, NULL, &from, &url);
        assert_true(str_eq(buf_str(&url), str_c(rows[i].url)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_configuration_must_be),
        cmocka_unit_test(codes_must_be_real_ones),
        cmocka_unit_test(fifty_rules_are_the_most),
        cmocka_unit_test(a_configuration_comes_back_as_it_was),
        cmocka_unit_test(rules_send_requests_elsewhere),
        cmocka_unit_test(all_requests_keep_their_path),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
