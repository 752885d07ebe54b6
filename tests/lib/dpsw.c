/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane without control: one PF, a vhost VF for each socket named, VF i
 * owning 02:00:00:00:00:(i+1), spoof check on. For benchmarks and for tests of the
 * data path alone.
 *
 *	dpsw [--cores LIST] [--busy] [--huge] [--client] [--no-spoofchk] SOCKET...
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "sw/dp.h"
#include "veb/snap.h"

static int publish(struct dp *dp, unsigned int n, bool spoofchk, struct err *e)
{
	struct veb_port *ports[VEB_PORTS_MAX] = { NULL };
	struct veb_snap *snap;
	int rc;

	for (unsigned int i = 0; i < n; i++) {
		struct mac mac = { { 2, 0, 0, 0, 0, (uint8_t)(i + 1) } };
		struct veb_port_conf conf = {
			.id = (uint16_t)i, .kind = VEB_VF, .mtu = 9000, .n_macs = 1, .macs = &mac,
			.flags = (uint16_t)(VEB_LINK_UP | VEB_ALLMULTI | (spoofchk ? VEB_SPOOFCHK : 0)),
		};

		ports[i] = veb_port_new(&conf);
		if (!ports[i])
			return err_set(e, -1, "no memory");
	}
	rc = veb_snap_build(ports, n, 0, &snap, e);
	for (unsigned int i = 0; i < n; i++)
		veb_port_put(ports[i]);
	if (!rc)
		dp_publish(dp, snap);
	return rc;
}

static void print_stats(struct dp *dp, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct vf_stats s;

		dp_stats_get(dp, (uint16_t)i, &s);
		fprintf(stderr, "port %u: rx %lu tx %lu", i, s.rx_packets, s.tx_packets);
		for (unsigned int d = 0; d < DROP_N; d++)
			if (s.drops[d])
				fprintf(stderr, " %s %lu", drop_names[d], s.drops[d]);
		fprintf(stderr, "\n");
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "cores", 1, NULL, 'c' }, { "busy", 0, NULL, 'b' },
						 { "huge", 0, NULL, 'h' },  { "client", 0, NULL, 'C' },
						 { "no-spoofchk", 0, NULL, 's' }, { 0 } };
	auto_of(dp_close) struct dp *dp = NULL;
	struct dp_opts opts = { 0 };
	bool client = false, spoofchk = true;
	struct err e = { 0 };
	unsigned int n;
	sigset_t set;
	int c, sig;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c': opts.cores = optarg; break;
		case 'b': opts.busy = true; break;
		case 'h': opts.huge = true; break;
		case 'C': client = true; break;
		case 's': spoofchk = false; break;
		default: return 2;
		}
	}
	log_open("dpsw", LOG_LEVEL_INFO);
	n = (unsigned int)(argc - optind);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (dp_open(&opts, &dp, &e) || publish(dp, n, spoofchk, &e))
		goto fail;
	for (unsigned int i = 0; i < n; i++) {
		char name[DP_NAME_LEN + 1];

		snprintf(name, sizeof(name), "pf vf %u", i);
		if (dp_vhost_add(dp, (uint16_t)i, name, argv[optind + (int)i], client, &e))
			goto fail;
	}
	while (!sigwait(&set, &sig) && sig == SIGUSR1)
		print_stats(dp, n);
	print_stats(dp, n);
	return 0;
fail:
	fprintf(stderr, "dpsw: %s\n", e.msg);
	return 1;
}
