/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of root.h: one table, each judged by a pure function before anything is done. */
#include "agent/host/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "agent/host/place.h"
#include "base/file.h"
#include "base/spawn.h"
#include "base/uuid.h"

#define DHCP_USER	   "dnsmasq" /* of Debian's package */
#define COMMAND_TIMEOUT_MS 5000
#define END_TRIES	   50 /* times 20 ms until SIGKILL */
#define WORDS_N_MAX	   64
#define TOOL_TIMEOUT_MS	   (3600 * 1000)
#define NET_CAPS	   "-all,+net_admin,+net_raw,+net_bind_service"

static char run_dir[256];
static uid_t dhcp_uid; /* 0: there is no such account */
static gid_t dhcp_gid;

/**
 * root_here() - Name the run directory whose networks the verbs are for
 * @dir: absolute; copied
 *
 * Context: once, before any other thread and process.
 */
void root_here(const char *dir)
{
	const struct passwd *pw = geteuid() ? getpwuid(geteuid()) : getpwnam(DHCP_USER);

	snprintf(run_dir, sizeof(run_dir), "%s", dir);
	dhcp_uid = pw ? pw->pw_uid : 0;
	dhcp_gid = pw ? pw->pw_gid : 0;
}

static int judge_network(const struct root_req *req, struct err *e)
{
	if (!memchr(req->network, 0, sizeof(req->network)) || !uuid_valid(req->network))
		return err_set(e, -EINVAL, "not the id of a network");
	return 0;
}

static int judge_address(const struct root_req *req, struct err *e)
{
	int rc = judge_network(req, e);

	if (!rc && req->n_ips > ROOT_IPS_MAX)
		return err_set(e, -EINVAL, "%u addresses", req->n_ips);
	for (unsigned int i = 0; !rc && i < req->n_ips; i++) {
		const struct root_ip *ip = &req->ips[i];
		uint8_t version = ip->address.version;

		if ((version != 4 && version != 6) || ip->len > (version == 4 ? 32 : 128) ||
		    (version == 4 && ip->address.n > UINT32_MAX))
			return err_set(e, -EINVAL, "address %u is none", i);
	}
	return rc;
}

/* Splits the words; NULL behind the last. Return: how many, 0: they are not as they should be. */
static unsigned int split(const struct root_req *req, const char *argv[WORDS_N_MAX + 1])
{
	const char *at = req->words, *end = req->words + sizeof(req->words);
	unsigned int n = 0;

	for (; n < req->n_words && n < WORDS_N_MAX; n++) {
		const char *nul = memchr(at, 0, (size_t)(end - at));

		if (!nul)
			return 0;
		argv[n] = at;
		at = nul + 1;
	}
	argv[n] = NULL;
	return n == req->n_words ? n : 0;
}

static int judge_tool(const struct root_req *req, struct err *e)
{
	static const char *const tools[] = { "qemu-img", "genisoimage" };
	const char *argv[WORDS_N_MAX + 1];

	if (!split(req, argv))
		return err_set(e, -EINVAL, "no words of a command");
	if (strcmp(argv[0], tools[0]) && strcmp(argv[0], tools[1]))
		return err_set(e, -EPERM, "\"%.32s\" is no tool for images", argv[0]);
	if (!req->timeout_ms || req->timeout_ms > TOOL_TIMEOUT_MS || !req->cpu_s || !req->memory ||
	    !req->file_size || req->n_fds > SANDBOX_FDS_MAX)
		return err_set(e, -EINVAL, "%s without limits", argv[0]);
	return 0;
}

static struct dhcp_place place(const struct root_req *req)
{
	struct dhcp_place at;

	dhcp_place_of(run_dir, req->network, &at);
	return at;
}

/* Is it there? A command that was ended half way leaves a name alone, which nobody can enter. */
static bool netns_is(const struct dhcp_place *at, char path[64])
{
	struct statfs fs;

	snprintf(path, 64, "/run/netns/%s", at->netns);
	return !statfs(path, &fs) && fs.f_type == NSFS_MAGIC;
}

static int run_netns_add(const struct root_req *req, const int *fds, char *out, size_t size,
			 struct err *e)
{
	struct dhcp_place at = place(req);
	const char *const argv[] = { "ip", "netns", "add", at.netns, NULL };

	char path[64];

