/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of projects, for what the network service's resources have quotas of. */
#ifndef ANYVF_NETWORK_QUOTA_QUOTA_H
#define ANYVF_NETWORK_QUOTA_QUOTA_H

#include "engine/feature.h"

extern const struct feature quota_feature;

#endif
