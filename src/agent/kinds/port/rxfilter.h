/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's answer to query-rx-filter as the switch's struct vf_filter. Pure. */
#ifndef ANYVF_AGENT_KINDS_PORT_RXFILTER_H
#define ANYVF_AGENT_KINDS_PORT_RXFILTER_H

#include "model/vf.h"

int rxfilter_parse(const char *data, size_t size, struct vf_filter *out, struct err *e);
void rxfilter_fini(struct vf_filter *f);
json_t *rxfilter_to_json(const struct vf_filter *f);

#endif
