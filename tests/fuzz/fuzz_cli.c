/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: the first byte picks an object, then its words follow, each ended by a line's end. */
#include <stdint.h>
#include <string.h>

#include "cli/cli.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const objects[])(struct cli * cli) = { cli_link, cli_pf, cli_vf, cli_mirror,
							    cli_svc };
	auto_free char *text = calloc(1, size + 1);
	char *words[65] = { NULL };
	struct cli cli = { .words = words, .run_dir = "/nonexistent" };
	unsigned int n = 0;
	char *save, *word;

	if (!size)
		return 0;
	memcpy(text, data + 1, size - 1);
	for (word = strtok_r(text, "\n", &save); word && n < 64; word = strtok_r(NULL, "\n", &save))
		words[n++] = word;
	objects[data[0] % ARRAY_LEN(objects)](&cli);
	return 0;
}
