/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image v2: the table (image.c), what may stand in it (image/check.c), the
 * files behind it (image/file.c), downloads (image/download.c), lists and their filters (image/list.c),
 * with whom it is shared (image/member.c), import in two steps (image/import.c) and what clients are
 * told of all that (image/schema.c).
 */
#ifndef ANYVF_IMAGE_IMAGE_H
#define ANYVF_IMAGE_IMAGE_H

#include "engine/feature.h"
#include "engine/lists.h"

/* Member of an image whose bytes were refused: the reason. */
#define IMAGE_REFUSED "os_glance_refused"

/* The one way of import, and the one store, as clients are told. */
#define IMAGE_IMPORT "glance-direct"
#define IMAGE_STORE  "file"

extern const struct feature image_feature;
extern const struct absent image_absent[];
extern const struct resource image_resource, image_gone_resource;
extern const struct route image_file_routes[], image_download_routes[], image_member_routes[];
extern const struct route image_import_routes[], image_schema_routes[];

const json_t *image_find_own(struct call *c);
bool image_is_wanted(struct call *c, const char *id);
bool image_is_snapshot(struct call *c, const char *id);
int image_start(struct call *c);
int image_sweep(struct call *c);
void image_sweep_files(struct call *c);
char *image_path(const struct call *c, const char *id);
int image_keep(struct call *c, char **path, const char *id);

void *image_open(void);
void image_close(void *kept);
int image_drop(struct call *c);

const json_t *image_member(const struct call *c, const json_t *doc);
enum selects image_selects(const struct call *c, const json_t *doc, const char *name,
			   const char *value);
bool image_listed(const struct call *c, const json_t *doc);
bool image_listed_plainly(const struct call *c, const json_t *doc);
int image_check_filter(struct call *c, const char *name, const char *value);
int image_remove(struct call *c);
int image_set_status(struct call *c, const json_t *image, const char *status);

bool image_is_reserved(const char *name);
bool image_is_property(const struct call *c, const char *name);
int image_check(struct call *c, json_t *doc, const json_t *old);
int image_spend(struct call *c, const json_t *doc);
int64_t image_room(struct call *c, const char *owner);
int image_check_room(struct call *c, const char *owner, int64_t size);

#endif
