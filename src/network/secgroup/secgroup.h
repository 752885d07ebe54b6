/* SPDX-License-Identifier: Apache-2.0 */
/* Security groups: kept, not enforced. */
#ifndef ANYVF_NETWORK_SECGROUP_SECGROUP_H
#define ANYVF_NETWORK_SECGROUP_SECGROUP_H

#include "engine/feature.h"

extern const struct feature secgroup_feature;
extern const struct resource security_group_resource, security_group_rule_resource;

#endif
