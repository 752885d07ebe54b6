/* SPDX-License-Identifier: Apache-2.0 */
/* How each program of an installation tells that it is ready. */
#include <stdio.h>
#include <unistd.h>

#include "base/sock.h"
#include "base/spawn.h"
#include "cli/site.h"
#include "httpc/httpc.h"

#define PROBE_TIMEOUT_MS 2000
#define API_TIMEOUT_MS	 6000 /* it waits 5 s for its store before it says so */

static int socket_ready(const char *path, struct err *e)
{
	auto_close int fd = sock_connect_unix(path, e);

	return fd < 0 ? fd : 0;
}

static int virtlogd_ready(struct site *site, struct err *e)
{
	return socket_ready("/run/libvirt/virtlogd-sock", e);
}

static int libvirtd_ready(struct site *site, struct err *e)
{
	const char *const argv[] = { "virsh", "-q", "-c", site->uri, "uri", NULL };

	if (site->own_libvirt)
		return socket_ready("/run/libvirt/libvirt-sock", e);
	return spawn_run(argv, PROBE_TIMEOUT_MS, NULL, 0, e);
}

static int pfs_ready(struct site *site, const char *sock, struct err *e)
{
	auto_of(ctl_close) struct ctl_client *c = NULL;
	char path[512];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", site->cli->run_dir, sock);
	rc = ctl_open(path, &c, e);
	return rc ? rc : ctl_call(c, "daemon.info", NULL, PROBE_TIMEOUT_MS, NULL, e);
}

static int swd_ready(struct site *site, struct err *e)
{
	return pfs_ready(site, ctl_socks[0], e);
}

static int hwd_ready(struct site *site, struct err *e)
{
	return pfs_ready(site, ctl_socks[1], e);
}

static int apid_ready(struct site *site, struct err *e)
{
	auto_httpc_answer struct httpc_answer answer = { 0 };
	int rc =
		site_ask(site, &(struct httpc_req){ .method = "GET", .timeout_ms = API_TIMEOUT_MS },
			 "", &answer, e);

	/* it is there, but its store is not */
	return rc ?: answer.status >= 500 ? cloud_refused("the API", &answer, e) : 0;
}

/**
 * site_ready() - Does a program answer?
 * @site: site
 * @id:   program
 * @e:    why not
 *
 * Return: 0, or what kept it from answering.
 */
int site_ready(struct site *site, enum prog_id id, struct err *e)
{
	static int (*const ready[PROG_N])(struct site * site, struct err * e) = {
		[PROG_VIRTLOGD] = virtlogd_ready, [PROG_LIBVIRTD] = libvirtd_ready,
		[PROG_SWD] = swd_ready,		  [PROG_HWD] = hwd_ready,
		[PROG_APID] = apid_ready,	  [PROG_AGENTD] = cloud_host_alive,
	};

	return ready[id](site, e);
}
