/* SPDX-License-Identifier: Apache-2.0 */
/* Tags of network resources. */
#ifndef ANYVF_NETWORK_TAGS_TAGS_H
#define ANYVF_NETWORK_TAGS_TAGS_H

#include "engine/feature.h"

extern const struct feature tags_feature;

#endif
