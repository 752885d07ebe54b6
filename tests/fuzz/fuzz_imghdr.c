/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of images that tenants upload: the first byte chooses the word, the rest is the file. */
#include <assert.h>

#include "base/imghdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const formats[] = { "raw", "qcow2", "vmdk", "iso", "aki", "vhd", "vdi" };
	struct imghdr h = { .head = data + 1 };
	uint64_t virtual_size = UINT64_MAX;
	struct err e = { 0 };

	if (!size)
		return 0;
	h.size = size - 1;
	h.head_size = MIN(size - 1, (size_t)IMGHDR_HEAD);
	h.tail_size = size - 1 < IMGHDR_TAIL ? 0 : IMGHDR_TAIL;
	h.tail = data + size - h.tail_size;
	if (imghdr_judge(&h, formats[data[0] % ARRAY_LEN(formats)], &virtual_size, &e))
		assert(*e.msg && virtual_size == UINT64_MAX);
	else
		assert(!*e.msg && virtual_size <= IMGHDR_SIZE_MAX);
	return 0;
}
