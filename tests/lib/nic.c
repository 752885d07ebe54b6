/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hw/nic does to a NIC, by hand, for tests on real kernels:
 *   nic numvfs NIC N | nic autoprobe NIC 0|1 | nic bind NIC VF DRIVER|- | nic vf NIC VF
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hw/nic.h"

static void print_vf(const struct hw_vf_dev *d)
{
	printf("address %s driver %s override %s group %d shared %s netdev %s\n", d->address,
	       d->driver, d->override, (int)d->group, d->shared,
	       d->netdevs.n ? d->netdevs.list[0].name : "");
}

static int run(char **words, const struct hw_nic *nic, struct err *e)
{
	uint32_t n = (uint32_t)atoi(words[3]);
	struct hw_vf_dev vf;
	int rc = -EINVAL;

	if (!strcmp(words[1], "numvfs"))
		rc = hw_nic_set_numvfs(HW_SYS, nic, n, e);
	else if (!strcmp(words[1], "autoprobe"))
		rc = hw_nic_set_autoprobe(HW_SYS, nic, n, e);
	else if (!strcmp(words[1], "bind"))
		rc = hw_vf_bind(HW_SYS, nic, n, strcmp(words[4], "-") ? words[4] : NULL, e);
	else if (!(rc = hw_nic_vf(HW_SYS, nic, n, &vf, e)))
		print_vf(&vf);
	return rc;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct hw_nic nic;

	if (argc < 4 || (!strcmp(argv[1], "bind") && argc < 5))
		return 255;
	if (!hw_nic_find(HW_SYS, argv[2], &nic, &e) && !run(argv, &nic, &e))
		return 0;
	fprintf(stderr, "%s\n", e.msg);
	return 1;
}
