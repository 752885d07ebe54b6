/* SPDX-License-Identifier: Apache-2.0 */
/* What this host is: its boot, its room for servers, and whether KVM really works. */
#ifndef ANYVF_AGENT_HOST_HOST_H
#define ANYVF_AGENT_HOST_HOST_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

#define HOST_BOOT_ID_LEN 37

void host_boot_id(char out[HOST_BOOT_ID_LEN]);
bool host_has_kvm(const char *scratch_dir);
#define HOST_ADDRESS_LEN 16

void host_address(char out[HOST_ADDRESS_LEN]);
json_t *host_capacity(const char *state_dir);

#endif