	if (netns_is(&at, path))
		return 0;
	unlink(path);
	return spawn_run(argv, COMMAND_TIMEOUT_MS, NULL, 0, e);
}

static int run_netns_del(const struct root_req *req, const int *fds, char *out, size_t size,
			 struct err *e)
{
	struct dhcp_place at = place(req);
	const char *const argv[] = { "ip", "netns", "del", at.netns, NULL };

	char path[64];

	if (netns_is(&at, path))
		return spawn_run(argv, COMMAND_TIMEOUT_MS, NULL, 0, e);
	unlink(path);
	return 0;
}

/* It hears its own advertisements, and must not take an address from them that nobody gave it. */
static int ignore_adverts(const struct dhcp_place *at, struct err *e)
{
	char script[128];
	const char *const argv[] = { "ip", "netns", "exec", at->netns, "sh", "-c", script, NULL };

	snprintf(script, sizeof(script),
		 "f=/proc/sys/net/ipv6/conf/%s/accept_ra; [ ! -e $f ] || echo 0 > $f", at->tap);
	return spawn_run(argv, COMMAND_TIMEOUT_MS, NULL, 0, e);
}

static int run_address(const struct root_req *req, const int *fds, char *out, size_t size,
		       struct err *e)
{
	struct dhcp_place at = place(req);
	const char *const up[] = { "ip", "-n", at.netns, "link", "set", at.tap, "up", NULL };
	const char *const flush[] = { "ip",  "-n",   at.netns, "addr",	 "flush",
				      "dev", at.tap, "scope",  "global", NULL };
	int rc = ignore_adverts(&at, e);

	if (!rc)
		rc = spawn_run(flush, COMMAND_TIMEOUT_MS, NULL, 0, e);
	if (!rc)
		rc = spawn_run(up, COMMAND_TIMEOUT_MS, NULL, 0, e);
	for (unsigned int i = 0; !rc && i < req->n_ips; i++) {
		const struct root_ip *ip = &req->ips[i];
		char text[IP_STR_LEN], address[IP_STR_LEN + 12];
		const char *nodad = ip->address.version == 6 ? "nodad" : NULL;
		const char *const argv[] = { "ip",    "-n",  at.netns, "addr", "replace",
					     address, "dev", at.tap,   nodad,  NULL };

		snprintf(address, sizeof(address), "%s/%u", ip_format(&ip->address, text), ip->len);
		rc = spawn_run(argv, COMMAND_TIMEOUT_MS, NULL, 0, e);
	}
	return rc;
}

static int run_addressed(const struct root_req *req, const int *fds, char *out, size_t size,
			 struct err *e)
{
	struct dhcp_place at = place(req);
	const char *const argv[] = {
		"ip", "-n", at.netns, "-o", "addr", "show", "dev", at.tap, NULL
	};
	char words[16384];
	int rc = spawn_run(argv, COMMAND_TIMEOUT_MS, words, sizeof(words), e);

	for (unsigned int i = 0; !rc && i < req->n_ips; i++) {
		char text[IP_STR_LEN], needle[IP_STR_LEN + 2];

		snprintf(needle, sizeof(needle), " %s/", ip_format(&req->ips[i].address, text));
		if (!strstr(words, needle))
			rc = err_set(e, -ENOENT, "%s has no address %s", at.tap, text);
	}
	return rc;
}

/* The network's directory becomes dnsmasq's, which keeps leases, log and pid there. */
static int give_dir(const struct dhcp_place *at, struct err *e)
{
	auto_close int fd = open(at->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || (!geteuid() && fchown(fd, dhcp_uid, (gid_t)-1)))
		return err_errno(e, "%s", at->dir);
	return 0;
}

/*
 * The configuration is the agent's word, and dnsmasq runs programs that one names. So it is nobody
 * of importance from its first instruction on, with what serves DHCP in this namespace and no more.
 */
static int run_dhcp_start(const struct root_req *req, const int *fds, char *out, size_t size,
			  struct err *e)
{
	struct dhcp_place at = place(req);
	char uid[16], gid[16], conf[sizeof(at.dir) + 24];
	const char *const argv[] = { "ip",
				     "netns",
				     "exec",
				     at.netns,
				     "setpriv",
				     "--reuid",
				     uid,
				     "--regid",
				     gid,
				     "--clear-groups",
				     "--no-new-privs",
				     "--inh-caps=" NET_CAPS,
				     "--ambient-caps=" NET_CAPS,
				     "--bounding-set=" NET_CAPS,
				     "dnsmasq",
				     conf,
				     NULL };
	int rc;

