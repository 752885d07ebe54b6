/* SPDX-License-Identifier: Apache-2.0 */
/* What Neutron has and a cloud of VFs has not: routers, floating IPs. */
#ifndef ANYVF_NETWORK_ABSENT_ABSENT_H
#define ANYVF_NETWORK_ABSENT_ABSENT_H

#include "engine/feature.h"

extern const struct feature absent_feature;

#endif
