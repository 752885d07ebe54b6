/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon's control socket: the bytes are lines of requests to a daemon with one PF. */
#include <stdint.h>
#include <string.h>

#include "ctl/method.h"
#include "lib/fake_pf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_of(fake_pfs_free) struct fake_pfs *pfs = fake_pfs_new();
	struct pf_config pf;

	pf_config_default(&pf);
	strcpy(pf.name, "p2p1");
	pf.numvfs = 4;
	fake_pf_ops.pf_add(pfs, &pf, 0, NULL);
	for (size_t i = 0; i < size;) {
		const uint8_t *end = memchr(data + i, '\n', size - i);
		size_t len = end ? (size_t)(end - data) - i : size - i;

		free(ctl_answer(&fake_pf_ops, pfs, (const char *)data + i, len, i & 1, -1));
		i += len + 1;
	}
	return 0;
}
