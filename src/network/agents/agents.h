/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts as agents in Neutron's API. */
#ifndef ANYVF_NETWORK_AGENTS_AGENTS_H
#define ANYVF_NETWORK_AGENTS_AGENTS_H

#include "engine/feature.h"

extern const struct feature network_agents_feature;

#endif
