/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in a log or a file before a secret: whatever it is, the secret is taken out. */
#include <assert.h>
#include <string.h>

#include "base/redact.h"

#define SECRET "tHeSeCrEtItSeLf"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The first line behind what came is for what that asks for. */
	static const char more[] = "\na line of it\npassword = " SECRET "\n";
	struct buf text = { 0 }, out = { 0 };
	unsigned int n;

	if (memmem(data, size, SECRET, strlen(SECRET)))
		return 0;
	assert(!buf_add(&text, data, size, SIZE_MAX));
	assert(!buf_add(&text, more, strlen(more), SIZE_MAX));
	assert(!redact(text.data, text.len, SIZE_MAX, &out, &n));
	assert(n && !memmem(out.data, out.len, SECRET, strlen(SECRET)));
	buf_fini(&text);
	buf_fini(&out);
	return 0;
}
