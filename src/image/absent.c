/* SPDX-License-Identifier: Apache-2.0 */
/* What Glance has and this one store of images has not, and why. */
#include "image/image.h"

#define TASKS                                                                                      \
	"Images are uploaded by PUT images/ID/file, and judged there: nothing is left for a task " \
	"to do."
#define METADEFS                                                                                   \
	"What properties mean is not kept here: images take any, and docs/images.md has those "    \
	"that are obeyed."
#define ONE_STORE "There is one store of images, the API's directory."

/* Glance answers 404 for what its configuration leaves out. */
const struct absent image_absent[] = {
	{ "/v2/tasks*", NULL, NULL, 404, TASKS },
	{ "/v2/images/{}/tasks*", NULL, NULL, 404, TASKS },
	{ "/v2/schemas/task*", NULL, NULL, 404, TASKS },
	{ "/v2/schemas/tasks*", NULL, NULL, 404, TASKS },
	{ "/v2/metadefs*", NULL, NULL, 404, METADEFS },
	{ "/v2/schemas/metadefs*", NULL, NULL, 404, METADEFS },
	{ "/v2/stores*", NULL, NULL, 404, ONE_STORE },
	{ "/v2/info/stores/detail", NULL, NULL, 404, ONE_STORE },
	{ "/v2/info/usage", NULL, NULL, 404,
	  "Limits of images are the quotas of [image] in anyvf.conf: what is used of them is not "
	  "told." },
	{ "/v2/cache*", NULL, NULL, 404,
	  "Hosts keep images themselves, and throw out what was not used for a day: the API has no "
	  "cache." },
	{ "/v2/cached_images*", NULL, NULL, 404,
	  "Hosts keep images themselves, and throw out what was not used for a day: the API has no "
	  "cache." },
	{ "/v1*", NULL, NULL, 404,
	  "Version 1 of the image API is gone from OpenStack since Rocky: use /v2." },
	{ NULL },
};
