/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw_refuse NETDEV PLANS SEED: random plans for the VFs of a PF, each with one step that the kernel refuses
 * (a multicast MAC, which nothing of ours looks at here), at a random place and once behind the last; after
 * each the kernel is to tell what it told before. Short plans have it at every place.
 * Prints how many plans and refusals there were; exit code 1 with the plan that left something behind.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/do.h"

#define STEPS_MAX   200
#define STEPS_SHORT 12 /* up to here each place is tried */

static uint32_t below(uint32_t n)
{
	return (uint32_t)random() % n;
}

static void words_random(struct hw_words *w)
{
	*w = (struct hw_words){ .mac.b = { 2, 0, 0, 0, (uint8_t)below(256), (uint8_t)below(256) },
				.vlan = (uint16_t)(1 + below(4094)),
				.qos = (uint8_t)below(8),
				.proto = (uint8_t)below(2),
				.max_tx_mbit = 1000 + below(9000),
				.min_tx_mbit = below(1000),
				.spoofchk = below(2),
				.query_rss = below(2),
				.trust = below(2),
				.link = (uint8_t)below(3) };
}

/* @n steps: old is what the steps before have left. */
static void plan_random(struct hw_plan *plan, const struct hw_link *link, unsigned int n)
{
	struct hw_words is[VF_MAX];

	for (unsigned int i = 0; i < link->n_vfs; i++)
		is[i] = link->vfs[i].words;
	while (plan->n < n) {
		unsigned int vf = below(link->n_vfs);
		struct hw_step step = { .op = HW_OP_VF,
					.attr = (uint8_t)below(HW_ATTR_N),
					.vf = (uint16_t)vf,
					.old.words = is[vf] };
		struct vf_config c = { 0 };

		words_random(&step.new.words);
		hw_words_to(&is[vf], HW_WORDS, &c);
		hw_words_to(&step.new.words, hw_attrs[step.attr].fields, &c);
		hw_words_from(&c, &is[vf]);
		if (hw_plan_add(plan, &step, NULL))
			exit(2);
	}
}

static int same(const struct hw_link *a, const struct hw_link *b)
{
	for (unsigned int i = 0; i < a->n_vfs; i++)
		for (unsigned int j = 0; j < HW_ATTR_N; j++)
			if (a->vfs[i].told != b->vfs[i].told ||
			    !hw_attr_equal((enum hw_attr)j, &a->vfs[i].words, &b->vfs[i].words))
				return 0;
	return a->n_vfs == b->n_vfs;
}

/* The plan with its step @at exchanged for one that is refused. */
static void refused_at(const struct hw_doer *with, const struct hw_plan *plan, unsigned int at)
{
	struct hw_link *before = NULL, *after = NULL;
	struct hw_step kept = plan->steps[at];
	struct err e = { 0 };

	plan->steps[at].attr = HW_ATTR_MAC;
	plan->steps[at].new.words.mac = (struct mac){ { 1, 0, 0x5e, 0, 0, 1 } };
	if (hw_link_get(with->rt, with->ifindex, HW_ASK_SETTINGS, &before, &e) ||
	    hw_plan_run(plan, hw_step_do, (void *)(uintptr_t)with, &e) != -EINVAL ||
	    hw_link_get(with->rt, with->ifindex, HW_ASK_SETTINGS, &after, &e) ||
	    !same(before, after)) {
		printf("plan of %u steps, refused at %u: %s\n", plan->n, at, e.msg);
		exit(1);
	}
	plan->steps[at] = kept;
	free(before);
	free(after);
}

int main(int argc, char **argv)
{
	unsigned int n_plans = argc > 2 ? (unsigned int)atoi(argv[2]) : 0, n_refused = 0;
	struct hw_nic nic;
	struct hw_doer with = { .sysfs = HW_SYS, .nic = &nic };
	struct err e = { 0 };

	if (argc != 4 || hw_rt_open(&with.rt, &e) || hw_nic_find(HW_SYS, argv[1], &nic, &e)) {
		fprintf(stderr, "hw_refuse NETDEV PLANS SEED: %s\n", e.msg);
		return 2;
	}
	srandom((unsigned int)atoi(argv[3]));
	with.ifindex = (int)if_nametoindex(argv[1]);
	for (unsigned int i = 0; i < n_plans; i++) {
		struct hw_plan plan = { 0 };
		struct hw_link *link = NULL;

		if (hw_link_get(with.rt, with.ifindex, HW_ASK_SETTINGS, &link, &e))
			return 2;
		plan_random(&plan, link, 1 + below(STEPS_MAX));
		for (unsigned int at = 0; plan.n <= STEPS_SHORT && at < plan.n; at++, n_refused++)
			refused_at(&with, &plan, at);
		refused_at(&with, &plan, below(plan.n));
		n_refused++;
		if (below(2) &&
		    hw_plan_run(&plan, hw_step_do, &with, &e)) { /* the next begins elsewhere */
			printf("plan of %u steps: %s\n", plan.n, e.msg);
			return 1;
		}
		free(link);
		hw_plan_fini(&plan);
	}
	printf("%u plans, %u refusals\n", n_plans, n_refused);
	hw_rt_close(with.rt);
	return 0;
}
