/* SPDX-License-Identifier: Apache-2.0 */
/* What anyvf-apid can do: the one list of features, in the order in which their hooks run. */
#ifndef ANYVF_DAEMONS_FEATURE_LIST_H
#define ANYVF_DAEMONS_FEATURE_LIST_H

#include "compute/compute.h"
#include "hosts/agents.h"
#include "identity/identity.h"
#include "image/image.h"
#include "network/core/network.h"

static const struct feature *const features[] = {
	&identity_feature, &image_feature,  &network_feature,
	&compute_feature,  &agents_feature, NULL,
};

#endif
