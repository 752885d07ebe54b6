/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's answer to query-rx-filter: QEMU may be its guest's. */
#include <assert.h>

#include "agent/kinds/port/rxfilter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vf_filter f = { .n_macs = 1 };
	struct err e = { 0 };

	if (rxfilter_parse((const char *)data, size, &f, &e)) {
		assert(*e.msg && f.n_macs == 1);
		return 0;
	}
	json_decref(rxfilter_to_json(&f));
	rxfilter_fini(&f);
	return 0;
}
