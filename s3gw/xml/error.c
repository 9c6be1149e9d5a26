/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/xml/error.h"

#include "s3gw/xml/writer.h"

void s3_xml_error(const struct s3_req *q, enum s3err e, struct buf *out)
{
    const struct s3err_info *info = s3err_info(e);
    s3_xml_declaration(out);
    s3_xml_open(out, "Error");
    s3_xml_text(out, "Code", str_c(info->code));
    s3_xml_text(out, "Message", q->resp.message.p ? q->resp.message : str_c(info->message));
    bool resource = false;
    for (size_t i = 0; i < q->resp.nextras; i++) {
        s3_xml_text(out, q->resp.extras[i].name, q->resp.extras[i].value);
        resource = resource || strcmp(q->resp.extras[i].name, "Resource") == 0;
    }
    if (!resource)
        s3_xml_text(out, "Resource", q->path.p ? q->path : q->raw_path);
    s3_xml_text(out, "RequestId", str_c(q->request_id));
    s3_xml_text(out, "HostId", str_c(q->request_id)); /* as x-amz-id-2 */
    s3_xml_close(out, "Error");
}
