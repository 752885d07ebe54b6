/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: the first byte picks an object, then its words follow, each ended by a line's end. */
#include <stdint.h>
#include <string.h>

#include "cli/cli.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char objects[][9] = { "link", "pf", "vf", "mirror", "svc", "capture", "complete" };
	auto_free char *text = calloc(1, size + 1);
	char *words[66] = { objects[0] }; /* the program's name is nobody's business */
	char *save, *word;
	int n = 2;

	if (!size)
		return 0;
	setenv("ANYVF_RUN_DIR", "/nonexistent", 1);
	words[1] = objects[data[0] % ARRAY_LEN(objects)];
	memcpy(text, data + 1, size - 1);
	for (word = strtok_r(text, "\n", &save); word && n < 65; word = strtok_r(NULL, "\n", &save))
		words[n++] = word;
	cli_main(n, words);
	return 0;
}