	if (!dhcp_uid)
		return err_set(e, -ENOENT, "there is no account " DHCP_USER);
	snprintf(uid, sizeof(uid), "%u", dhcp_uid);
	snprintf(gid, sizeof(gid), "%u", dhcp_gid);
	snprintf(conf, sizeof(conf), "--conf-file=%s/conf", at.dir);
	rc = give_dir(&at, e);
	return rc ?: spawn_run(argv, COMMAND_TIMEOUT_MS, NULL, 0, e);
}

/* The network's dnsmasq, if a process of its account is that: a pid file is anybody's word. */
static pid_t dnsmasq_of(const struct dhcp_place *at)
{
	pid_t pid = dhcp_pid(at);
	auto_free char *text = NULL;
	char path[64];
	const char *uid;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!pid || file_read(path, 65536, &text, NULL, NULL))
		return 0;
	uid = strstr(text, "\nUid:");
	return uid && strtoul(uid + 5, NULL, 10) == dhcp_uid ? pid : 0;
}

static int run_dhcp_reload(const struct root_req *req, const int *fds, char *out, size_t size,
			   struct err *e)
{
	struct dhcp_place at = place(req);
	pid_t pid = dnsmasq_of(&at);

	if (!pid || kill(pid, SIGHUP))
		return err_set(e, -ESRCH, "dnsmasq of %s does not run", at.netns);
	return 0;
}

static int run_dhcp_stop(const struct root_req *req, const int *fds, char *out, size_t size,
			 struct err *e)
{
	struct dhcp_place at = place(req);
	pid_t pid;

	for (int i = 0; (pid = dnsmasq_of(&at)); i++) {
		if (kill(pid, i < END_TRIES ? SIGTERM : SIGKILL) && errno != ESRCH)
			return err_errno(e, "dnsmasq of %s", at.netns);
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	return 0;
}

static int run_tool(const struct root_req *req, const int *fds, char *out, size_t size,
		    struct err *e)
{
	const char *argv[WORDS_N_MAX + 1];
	const struct sandbox sandbox = { .user = IMAGE_USER,
					 .memory = req->memory,
					 .file_size = req->file_size,
					 .cpu_s = req->cpu_s,
					 .fds = fds,
					 .n_fds = req->n_fds,
					 .print = req->n_fds && req->print };

	split(req, argv);
	return spawn_run_sandboxed(argv, &sandbox, (int)req->timeout_ms, out, size, e);
}

const struct root_row root_rows[ROOT_N] = {
	[ROOT_NETNS_ADD] = { "netns-add", "makes the network's namespace: CAP_SYS_ADMIN",
			     judge_network, run_netns_add },
	[ROOT_NETNS_DEL] = { "netns-del", "removes it: CAP_SYS_ADMIN", judge_network,
			     run_netns_del },
	[ROOT_ADDRESS] = { "address", "its service port up, with addresses: CAP_NET_ADMIN there",
			   judge_address, run_address },
	[ROOT_ADDRESSED] = { "addressed", "looks whether it has them: CAP_SYS_ADMIN to look there",
			     judge_address, run_addressed },
	[ROOT_DHCP_START] = { "dhcp-start", "dnsmasq, as its account: CAP_SETUID, CAP_CHOWN",
			      judge_network, run_dhcp_start },
	[ROOT_DHCP_RELOAD] = { "dhcp-reload", "a signal to it: CAP_KILL", judge_network,
			       run_dhcp_reload },
	[ROOT_DHCP_STOP] = { "dhcp-stop", "its end: CAP_KILL", judge_network, run_dhcp_stop },
	[ROOT_IMAGE_TOOL] = { "image-tool",
			      "qemu-img or genisoimage, sandboxed as anyvf-image: CAP_SETUID",
			      judge_tool, run_tool },
};

/**
 * root_judge() - May this be asked for?
 * @req: request, of whoever
 * @e:   why not, may be NULL
 *
 * Return: 0, -EINVAL or -EPERM. Pure.
 */
int root_judge(const struct root_req *req, struct err *e)
{
	if (req->verb >= ROOT_N)
		return err_set(e, -EINVAL, "there is no verb %u", req->verb);
	return root_rows[req->verb].judge(req, e);
}
