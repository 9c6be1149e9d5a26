/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "s3gw/xml/reader.h"
#include "s3gw/xml/shape.h"

static void a_document_has_the_elements_of_its_schema(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {
        {"<VersioningConfiguration/>", true},
        {"<VersioningConfiguration><MfaDelete/><Status>Enabled</Status></VersioningConfiguration>",
         true}, /* in any order */
        {"<a:VersioningConfiguration xmlns:a='x'><a:Status/></a:VersioningConfiguration>", true},
        {"<VersioningConfiguration><Status/><Status/></VersioningConfiguration>", false},
        {"<VersioningConfiguration><Statu/></VersioningConfiguration>", false},
        {"<VersioningConfiguration><StatusMfaDelete/></VersioningConfiguration>", false},
        {"<VersioningConfiguration><Status><Status/></Status></VersioningConfiguration>", false},
        {"<CORSConfiguration><CORSRule/><CORSRule><AllowedMethod/><ID/><AllowedMethod/></CORSRule>"
         "</CORSConfiguration>",
         true},
        {"<CORSConfiguration><ID/></CORSConfiguration>", false}, /* a member of a member */
        {"<CORSConfiguration><CORSRule/><CORSRule><ID/><AllowedMethod/><ID/></CORSRule>"
         "</CORSConfiguration>",
         false},
        {"<LifecycleConfiguration><Rule><Filter><And><Tag/><Tag><Value/><Key/></Tag></And></Filter>"
         "<AbortIncompleteMultipartUpload><DaysAfterInitiation/></AbortIncompleteMultipartUpload>"
         "</Rule></LifecycleConfiguration>",
         true}, /* the last member, behind nested ones */
        {"<LifecycleConfiguration><Rule><Filter><And><Tag><Days/></Tag></And></Filter></Rule>"
         "</LifecycleConfiguration>",
         false},
        {"<LifecycleConfiguration><Rule/><Days/></LifecycleConfiguration>", false},
        {"<Delete><Quiet/><Object><Key/><Owner><ID/></Owner><Size/><Owner/></Object><Object/></"
         "Delete>",
         true}, /* what clients add */
        {"<Delete><Object><Key/><VersionId/><VersionId/></Object></Delete>", false},
        {"<Delete><Object><Key/></Object><Owner/></Delete>", false},
        {"<Delete><Quiet/><Object/><Quiet/></Delete>", false},
        {"<CompleteMultipartUpload><Part><PartNumber/><ETag/><Size/></Part><Part><ChecksumMD5/></"
         "Part>"
         "</CompleteMultipartUpload>",
         true},
        {"<CompleteMultipartUpload><Part><ChecksumMD5/><ChecksumMD5/></Part></"
         "CompleteMultipartUpload>",
         false},
        {"<Retention><Mode/><RetainUntil/></Retention>", false},
        {"<LegalHold><Status/><Status/></LegalHold>", false},
        {"<ObjectEncryption><SSE-KMS><KMSKeyId/></SSE-KMS></ObjectEncryption>", false},
        {"<Whatever><Else/></Whatever>", true}, /* has no row */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a;
        struct s3_node *root;
        arena_init(&a, 1 << 20);
        assert_int_equal(s3_xml_parse(str_c(rows[i].text), NULL, &a, &root), 0);
        if (s3_shape_fits(root) != rows[i].fits)
            fail_msg("%s", rows[i].text);
        /* Asked for by its name, it is not even read. */
        char name[64];
        snprintf(name, sizeof(name), STR_F, STR_A(root->name));
        assert_int_equal(s3_xml_parse(str_c(rows[i].text), name, &a, &root),
                         rows[i].fits ? 0 : -EBADMSG);
        arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_has_the_elements_of_its_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
