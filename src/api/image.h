/* SPDX-License-Identifier: Apache-2.0 */
/* Image v2: the table (image.c) and the files behind it (image_file.c). */
#ifndef ANYVF_API_IMAGE_H
#define ANYVF_API_IMAGE_H

#include "api/engine.h"

extern const struct resource image_resource;
extern const struct route image_file_routes[];

const json_t *image_find_own(struct call *c);
int image_start(struct call *c);
int image_sweep(struct call *c);

#endif
