/* SPDX-License-Identifier: Apache-2.0 */
/* Where a network's DHCP is: both processes of the agent derive it from the network's id. */
#include "agent/host/place.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/**
 * dhcp_place_of() - Names and paths of a network's DHCP
 * @run_dir: the instance's run directory
 * @network: network id
 * @out:     gets them
 */
void dhcp_place_of(const char *run_dir, const char *network, struct dhcp_place *out)
{
	snprintf(out->network, sizeof(out->network), "%s", network);
	snprintf(out->netns, sizeof(out->netns), "anyvf-%.8s", network);
	snprintf(out->tap, sizeof(out->tap), "dhcp-%.8s", network);
	snprintf(out->dir, sizeof(out->dir), "%s/dhcp/%s", run_dir, network);
}

/**
 * dhcp_pid() - The network's dnsmasq
 * @at: place
 *
 * Return: its pid if it runs (the process of the pid file, and it names our file); else 0.
 */
pid_t dhcp_pid(const struct dhcp_place *at)
{
	auto_free char *pid_text = NULL, *cmdline = NULL;
	char path[PATH_MAX], needle[PATH_MAX + 16];
	size_t size, needle_len;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/pid", at->dir);
	if (file_read(path, 32, &pid_text, &size, NULL))
		return 0;
	pid = atoi(pid_text);
	if (pid <= 1)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	if (file_read(path, 65536, &cmdline, &size, NULL))
		return 0;
	needle_len = (size_t)snprintf(needle, sizeof(needle), "--conf-file=%s/conf", at->dir);
	return memmem(cmdline, size, needle, needle_len) ? pid : 0;
}
