/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs of one MAC, as the trick of mirroring by addresses makes them, and as happens by mistake:
 * each gets the frames of the other. `link show` says so, for nothing in its output would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* An address a VF has, by its administrator or its guest. */
struct owned {
	struct mac mac;
	uint16_t vlan;
	unsigned int vf;
};

static int by_address(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;
	int diff = memcmp(&x->mac, &y->mac, MAC_LEN);

	if (!diff)
		diff = x->vlan - y->vlan;
	return diff ? diff : (x->vf > y->vf) - (x->vf < y->vf);
}

static bool is_same(const struct owned *a, const struct owned *b)
{
	return !memcmp(&a->mac, &b->mac, MAC_LEN) && a->vlan == b->vlan;
}

static unsigned int owned_by(unsigned int vf, const struct vf_info *info, struct owned *out)
{
	const struct vf_status *s = &info->status;
	unsigned int n = 0, shown = MIN(s->n_accepted, (unsigned int)ARRAY_LEN(s->accepted));

	if (!mac_is_zero(&info->config.mac))
		out[n++] = (struct owned){ info->config.mac, info->config.vlan, vf };
	for (unsigned int i = 0; i < shown; i++)
		if (memcmp(&s->accepted[i], &info->config.mac, MAC_LEN))
			out[n++] = (struct owned){ s->accepted[i], info->config.vlan, vf };
	return n;
}

/* A NIC's mirror from the first to the second of two, which has the address for that. */
static const char *mirror_of(const json_t *mirrors, const char *pf, const struct owned *two)
{
	const char *name, *by, *from;
	int from_vf, to_vf;
	const json_t *m;
	size_t i;

	json_array_foreach (mirrors, i, m)
		if (!json_unpack((json_t *)(uintptr_t)m, "{s:s, s:s, s:s, s:i, s:i}", "name", &name,
				 "by", &by, "from_pf", &from, "from_vf", &from_vf, "to_vf",
				 &to_vf) &&
		    !strcmp(by, "mac") && !strcmp(from, pf) &&
		    from_vf + to_vf == (int)(two[0].vf + two[1].vf) &&
		    (from_vf == (int)two[0].vf || to_vf == (int)two[0].vf))
			return name;
	return NULL;
}

/* Those of one address, in order of VFs. */
static void warn(const char *pf, const struct owned *all, size_t n, const json_t *mirrors)
{
	const char *mirror = n == 2 ? mirror_of(mirrors, pf, all) : NULL;
	char mac[MAC_STR_LEN];

	fprintf(stderr, "Warning: %s: MAC %s belongs to vf %u", pf, mac_format(&all->mac, mac),
		all->vf);
	for (size_t i = 1; i < n; i++)
		fprintf(stderr, "%s vf %u", i + 1 < n ? "," : " and", all[i].vf);
	if (mirror)
		fprintf(stderr, ": that is mirror %s.\n", mirror);
	else
		fprintf(stderr, ": each gets the frames of all. To copy traffic, see anyvf mirror "
				"help.\n");
}

/**
 * cli_warn_twins() - Say on stderr which VFs of a PF share an address on one VLAN
 * @cli:   run, to ask whether that is a mirror
 * @pf:    its name
 * @infos: of all its VFs
 * @n:     how many
 *
 * One line an address. Addresses of guests are known as far as `vf show` shows them.
 */
void cli_warn_twins(const struct cli *cli, const char *pf, const struct vf_info *infos, size_t n)
{
	struct owned *all = calloc(n * (1 + VF_MACS_UNTRUSTED) + 1, sizeof(*all));
	auto_of(json_decref) json_t *mirrors = NULL;
	struct cli run_of = *cli;
	size_t n_all = 0;

	if (!all)
		return;
	for (size_t i = 0; i < n; i++)
		n_all += owned_by((unsigned int)i, &infos[i], all + n_all);
	qsort(all, n_all, sizeof(*all), by_address);
	for (size_t i = 0, run; i < n_all; i += run) {
		for (run = 1; i + run < n_all && is_same(&all[i], &all[i + run]); run++)
			;
		if (run > 1 && !mirrors && cli_call_all(&run_of, "mirror.list", &mirrors, NULL))
			mirrors = json_array();
		if (run > 1)
			warn(pf, &all[i], run, mirrors);
	}
	free(all);
}
