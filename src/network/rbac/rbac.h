/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that are shared with one project: Neutron's extension rbac-policies. */
#ifndef ANYVF_NETWORK_RBAC_RBAC_H
#define ANYVF_NETWORK_RBAC_RBAC_H

#include "engine/feature.h"

extern const struct feature rbac_feature;

#endif
