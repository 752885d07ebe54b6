/* SPDX-License-Identifier: Apache-2.0 */
/* veb/fib: a table that is changed again and again says what one says that is built anew. */
#include "unit/unit.h"

#include "veb/fib.h"

#define PORTS	  24
#define DOMAINS	  2
#define ADDRESSES 600

static unsigned int seed = 12;

static unsigned int chance(unsigned int n)
{
	return (unsigned int)rand_r(&seed) % n;
}

static struct mac address(unsigned int i)
{
	return (struct mac){ { 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } };
}

/* Few addresses of a few, so that many share them; now and then very many. */
static unsigned int some_macs(struct mac *out)
{
	unsigned int n = chance(8) ? chance(6) : chance(ADDRESSES), pool = n < 6 ? 12 : ADDRESSES;

	for (unsigned int i = 0; i < n; i++)
		out[i] = chance(20) ? address(chance(pool)) : (struct mac){ { 0 } };
	return n;
}

static struct veb_port *some_port(unsigned int id, const struct veb_port *was)
{
	static const uint16_t flags[] = { VEB_LINK_UP, VEB_ALLMULTI, VEB_ISOLATED, VEB_SPOOFCHK };
	struct mac macs[ADDRESSES], groups[ADDRESSES];
	struct veb_port_conf conf = {
		.id = (uint16_t)id,
		.domain = (uint16_t)(id % DOMAINS),
		.vlan = (uint16_t)(chance(4) ? 0 : 5),
		.mtu = (uint16_t)(chance(2) ? 1500 : 0),
		.macs = macs,
		.groups = groups,
	};

	for (unsigned int i = 0; i < ARRAY_LEN(flags); i++)
		conf.flags |= chance(2) ? flags[i] : 0;
	conf.n_macs = some_macs(macs);
	conf.n_learned = chance(2) ? chance(conf.n_macs + 1) : 0;
	conf.n_groups = some_macs(groups);
	if (was && !chance(3))
		conf.like = was;
	return veb_port_new(&conf);
}

static void assert_same(const struct veb_snap *a, const struct veb_snap *b)
{
	for (unsigned int i = 0; i < ADDRESSES * DOMAINS; i++) {
		struct mac m = address(i / DOMAINS);
		uint64_t key = veb_fib_key(i % DOMAINS, veb_mac_key(&m));
		const struct veb_fib_entry *x = veb_fib_find(a, key), *y = veb_fib_find(b, key);
		uint16_t one, other;

		assert_int_equal(!x, !y);
		if (!x)
			continue;
		assert_int_equal(x->n, y->n);
		assert_int_equal(x->plain, y->plain);
		if (x->n == 1)
			assert_int_equal(x->first, y->first);
		assert_memory_equal(veb_fib_owners(a, x, &one), veb_fib_owners(b, y, &other),
				    x->n * sizeof(uint16_t));
	}
}

static void a_changed_table_is_as_one_built_anew(void **state)
{
	auto_of(veb_fibs_put) struct veb_fibs *fibs = veb_fibs_new();
	auto_of(veb_snap_free) struct veb_snap *now = NULL;
	struct veb_port *ports[PORTS] = { NULL }, *there[PORTS];

	for (unsigned int round = 0; round < 2000; round++) {
		auto_of(veb_snap_free) struct veb_snap *next = NULL, *anew = NULL;
		unsigned int n = 0;

		for (unsigned int i = chance(4); i--;) {
			unsigned int id = chance(PORTS);
			struct veb_port *was = ports[id];

			ports[id] = chance(6) ? some_port(id, was) : NULL;
			veb_port_put(was);
		}
		for (unsigned int id = 0; id < PORTS; id++)
			if (ports[id])
				there[n++] = ports[id];
		assert_int_equal(veb_snap_next(fibs, there, n, 0, &next, NULL), 0);
		assert_int_equal(veb_snap_build(there, n, 0, &anew, NULL), 0);
		assert_same(next, anew);
		if (!chance(5)) /* the change failed elsewhere */
			continue;
		veb_snap_free(now);
		now = take(next);
	}
	for (unsigned int id = 0; id < PORTS; id++)
		veb_port_put(ports[id]);
}

/* 256 ports of 100 addresses: one more on one of them is work for that one, in either table. */
static void a_change_costs_the_addresses_of_who_changed(void **state)
{
	auto_of(veb_fibs_put) struct veb_fibs *fibs = veb_fibs_new();
	auto_of(veb_snap_free) struct veb_snap *now = NULL;
	struct veb_port *ports[256];
	struct mac macs[101];

	for (unsigned int id = 0; id < 256; id++) {
		for (unsigned int i = 0; i < 100; i++)
			macs[i] = address(id * 100 + i);
		ports[id] = veb_port_new(&(struct veb_port_conf){
			.id = (uint16_t)id, .n_macs = 100, .macs = macs });
	}
	for (unsigned int round = 0; round < 6; round++) {
		struct veb_snap *next;

		assert_int_equal(veb_snap_next(fibs, ports, 256, 0, &next, NULL), 0);
		if (round > 1)
			assert_in_range(next->work, 2, 2 * 2 * 101);
		veb_snap_free(now);
		now = next;
		macs[100] = address(30000 + round);
		veb_port_put(ports[255]);
		ports[255] = veb_port_new(&(struct veb_port_conf){
			.id = 255, .n_macs = 101, .macs = macs });
	}
	for (unsigned int id = 0; id < 256; id++)
		veb_port_put(ports[id]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_table_is_as_one_built_anew),
		cmocka_unit_test(a_change_costs_the_addresses_of_who_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
