/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handlers - what the rows of ops.def point to. Each answers one request: status (0: 200), headers
 * and body in q->resp, or returns the error. They run where the row says (core/op.h) and own
 * nothing after.
 */
#ifndef S3_HANDLERS_H
#define S3_HANDLERS_H

#include "s3gw/core/op.h"

/* service.c */
enum s3err s3_h_list_buckets(struct s3_req *q);

/* bucket.c */
enum s3err s3_h_create_bucket(struct s3_req *q);
enum s3err s3_h_head_bucket(struct s3_req *q);
enum s3err s3_h_delete_bucket(struct s3_req *q);
enum s3err s3_h_get_bucket_location(struct s3_req *q);
enum s3err s3_h_get_bucket_versioning(struct s3_req *q);
enum s3err s3_h_put_bucket_versioning(struct s3_req *q);

/* list.c */
enum s3err s3_h_list_objects(struct s3_req *q);
enum s3err s3_h_list_objects_v2(struct s3_req *q);
enum s3err s3_h_list_object_versions(struct s3_req *q);
enum s3err s3_h_list_multipart_uploads(struct s3_req *q);

/* object_copy.c */
enum s3err s3_h_copy_object(struct s3_req *q);

/* part_copy.c */
enum s3err s3_h_upload_part_copy(struct s3_req *q);

/* object_delete.c */
enum s3err s3_h_delete_object(struct s3_req *q);
enum s3err s3_h_delete_objects(struct s3_req *q);

/* multipart.c, complete.c */
enum s3err s3_h_create_multipart_upload(struct s3_req *q);
enum s3err s3_h_complete_multipart_upload(struct s3_req *q);
enum s3err s3_h_abort_multipart_upload(struct s3_req *q);
enum s3err s3_h_list_parts(struct s3_req *q);

/* acl.c */
enum s3err s3_h_get_bucket_acl(struct s3_req *q);
enum s3err s3_h_put_bucket_acl(struct s3_req *q);
enum s3err s3_h_get_object_acl(struct s3_req *q);
enum s3err s3_h_put_object_acl(struct s3_req *q);

/* tagging.c */
enum s3err s3_h_get_bucket_tagging(struct s3_req *q);
enum s3err s3_h_put_bucket_tagging(struct s3_req *q);
enum s3err s3_h_delete_bucket_tagging(struct s3_req *q);
enum s3err s3_h_get_object_tagging(struct s3_req *q);
enum s3err s3_h_put_object_tagging(struct s3_req *q);
enum s3err s3_h_delete_object_tagging(struct s3_req *q);

/* attributes.c */
enum s3err s3_h_get_object_attributes(struct s3_req *q);

/* bucket_plain.c */
enum s3err s3_h_get_bucket_accelerate(struct s3_req *q);
enum s3err s3_h_put_bucket_accelerate(struct s3_req *q);
enum s3err s3_h_get_bucket_request_payment(struct s3_req *q);
enum s3err s3_h_put_bucket_request_payment(struct s3_req *q);

/* bucket_logging.c */
enum s3err s3_h_get_bucket_logging(struct s3_req *q);
enum s3err s3_h_put_bucket_logging(struct s3_req *q);

/* bucket_encryption.c */
enum s3err s3_h_get_bucket_encryption(struct s3_req *q);
enum s3err s3_h_put_bucket_encryption(struct s3_req *q);
enum s3err s3_h_delete_bucket_encryption(struct s3_req *q);

/* bucket_notification.c */
enum s3err s3_h_get_bucket_notification(struct s3_req *q);
enum s3err s3_h_put_bucket_notification(struct s3_req *q);

/* bucket_lifecycle.c */
enum s3err s3_h_get_bucket_lifecycle(struct s3_req *q);
enum s3err s3_h_put_bucket_lifecycle(struct s3_req *q);
enum s3err s3_h_delete_bucket_lifecycle(struct s3_req *q);

/* cors.c */
enum s3err s3_h_get_bucket_cors(struct s3_req *q);
enum s3err s3_h_put_bucket_cors(struct s3_req *q);
enum s3err s3_h_delete_bucket_cors(struct s3_req *q);
enum s3err s3_h_preflight(struct s3_req *q);

/* object_rename.c */
enum s3err s3_h_rename_object(struct s3_req *q);

/* website.c */
enum s3err s3_h_get_bucket_website(struct s3_req *q);
enum s3err s3_h_put_bucket_website(struct s3_req *q);
enum s3err s3_h_delete_bucket_website(struct s3_req *q);
enum s3err s3_h_website(struct s3_req *q);

/* object_get.c */
enum s3err s3_h_get_object(struct s3_req *q);
enum s3err s3_h_head_object(struct s3_req *q);

/* object_put.c, object_append.c, part_put.c: before the data; they set q->sink */
enum s3err s3_h_put_object(struct s3_req *q); /* PostObject too: api/post_object.h */
enum s3err s3_h_append_object(struct s3_req *q);
enum s3err s3_h_upload_part(struct s3_req *q);

/* access_config.c */
enum s3err s3_h_get_bucket_policy(struct s3_req *q);
enum s3err s3_h_put_bucket_policy(struct s3_req *q);
enum s3err s3_h_delete_bucket_policy(struct s3_req *q);
enum s3err s3_h_get_bucket_policy_status(struct s3_req *q);
enum s3err s3_h_get_public_access_block(struct s3_req *q);
enum s3err s3_h_put_public_access_block(struct s3_req *q);
enum s3err s3_h_delete_public_access_block(struct s3_req *q);
enum s3err s3_h_get_bucket_ownership_controls(struct s3_req *q);
enum s3err s3_h_put_bucket_ownership_controls(struct s3_req *q);
enum s3err s3_h_delete_bucket_ownership_controls(struct s3_req *q);

/* lock.c, retention.c */
enum s3err s3_h_get_object_lock_configuration(struct s3_req *q);
enum s3err s3_h_put_object_lock_configuration(struct s3_req *q);
enum s3err s3_h_get_object_retention(struct s3_req *q);
enum s3err s3_h_put_object_retention(struct s3_req *q);
enum s3err s3_h_get_object_legal_hold(struct s3_req *q);
enum s3err s3_h_put_object_legal_hold(struct s3_req *q);

/* object_encryption.c */
enum s3err s3_h_update_object_encryption(struct s3_req *q);

/* native_file.c */
enum s3err s3_h_native_file(struct s3_req *q);

#endif
