/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What anyvf-apid can do: the one list of features, in the order in which their hooks run. Who asks
 * what became of a port's VF (taas, compute) stands behind binding, which says it.
 */
#ifndef ANYVF_DAEMONS_FEATURE_LIST_H
#define ANYVF_DAEMONS_FEATURE_LIST_H

#include "compute/compute.h"
#include "hosts/agents.h"
#include "identity/identity.h"
#include "image/image.h"
#include "network/absent/absent.h"
#include "network/agents/agents.h"
#include "network/binding/binding.h"
#include "network/core/network.h"
#include "network/pool/pool.h"
#include "network/quota/quota.h"
#include "network/rbac/rbac.h"
#include "network/secgroup/secgroup.h"
#include "network/taas/taas.h"
#include "network/tags/tags.h"
#include "ui/ui.h"

static const struct feature *const features[] = {
	&identity_feature,
	&image_feature,
	&network_feature,
	&pool_feature,
	&rbac_feature,
	&binding_feature,
	&secgroup_feature,
	&taas_feature,
	&tags_feature,
	&quota_feature,
	&network_agents_feature,
	&absent_feature,
	&compute_feature,
	&agents_feature,
	&ui_feature,
	NULL,
};

#endif
