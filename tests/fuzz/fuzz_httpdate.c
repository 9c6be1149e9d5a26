/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_httpdate - what is read as a date, in any of the forms, is written and read again as the
 * same. */
#include "s3gw/core/httpdate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t last = 253402300799; /* the end of the year 9999 */
    static const int64_t first = -62167219200;
    struct str s = str_of(data, size);
    int64_t t, again;
    char http[S3_HTTPDATE_MAX], amz[S3_AMZDATE_MAX], iso[S3_ISODATE_MAX];
    if (s3_httpdate_parse(s, 1767322800, &t) == 0 && t >= first && t <= last) {
        s3_httpdate_format(t, http);
        ASSERT(s3_httpdate_parse(str_c(http), 1767322800, &again) == 0 && again == t);
    }
    if (s3_amzdate_parse(s, &t) == 0 && t <= last) {
        s3_amzdate_format(t, amz);
        ASSERT(s3_amzdate_parse(str_c(amz), &again) == 0 && again == t);
    }
    if (s3_isodate_parse(s, &t) == 0 && t >= first * 1000 && t <= last * 1000) {
        s3_isodate_format(t, iso);
        ASSERT(s3_isodate_parse(str_c(iso), &again) == 0 && again == t);
    }
    return 0;
}
