/* SPDX-License-Identifier: Apache-2.0 */
#include "sw/parent/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* docs/processes.md has this table, and packaging/systemd names the same: a unit test compares. */
const struct capability capabilities[] = {
	{ CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "taps in namespaces; the child's view of files" },
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN", "makes taps, sets netdevs up" },
	{ CAP_NET_RAW, "CAP_NET_RAW", "packet sockets of uplinks, GRE sockets of mirrors" },
	{ CAP_SETUID, "CAP_SETUID", "the child becomes an account of its own" },
	{ CAP_SETGID, "CAP_SETGID", "likewise, without our groups" },
	{ CAP_SETPCAP, "CAP_SETPCAP", "the child's bounding set is emptied" },
	{ CAP_KILL, "CAP_KILL", "stops a child that is another account's" },
	{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "opens other accounts' /proc/PID/ns/net" },
	{ 0 },
};

/**
 * capabilities_judge() - Whether a process may be the parent
 * @uid:  effective user
 * @caps: its effective capabilities, a bit each
 * @e:    names one that is missing, and what it is for; may be NULL
 *
 * Who has some of them and not all is refused: in one process he would hold them beside guests'
 * memory. What else he has, as DPDK's CAP_IPC_LOCK, is his affair.
 *
 * Return: 1; 0: an unprivileged user, whose switch is one process; -EPERM. Context: any.
 */
int capabilities_judge(uid_t uid, uint64_t caps, struct err *e)
{
	const struct capability *missing = NULL;
	bool some = false;

	for (const struct capability *r = capabilities; r->name; r++) {
		bool has = caps >> r->cap & 1;

		some |= has;
		missing = has ? missing : missing ?: r;
	}
	if (!uid || !missing)
		return 1;
	if (!some)
		return 0;
	return err_set(e, -EPERM,
		       "privileged, but without %s (%s); see AmbientCapabilities= in "
		       "anyvf-swd.service",
		       missing->name, missing->why);
}

/**
 * capabilities_held() - capabilities_judge() of this process
 * @e: likewise
 *
 * Return: as capabilities_judge(). Context: any.
 */
int capabilities_held(struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[2] = { 0 };

	if (syscall(SYS_capget, &head, have))
		return err_errno(e, "capabilities");
	return capabilities_judge(geteuid(),
				  (uint64_t)have[1].effective << 32 | have[0].effective, e);
}
