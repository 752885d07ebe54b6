/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds every file of the directories given to the fuzz target it is linked with: the corpus as a test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *ent;
	int n = 0;

	while (d && (ent = readdir(d))) {
		auto_free char *data = NULL, *path = NULL;
		struct err e = { 0 };
		size_t size;

		if (*ent->d_name == '.' || asprintf(&path, "%s/%s", dir, ent->d_name) < 0)
			continue;
		if (file_read(path, 16U << 20, &data, &size, &e)) {
			fprintf(stderr, "%s\n", e.msg);
			return -1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)data, size);
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_dir(argv[i]);

		if (n <= 0) {
			fprintf(stderr, "%s: no corpus\n", argv[i]);
			return 1;
		}
		total += n;
	}
	printf("%d inputs\n", total);
	return total ? 0 : 1;
}
