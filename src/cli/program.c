/* SPDX-License-Identifier: Apache-2.0 */
/* Where programs of ours are. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/**
 * cli_program() - Where a program of ours is
 * @name: its name
 * @out:  gets its path: beside this program (the build tree, /usr/bin), where
 *        programs are installed, from there or from libexec, else the name, for PATH
 * @size: room
 *
 * Return: true if it is in one of these places.
 */
bool cli_program(const char *name, char *out, size_t size)
{
	static const char *const places[] = { "", "../sbin/", "../libexec/anyvf/", "../../bin/",
					      "../../sbin/" };
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (unsigned int i = 0; slash && i < ARRAY_LEN(places); i++) {
		snprintf(out, size, "%.*s/%s%s", (int)(slash - self), self, places[i], name);
		if (!access(out, X_OK))
			return true;
	}
	snprintf(out, size, "%s", name);
	return false;
}
