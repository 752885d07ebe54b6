/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK's environment: for librte_vhost, RCU and uplink drivers. Threads, memory
 * and logs stay ours, files stay in the run directory, no device is taken.
 */
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "sw/data/dp_priv.h"

#define MEM_MIB 64

static bool eal_started; /* once a process: DPDK cannot start twice */

/* "2,4-6"; "" leaves the set empty. */
static int cores_parse(const char *list, cpu_set_t *out, struct err *e)
{
	const char *p = list;

	CPU_ZERO(out);
	while (*p) {
		unsigned int a, b;
		int n = 0;

		if (sscanf(p, "%u-%u%n", &a, &b, &n) != 2) {
			n = 0;
			if (sscanf(p, "%u%n", &a, &n) != 1)
				break;
			b = a;
		}
		if (a > b || b >= CPU_SETSIZE || (p[n] != ',' && p[n]))
			break;
		for (; a <= b; a++)
			CPU_SET(a, out);
		p += n + (p[n] == ',');
	}
	if (*p)
		return err_set(e, -EINVAL, "\"%s\" is not a list of cores", list);
	return 0;
}

/* CPUs for everything but workers; all if workers have all. */
static cpu_set_t cpus_beside(const cpu_set_t *workers)
{
	cpu_set_t all, out;

	sched_getaffinity(0, sizeof(all), &all);
	CPU_AND(&out, &all, workers);
	CPU_XOR(&out, &all, &out);
	return CPU_COUNT(&out) ? out : all;
}

/* What DPDK has to say of front ends and devices: one line of ours each, but not without end. */
static ssize_t dpdk_says(void *cookie, const char *text, size_t size)
{
	static struct log_bucket said;
	const char *end = memchr(text, '\n', size);

	log_limited(LOG_LEVEL_WARN, &said, "DPDK", "%.*s",
		    (int)(end ? end - text : (ssize_t)size), text);
	return (ssize_t)size;
}

/* Its lines stay on stderr where there is no memory for better. */
static void dpdk_log_open(void)
{
	FILE *log = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = dpdk_says });

	if (log && !setvbuf(log, NULL, _IOLBF, BUFSIZ))
		rte_openlog_stream(log);
}

/* CPUs as DPDK's --lcores wants them: 0@(0,2,3). */
static void lcores_format(const cpu_set_t *cpus, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "0@(");
	bool some = false;

	for (int i = 0; i < CPU_SETSIZE && n + 8 < size; i++) {
		if (!CPU_ISSET(i, cpus))
			continue;
		n += (size_t)snprintf(out + n, size - n, "%s%d", some ? "," : "", i);
		some = true;
	}
	snprintf(out + n, size - n, ")");
}

/**
 * eal_start() - Start DPDK's environment, once a process
 * @opts: what dp_open() was given
 * @cpus: gets the workers' CPUs; none: one worker on any
 * @e:    may be NULL
 *
 * Return: 0; -EINVAL bad core list; -EALREADY; what DPDK said.
 * Context: control, before any other thread; it is moved off the workers' CPUs.
 */
int eal_start(const struct dp_opts *opts, cpu_set_t *cpus, struct err *e)
{
	char lcores[4096], mem[16], prefix[64];
	cpu_set_t beside;
	int rc;

	if (eal_started)
		return err_set(e, -EALREADY, "the data plane was started in this process before");
	rc = cores_parse(opts->cores ? opts->cores : "", cpus, e);
	if (rc)
		return rc;
	/*
	 * DPDK's own threads get the CPUs of this thread that are no lcore's; if none is left,
	 * those of the lcore. So workers' CPUs must not be left.
	 */
	beside = cpus_beside(cpus);
	sched_setaffinity(0, sizeof(beside), &beside);
	lcores_format(&beside, lcores, sizeof(lcores));
	snprintf(mem, sizeof(mem), "%u", opts->mem_mib ? opts->mem_mib : MEM_MIB);
	if (opts->prefix || opts->run_dir)
		snprintf(prefix, sizeof(prefix), "%s", opts->prefix ? opts->prefix : "anyvf");
	else
		snprintf(prefix, sizeof(prefix), "anyvf-%d", getpid());

	const char *argv[] = {
		"anyvf-swd", "--lcores", lcores, "-m", mem, "--file-prefix", prefix, "--no-shconf",
		"--no-telemetry", "--iova-mode=va", "--log-level=*:error",
		"-a", "0000:00:00.0", /* an allow list of nothing: no device is taken unasked */
		opts->huge ? "--in-memory" : "--no-huge",
		"--single-file-segments",
	};
	int argc = (int)ARRAY_LEN(argv) - !opts->huge;

	/* Else it is one folder for all users in /tmp, and the first of them owns it. */
	if (opts->run_dir)
		setenv("RUNTIME_DIRECTORY", opts->run_dir, 1);
	rc = rte_eal_init(argc, (char **)(uintptr_t)argv);
	if (opts->run_dir)
		unsetenv("RUNTIME_DIRECTORY");
	if (rc < 0)
		return err_set(e, -rte_errno, "DPDK does not start: %s", rte_strerror(rte_errno));
	eal_started = true;
	dpdk_log_open();
	return 0;
}

/**
 * eal_stop() - End DPDK, and remove the folder it made
 *
 * Context: control, once a process, after eal_start() and when nothing uses DPDK any more.
 */
void eal_stop(void)
{
	rte_eal_cleanup();
	(void)rmdir(rte_eal_get_runtime_dir()); /* without run_dir nobody uses its name again */
}
