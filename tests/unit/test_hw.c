/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room hw on a NIC that is a table, in memory that outlives a process: ended at each point of a
 * change, with a full disk, after a boot, with drivers that refuse, round, tell nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "hw/copy.h"
#include "hw/model.h"

#define VFS	8
#define TOTAL	8
#define SVCS	4
#define NIC	"0000:05:00.0"
#define NOBODY	(-1)
#define F(name) (1U << VF_FIELD_##name)
#define P(name) (1U << PF_FIELD_##name)

/*
 * Five hundred processes are forked and ended here, and each has a copy of the page tables of what
 * the sanitizer holds back of freed memory: 16 MB instead of 256.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16";
}

/* What the kernel has; shared with the processes that are ended. */
static struct kernel {
	bool here;
	int ifindex;
	unsigned int n_vfs;
	struct hw_words vfs[VFS];
	uint32_t untold; /* words that the driver takes and does not tell */
	uint32_t mtu;
	struct mac mac;
	bool up;
	struct vf_groups groups;
	bool clsact[VFS], copies[VFS]; /* of representors */
	char netdevs[VFS][IF_NAMESIZE]; /* names of VFs' netdevs */
	struct hw_value svcs[SVCS]; /* those whose number is 1 */
	uint32_t round;		    /* rates become multiples of it; 0: they stay */
	uint32_t refused;	    /* words that the driver refuses */
	uint32_t no_number;	    /* of VFs that cannot be made; 0: none */
	bool ignored;		    /* what is set is taken, and nothing happens */
	unsigned int sets;	    /* steps that were asked for */
	int end_at;		    /* points until the process is ended; NOBODY */
	unsigned int points;
	int gone_at; /* points until the NIC goes; NOBODY */
	int full_at; /* writes of the state file until the disk is full */
	bool full;
	bool falls;    /* back to legacy mode with another number of VFs */
	char no_group; /* of a letter: a group that cannot be made; 0: none */
	uint64_t now_ms;
	enum hw_eswitch mode;
	uint32_t denied; /* words that the driver refuses while there is no VF */
} * k;

static struct hw_driver driver = { .name = "table", .fields = HW_WORDS, .spoofchk = true };
static char dir[] = "/dev/shm/test_hw.XXXXXX", state[64]; /* no disk is waited for */
static struct loop *loop;

static void point(void)
{
	k->points++;
	if (k->end_at-- == 0)
		_exit(9);
	if (k->gone_at-- == 0)
		k->here = false;
}

static struct hw_words fresh(void)
{
	return (struct hw_words){ .spoofchk = driver.spoofchk };
}

static void number_set(uint32_t n)
{
	for (unsigned int i = 0; n != k->n_vfs && i < VFS; i++)
		k->vfs[i] = i < n ? fresh() : (struct hw_words){ 0 };
	k->n_vfs = n;
}

static int vf_set(const struct hw_step *step, const struct hw_words *to, struct err *e)
{
	struct vf_config c = { 0 };
	struct hw_words *w = &k->vfs[step->vf];

	if (step->vf >= k->n_vfs)
		return err_set(e, -EINVAL, "Invalid argument");
	if (hw_attrs[step->attr].fields & k->refused)
		return err_set(e, -EINVAL, "Invalid argument");
	if (step->attr == HW_ATTR_GROUP && *to->group && !vf_groups_find(&k->groups, to->group))
		return err_set(e, -ENODEV, "No such device");
	if (k->ignored)
		return 0;
	hw_words_to(w, HW_WORDS, &c);
	hw_words_to(to, hw_attrs[step->attr].fields, &c);
	hw_words_from(&c, w);
	if (k->round)
		w->max_tx_mbit -= w->max_tx_mbit % k->round;
	return 0;
}

static int group_set(const struct hw_words *to, bool there, struct err *e)
{
	struct vf_groups others = { .n = 0 };
	struct vf_group g = { .max_tx_mbit = to->max_tx_mbit, .min_tx_mbit = to->min_tx_mbit };

	if (there && *to->group && *to->group == k->no_group)
		return err_set(e, -EINVAL, "Invalid argument");
	strcpy(g.name, to->group);
	for (unsigned int i = 0; !there && i < k->n_vfs; i++)
		if (!strcmp(k->vfs[i].group, g.name))
			return err_set(e, -EBUSY, "Node has leafs. Cannot delete node.");
	for (unsigned int i = 0; i < k->groups.n; i++)
		if (strcmp(k->groups.list[i].name, g.name))
			vf_groups_add(&others, &k->groups.list[i], NULL);
	k->groups = others;
	return there ? vf_groups_add(&k->groups, &g, e) : 0;
}

/* Groups go with it, and in legacy mode there is none. */
static int mode_set(bool switchdev, struct err *e)
{
	if (k->mode == HW_ESWITCH_NONE)
		return err_set(e, -EOPNOTSUPP, "Operation not supported");
	if (driver.mode_first && k->n_vfs)
		return err_set(e, -EBUSY, "Device or resource busy");
	k->mode = switchdev ? HW_ESWITCH_SWITCHDEV : HW_ESWITCH_LEGACY;
	k->groups = (struct vf_groups){ .n = 0 };
	return 0;
}

static struct hw_value *svc_of(const struct hw_value *svc)
{
	for (unsigned int i = 0; i < SVCS; i++)
		if (k->svcs[i].number && mac_equal(&k->svcs[i].mac, &svc->mac))
			return &k->svcs[i];
	return NULL;
}

static void svc_set(const struct hw_value *to)
{
	struct hw_value *at = svc_of(to);

	for (unsigned int i = 0; !at && to->number && i < SVCS; i++)
		if (!k->svcs[i].number)
			at = &k->svcs[i];
	if (at)
		*at = to->number ? *to : (struct hw_value){ 0 };
}

bool __wrap_hw_svc_is_there(struct hw_rt *rt, int pf, const struct hw_value *svc);
bool __wrap_hw_svc_is_there(struct hw_rt *rt, int pf, const struct hw_value *svc)
{
	return k->here && svc_of(svc);
}

bool __wrap_hw_svc_is_elsewhere(struct hw_rt *rt, int pf, const struct hw_value *svc);
bool __wrap_hw_svc_is_elsewhere(struct hw_rt *rt, int pf, const struct hw_value *svc)
{
	return false;
}

bool __wrap_hw_svc_name_is_taken(struct hw_rt *rt, const char *netns, const char *name);
bool __wrap_hw_svc_name_is_taken(struct hw_rt *rt, const char *netns, const char *name)
{
	for (unsigned int i = 0; i < SVCS; i++)
		if (k->svcs[i].number && !strcmp(k->svcs[i].name, name))
			return true;
	return false;
}

int __wrap_hw_svc_make(struct hw_rt *rt, int pf, const struct hw_value *svc, struct err *e);
int __wrap_hw_svc_make(struct hw_rt *rt, int pf, const struct hw_value *svc, struct err *e)
{
	svc_set(svc);
	return 0;
}

int __wrap_hw_svc_remove(struct hw_rt *rt, int pf, const struct hw_value *svc, struct err *e);
int __wrap_hw_svc_remove(struct hw_rt *rt, int pf, const struct hw_value *svc, struct err *e)
{
	svc_set(svc);
	return 0;
}

/* Its netdev is here, if the table has a name of it. */
int __wrap_hw_plug_look(const struct hw *hw, const struct hw_pf *pf, unsigned int vf,
			const char *netns, enum hw_reach reach, struct hw_plug *out, struct err *e);
int __wrap_hw_plug_look(const struct hw *hw, const struct hw_pf *pf, unsigned int vf,
			const char *netns, enum hw_reach reach, struct hw_plug *out, struct err *e)
{
	*out = (struct hw_plug){ .autoprobe = true };
	if (!k->here || !*k->netdevs[vf])
		return err_set(e, -ENOENT, "no such VF");
	strcpy(out->dev.address, NIC);
	strcpy(out->dev.driver, "tablevf");
	strcpy(out->spot.name, k->netdevs[vf]);
	out->spot.ifindex = 20 + (int)vf;
	return 0;
}

static int place(struct hw_doer *d, const struct hw_step *step, const struct hw_value *to,
		 struct err *e)
{
	char *name = k->netdevs[step->vf];

	if (!*name)
		return err_set(e, -ENOENT, "no such VF");
	strcpy(d->home, name);
	strcpy(name, *to->name ? to->name : name);
	return 0;
}

int __wrap_hw_step_do(void *arg, const struct hw_step *step, const struct hw_value *to,
		      struct err *e);
int __wrap_hw_step_do(void *arg, const struct hw_step *step, const struct hw_value *to,
		      struct err *e)
{
	int rc = 0;

	k->sets++;
	point();
	if (!k->here)
		return err_set(e, -ENODEV, "No such device");
	switch ((enum hw_op)step->op) {
	case HW_OP_VF:
		rc = vf_set(step, &to->words, e);
		break;
	case HW_OP_NUMVFS: /* by way of none */
		if (to->number != k->n_vfs)
			number_set(0);
		point();
		if (k->no_number && to->number == k->no_number)
			rc = err_set(e, -ENOMEM, "Cannot allocate memory");
		else
			number_set(to->number);
		if (k->falls)
			mode_set(false, NULL);
		break;
	case HW_OP_MTU:
		k->mtu = to->number;
		break;
	case HW_OP_MAC:
		k->mac = to->mac;
		break;
	case HW_OP_UP:
		k->up = to->number;
		break;
	case HW_OP_GROUP:
		rc = group_set(&to->words, to->number, e);
		break;
	case HW_OP_SVC:
		svc_set(to);
		break;
	case HW_OP_ESWITCH:
		rc = mode_set(to->number, e);
		break;
	case HW_OP_CLSACT:
		k->clsact[step->vf] = to->number;
		break;
	case HW_OP_COPY:
		k->copies[step->vf] = to->number;
		break;
	case HW_OP_PLACE:
		rc = place(arg, step, to, e);
		break;
	case HW_OP_DRIVER: /* the table's VFs have no other */
	case HW_OP_PROBE:
	case HW_OP_DEV_UP:
	case HW_OP_MACVTAP:
	case HW_OP_FILE:
	case HW_OP_N:
		rc = err_set(e, -ENOENT, "no such VF");
		break;
	}
	point();
	return rc;
}

int __wrap_hw_link_get(struct hw_rt *rt, int ifindex, enum hw_ask ask, struct hw_link **out,
		       struct err *e);
int __wrap_hw_link_get(struct hw_rt *rt, int ifindex, enum hw_ask ask, struct hw_link **out,
		       struct err *e)
{
	struct hw_link *link;

	if (!k->here || ifindex != k->ifindex)
		return err_set(e, -ENODEV, "No such device");
	link = calloc(1, sizeof(*link) + k->n_vfs * sizeof(link->vfs[0]));
	*link = (struct hw_link){ .ifindex = ifindex,
				  .name = "eth1",
				  .mac = k->mac,
				  .mtu = k->mtu,
				  .up = k->up,
				  .carrier = true,
				  .groups = k->groups,
				  .n_vfs = k->n_vfs };
	for (unsigned int i = 0; i < k->n_vfs; i++) {
		struct vf_config told = { 0 };

		hw_words_to(&k->vfs[i], ~k->untold, &told);
		hw_words_from(&told, &link->vfs[i].words);
		link->vfs[i].told = HW_WORDS & ~k->untold;
	}
	*out = link;
	return 0;
}

int __wrap_hw_nic_find(const char *sys, const char *name, struct hw_nic *out, struct err *e);
int __wrap_hw_nic_find(const char *sys, const char *name, struct hw_nic *out, struct err *e)
{
	if (!k->here || (strcmp(name, NIC) && strcmp(name, "eth1")))
		return err_set(e, -ENOENT, "there is no %s", name);
	*out = (struct hw_nic){ .address = NIC,
				.bus = "pci",
				.driver = "table",
				.totalvfs = TOTAL,
				.numvfs = k->n_vfs,
				.netdevs = { 1, 0, { { "eth1", k->ifindex } } } };
	return 0;
}

int __wrap_hw_caps_of(struct hw_rt *rt, const struct hw_nic *nic, int ifindex, struct hw_caps *out,
		      struct err *e);
int __wrap_hw_caps_of(struct hw_rt *rt, const struct hw_nic *nic, int ifindex, struct hw_caps *out,
		      struct err *e)
{
	*out = (struct hw_caps){
		.driver = &driver, .name = "table", .device = "eth1", .known = true
	};
	out->eswitch = k->mode;
	out->fields = driver.fields & ~(nic->numvfs ? 0 : k->denied);
	if (k->mode == HW_ESWITCH_LEGACY)
		out->fields &= ~F(GROUP);
	for (unsigned int i = 0; i < HW_ATTR_N; i++)
		if (!(hw_attrs[i].fields & driver.fields))
			out->refusing |= 1U << i;
	return 0;
}

int __wrap_hw_eswitch_get(const char *bus, const char *device, enum hw_eswitch *out, struct err *e);
int __wrap_hw_eswitch_get(const char *bus, const char *device, enum hw_eswitch *out, struct err *e)
{
	*out = k->mode;
	return 0;
}

int __real_file_replace(const char *path, const void *data, size_t size, mode_t mode,
			struct err *e);
int __wrap_file_replace(const char *path, const void *data, size_t size, mode_t mode,
			struct err *e);
int __wrap_file_replace(const char *path, const void *data, size_t size, mode_t mode, struct err *e)
{
	int rc;

	point();
	if (k->full || k->full_at-- == 0) {
		k->full = true;
		return err_set(e, -ENOSPC, "%s: No space left on device", path);
	}
	rc = __real_file_replace(path, data, size, mode, e);
	point();
	return rc;
}

bool __wrap_hw_copy_clsact_is(struct hw_rt *rt, const char *sys, const struct hw_nic *nic,
			      unsigned int vf);
bool __wrap_hw_copy_clsact_is(struct hw_rt *rt, const char *sys, const struct hw_nic *nic,
			      unsigned int vf)
{
	return k->clsact[vf];
}

int __wrap_hw_copy_rule_look(struct hw_rt *rt, const char *sys, const struct hw_nic *nic,
			     unsigned int vf, const struct hw_value *to, struct hw_tc_told *out,
			     struct err *e);
int __wrap_hw_copy_rule_look(struct hw_rt *rt, const char *sys, const struct hw_nic *nic,
			     unsigned int vf, const struct hw_value *to, struct hw_tc_told *out,
			     struct err *e)
{
	*out = (struct hw_tc_told){ .there = k->copies[vf], .in_hw = true };
	return 0;
}

/* It gives the frames for an address to all who have it. */
enum hw_twins __wrap_hw_twins_of(const char *name);
enum hw_twins __wrap_hw_twins_of(const char *name)
{
	return HW_TWINS_SEEN;
}

uint64_t __wrap_loop_now_ms(void);
uint64_t __wrap_loop_now_ms(void)
{
	return k->now_ms += 21; /* nothing that was told is fresh */
}

static struct hw *open_hw(void)
{
	const struct hw_opts opts = { .loop = loop, .sysfs = "/sys", .state = state };
	struct hw *hw = NULL;
	struct err e = { 0 };

	if (hw_open(&opts, &hw, &e))
		fail_msg("%s", e.msg);
	return hw;
}

/* A NIC with that many VFs, served; nothing was asked of it. */
static struct hw *begin(unsigned int n_vfs)
{
	struct hw *hw;
	struct pf_config want = { .name = "eth1" };

	unlink(state);
	driver = (struct hw_driver){ .name = "table", .fields = HW_WORDS, .spoofchk = true };
	*k = (struct kernel){ .here = true,
			      .ifindex = 7,
			      .mtu = 1500,
			      .mac.b = { 2, 0, 0, 0, 0, 1 },
			      .end_at = NOBODY,
			      .gone_at = NOBODY,
			      .full_at = NOBODY,
			      .now_ms = 1000 };
	number_set(n_vfs);
	hw = open_hw();
	assert_int_equal(hw_pf_add(hw, &want, P(NAME), NULL), 0);
	return hw;
}

static void tick(struct hw *hw, unsigned int seconds)
{
	while (seconds--) {
		k->now_ms += 1000;
		hw_watch(hw);
	}
}

static struct vf_change vf_words(unsigned int vf, uint32_t changed)
{
	struct vf_change c = { .vf = vf, .changed = changed };

	vf_config_default(&c.want);
	c.want.mac = (struct mac){ { 2, 0, 0, 0, 1, (uint8_t)vf } };
	c.want.vlan = (uint16_t)(100 + vf);
	c.want.max_tx_mbit = 505;
	return c;
}

static int set(struct hw *hw, const struct pf_config *pf, uint32_t said, struct vf_change *vfs,
	       unsigned int n, bool by_agent, struct err *e)
{
	struct pf_change change = { .changed = said, .n_vfs = n, .vfs = vfs, .by_agent = by_agent };

	if (pf)
		change.want = *pf;
	return hw_pf_set(hw, "eth1", &change, e);
}

static int set_vf(struct hw *hw, unsigned int vf, uint32_t changed)
{
	struct vf_change c = vf_words(vf, changed);

	return set(hw, NULL, 0, &c, 1, false, NULL);
}

static unsigned int drifts(struct hw *hw)
{
	struct pf_drift_info d;
	unsigned int n = 0;

	while (!hw_pf_drift(hw, "eth1", n, &d, NULL))
		n++;
	return n;
}

static bool same(const struct kernel *a, const struct kernel *b)
{
	for (unsigned int i = 0; i < VFS; i++)
		if (hw_words_differ(&a->vfs[i], &b->vfs[i]))
			return false;
	return a->n_vfs == b->n_vfs && a->mode == b->mode &&
	       !memcmp(&a->groups, &b->groups, sizeof(a->groups)) && a->mtu == b->mtu &&
	       a->up == b->up && mac_equal(&a->mac, &b->mac);
}

/* A line with everything in it: the PF's words, another number of VFs, a VF twice, one that it makes. */
static int line(struct hw *hw, unsigned int n_vfs)
{
	struct vf_change vfs[] = { vf_words(1, F(MAC) | F(VLAN)), vf_words(0, F(TRUST)),
				   vf_words(1, F(VLAN) | F(MAX_TX_RATE)),
				   vf_words(n_vfs - 1, F(MAC) | F(SPOOFCHK)) };
	const struct pf_config pf = {
		.numvfs = (uint16_t)n_vfs, .mtu = 9000, .up = true, .mac.b = { 2, 0, 0, 0, 0, 9 }
	};

	vfs[1].want.trust = true;
	vfs[2].want.vlan = 7;
	vfs[3].want.spoofchk = false;
	return set(hw, &pf, P(NUMVFS) | P(MTU) | P(UP) | P(MAC), vfs, ARRAY_LEN(vfs), false, NULL);
}

/* In a process of its own. Returns whether it was ended. */
static bool child(int end_at, unsigned int n_vfs)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct hw *hw;

		k->end_at = NOBODY;
		if (n_vfs) {
			hw = open_hw();
			k->end_at = end_at;
			_exit(line(hw, n_vfs) ? 1 : 0);
		}
		k->end_at = end_at;
		open_hw();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	k->end_at = NOBODY;
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	return WEXITSTATUS(status) == 9;
}

/* A line that is ended at a point, and @again at each fifth point of the way back; -1: it is not. */
static bool ended_at(int at, unsigned int n_vfs, bool again, struct kernel *after)
{
	struct hw *hw = begin(3);
	struct kernel before;
	bool ended;

	assert_int_equal(set_vf(hw, 0, F(VLAN) | F(MAX_TX_RATE)), 0);
	assert_int_equal(set_vf(hw, 2, F(MAC)), 0);
	hw_close(hw);
	before = *k;
	ended = child(at, n_vfs);
	if (at < 0)
		*after = *k;
	for (int back = 0; again && child(back, 0); back += 5)
		;
	hw = open_hw();
	assert_true((ended && same(k, &before)) || same(k, after));
	assert_int_equal(drifts(hw), 0); /* the wishes are those */
	hw_close(hw);
	return ended;
}

static void a_daemon_that_is_ended_anywhere_has_done_all_of_a_line_or_nothing(void **arg)
{
	static const struct {
		unsigned int n_vfs;
		bool again;
	} rows[] = { { 3, false }, { 6, true }, { 2, false } };

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		struct kernel after;
		int at = 0;

		assert_false(ended_at(-1, rows[i].n_vfs, false, &after));
		while (ended_at(at, rows[i].n_vfs, rows[i].again, &after))
			at++;
		assert_in_range(at, 20, 200);
	}
}

static int number(struct hw *hw, unsigned int n)
{
	const struct pf_config pf = { .numvfs = (uint16_t)n };

	return set(hw, &pf, P(NUMVFS), NULL, 0, false, NULL);
}

/* Writes the state file as one of another boot. */
static void boot(void)
{
	auto_free char *text = NULL;
	char *at;

	assert_int_equal(file_read(state, 1 << 20, &text, NULL, NULL), 0);
	at = strstr(text, "\"boot\":\"");
	assert_non_null(at);
	memset(at + 8, '0', 8);
	assert_int_equal(__real_file_replace(state, text, strlen(text), 0600, NULL), 0);
	number_set(0);
	k->mtu = 1500;
	k->up = false;
	k->mac.b[5] = 1;
	k->ifindex++;
	memset(k->svcs, 0, sizeof(k->svcs));
}

/* Groups and who is in them: one comes, one changes, one goes. */
static int regroup(struct hw *hw, const char *groups, const char *const *of, unsigned int n,
		   struct err *e)
{
	struct vf_change vfs[VFS] = { 0 };
	struct pf_config pf = { .mtu = 0 };

	snprintf(pf.groups, sizeof(pf.groups), "%s", groups ?: "");
	for (unsigned int i = 0; i < n; i++) {
		vfs[i] = (struct vf_change){ .vf = i, .changed = F(GROUP) };
		strcpy(vfs[i].want.group, of[i]);
	}
	return set(hw, &pf, groups ? P(GROUPS) : 0, vfs, n, false, e);
}

static void groups_of_vfs_are_as_they_were_or_as_asked_for_wherever_the_daemon_is_ended(void **arg)
{
	static const char *const one[] = { "a", "a", "b" }, *two[] = { "c", "", "b" };
	struct kernel before, after = { .here = false };
	int status = 9;

	for (int at = NOBODY; status == 9; at++) {
		struct hw *hw = begin(4);
		pid_t pid;

		assert_int_equal(regroup(hw, "b:max=20,a", one, 3, NULL), 0);
		hw_close(hw);
		before = *k;
		pid = fork();
		if (!pid) {
			hw = open_hw();
			k->end_at = at;
			_exit(regroup(hw, "b:max=30:min=10,c:min=5", two, 3, NULL) ? 1 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		status = WEXITSTATUS(status);
		k->end_at = NOBODY;
		if (at == NOBODY) {
			after = *k;
			assert_int_equal(status, 0);
			status = 9;
		}
		hw = open_hw();
		assert_true((status == 9 && same(k, &before)) || same(k, &after));
		assert_int_equal(drifts(hw), 0);
		hw_close(hw);
	}
	assert_int_equal(status, 0);
}

static void a_group_that_cannot_be_is_refused_by_name_and_drift_tells_of_the_others(void **arg)
{
	static const char *const in_a[] = { "a" }, *in_x[] = { "x" };
	struct hw *hw = begin(2);
	struct vf_group foreign = { "z", 7, 0 };
	struct pf_drift_info d;
	struct pf_info info;
	struct err e = { 0 };

	assert_int_equal(regroup(hw, "a:max=10", in_a, 1, NULL), 0);
	assert_int_equal(regroup(hw, NULL, in_x, 1, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "eth1 has no group x, where vf 0 is to be"));
	e = (struct err){ 0 };
	assert_int_equal(regroup(hw, "b", NULL, 0, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "eth1 has no group a, where vf 0 is to be"));
	e = (struct err){ 0 };
	assert_int_equal(number(hw, 1), -EBUSY);
	assert_int_equal(drifts(hw), 0);
	vf_groups_add(&k->groups, &foreign, NULL);
	strcpy(k->vfs[0].group, "z");
	tick(hw, 1);
	assert_int_equal(drifts(hw), 2);
	assert_int_equal(hw_pf_drift(hw, "eth1", 0, &d, NULL), 0);
	assert_string_equal(d.asked, "a:max=10");
	assert_string_equal(d.is, "a:max=10,z:max=7");
	assert_int_equal(hw_pf_get(hw, "eth1", &info, NULL), 0);
	assert_string_equal(info.config.groups, d.is);
	assert_int_equal(set(hw, &(struct pf_config){ .drift = PF_DRIFT_REPAIR }, P(DRIFT), NULL, 0,
			     false, NULL),
			 0);
	tick(hw, 10);
	assert_int_equal(drifts(hw), 0);
	assert_int_equal(k->groups.n, 1);
	assert_string_equal(k->vfs[0].group, "a");
	/* a boot, after which the switch is in legacy mode at first */
	hw_close(hw);
	boot();
	k->groups.n = 0;
	number_set(2);
	driver.fields &= ~F(GROUP);
	hw = open_hw();
	tick(hw, 3);
	assert_int_equal(k->groups.n, 0);
	driver.fields |= F(GROUP);
	assert_int_equal(hw_place(hw, hw->pfs[0], NULL), 0);
	tick(hw, 10);
	assert_string_equal(k->vfs[0].group, "a");
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

static void groups_are_made_behind_other_words_after_a_boot(void **arg)
{
	const struct pf_config pf = { .mtu = 9000, .groups = "a" };
	struct hw *hw = begin(2);

	assert_int_equal(set(hw, &pf, P(MTU) | P(GROUPS), NULL, 0, false, NULL), 0);
	hw_close(hw);
	boot();
	k->groups.n = 0;
	hw = open_hw();
	assert_int_equal(k->mtu, 9000);
	assert_int_equal(k->groups.n, 1);
	hw_close(hw);
}

static void a_group_of_somebody_elses_that_is_gone_keeps_nobody_from_anything(void **arg)
{
	static const char *const in_z[] = { "z" };
	const struct vf_group foreign = { "z", 7, 0 };
	struct hw *hw = begin(2);
	struct err e = { 0 };

	vf_groups_add(&k->groups, &foreign, NULL);
	assert_int_equal(regroup(hw, NULL, in_z, 1, NULL), 0);
	k->groups.n = 0;
	*k->vfs[0].group = '\0';
	assert_int_equal(set(hw, &(struct pf_config){ .mtu = 9000 }, P(MTU), NULL, 0, false, NULL),
			 0);
	assert_int_equal(set_vf(hw, 1, F(VLAN)), 0);
	assert_int_equal(set_vf(hw, 0, F(VLAN)), 0);
	assert_int_equal(regroup(hw, NULL, in_z, 1, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "eth1 has no group z, where vf 0 is to be"));
	assert_int_equal(regroup(hw, "a", NULL, 0, NULL), -ENOENT);
	hw_close(hw);
}

/* The NIC's switch is in legacy mode, as after a boot. */
static void to_legacy(struct hw *hw)
{
	driver.fields &= ~F(GROUP);
	k->groups.n = 0;
	for (unsigned int i = 0; i < VFS; i++)
		*k->vfs[i].group = '\0';
	assert_int_equal(hw_place(hw, hw->pfs[0], NULL), 0);
}

static void groups_can_be_given_up_where_there_are_none(void **arg)
{
	static const char *const in_a[] = { "a" }, *none[] = { "" };
	struct hw *hw = begin(2);
	struct err e = { 0 };

	assert_int_equal(regroup(hw, "a", in_a, 1, NULL), 0);
	to_legacy(hw);
	tick(hw, 1);
	assert_int_equal(drifts(hw), 2);
	assert_int_equal(regroup(hw, NULL, in_a, 1, &e), -EOPNOTSUPP);
	assert_int_equal(regroup(hw, "", NULL, 0, NULL), -ENOENT); /* vf 0 is to be in it */
	assert_int_equal(regroup(hw, NULL, none, 1, NULL), 0);
	assert_int_equal(regroup(hw, "", NULL, 0, NULL), 0);
	assert_int_equal(drifts(hw), 0);
	assert_int_equal(number(hw, 4), 0);
	driver.fields |= F(GROUP);
	assert_int_equal(hw_place(hw, hw->pfs[0], NULL), 0);
	tick(hw, 3);
	assert_int_equal(k->groups.n, 0);
	assert_string_equal(k->vfs[0].group, "");
	hw_close(hw);
}

static void a_group_that_is_made_pays_for_no_other(void **arg)
{
	struct hw *hw = begin(2);

	assert_int_equal(regroup(hw, "a,b,c", NULL, 0, NULL), 0);
	hw_close(hw);
	boot();
	k->groups.n = 0;
	number_set(2);
	k->no_group = 'b';
	hw = open_hw();
	tick(hw, 3);
	assert_int_equal(k->groups.n, 2);
	k->no_group = 0;
	tick(hw, 20);
	assert_int_equal(k->groups.n, 3);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

static void groups_that_wait_for_the_mode_are_told_as_they_were_asked_for(void **arg)
{
	static const char *const in_a[] = { "a" };
	struct hw *hw = begin(2);
	struct pf_info info;
	struct vf_info vf;

	assert_int_equal(regroup(hw, "a:max=10", in_a, 1, NULL), 0);
	to_legacy(hw);
	k->untold = F(GROUP);
	assert_int_equal(hw_pf_get(hw, "eth1", &info, NULL), 0);
	assert_string_equal(info.config.groups, "a:max=10");
	assert_int_equal(hw_vf_get(hw, "eth1", 0, &vf, NULL), 0);
	assert_string_equal(vf.config.group, "a");
	hw_close(hw);
}

static void a_word_that_is_set_forgives_no_other_that_drifts(void **arg)
{
	struct hw *hw = begin(2);
	struct vf_change c = vf_words(1, F(MIN_TX_RATE));
	const struct vf_config *wish;
	struct vf_info info;

	k->round = 50;
	assert_int_equal(set_vf(hw, 1, F(VLAN) | F(MAX_TX_RATE)), 0);
	k->vfs[1].vlan = 20;
	assert_int_equal(set_vf(hw, 1, F(TRUST)), 0);
	assert_int_equal(k->vfs[1].vlan, 20);
	assert_int_equal(drifts(hw), 1);
	assert_int_equal(hw_vf_get(hw, "eth1", 1, &info, NULL), 0);
	assert_string_equal(info.status.overridden, "vlan");
	wish = &hw->pfs[0]->wish->vfs[1].config;
	assert_int_equal(wish->max_tx_mbit, 505); /* what the driver made of it is none */
	assert_int_equal(set(hw, &(struct pf_config){ .drift = PF_DRIFT_REPAIR }, P(DRIFT), NULL, 0,
			     false, NULL),
			 0);
	tick(hw, 1);
	assert_int_equal(k->vfs[1].vlan, 101);
	assert_int_equal(drifts(hw), 0);
	/* what does not go with what is set is as it is */
	k->vfs[1].max_tx_mbit = 900;
	c.want.min_tx_mbit = 800;
	assert_int_equal(set(hw, NULL, 0, &c, 1, false, NULL), 0);
	wish = &hw->pfs[0]->wish->vfs[1].config;
	assert_int_equal(wish->max_tx_mbit, 900);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

static void groups_go_before_another_number_of_vfs_and_come_behind_it(void **arg)
{
	struct hw *hw = begin(2);
	struct pf_config c = { .numvfs = 4, .groups = "a,b" };
	struct err e = { 0 };

	assert_int_equal(set(hw, &c, P(NUMVFS) | P(GROUPS), NULL, 0, false, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "numvfs and groups cannot be changed in one line"));
	c.numvfs = 2; /* as it is */
	assert_int_equal(set(hw, &c, P(NUMVFS) | P(GROUPS), NULL, 0, false, NULL), 0);
	assert_int_equal(k->groups.n, 2);
	e = (struct err){ 0 };
	assert_int_equal(number(hw, 4), -EBUSY);
	c.numvfs = 4;
	*c.groups = '\0';
	assert_int_equal(set(hw, &c, P(NUMVFS) | P(GROUPS), NULL, 0, false, NULL), 0);
	assert_int_equal(k->n_vfs, 4);
	assert_int_equal(k->groups.n, 0);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

static void words_that_a_driver_denies_without_vfs_are_made_with_them(void **arg)
{
	struct hw *hw = begin(0);
	struct vf_change c = vf_words(1, F(VLAN) | F(TRUST));

	assert_int_equal(number(hw, 2), 0);
	c.want.trust = true;
	assert_int_equal(set(hw, NULL, 0, &c, 1, false, NULL), 0);
	hw_close(hw);
	boot();
	k->denied = F(TRUST);
	hw = open_hw();
	tick(hw, 3);
	assert_int_equal(k->vfs[1].vlan, 101);
	assert_true(k->vfs[1].trust);
	hw_close(hw);
}

static void a_mode_that_comes_is_waited_for_no_longer(void **arg)
{
	static const char *const in_a[] = { "a" };
	struct hw *hw = begin(2);

	assert_int_equal(regroup(hw, "a", in_a, 1, NULL), 0);
	hw_close(hw);
	boot();
	k->groups.n = 0;
	number_set(2);
	k->mode = HW_ESWITCH_LEGACY;
	k->no_group = 'a';
	hw = open_hw();
	tick(hw, 100);
	assert_int_equal(k->groups.n, 0);
	k->no_group = 0;
	k->mode = HW_ESWITCH_SWITCHDEV;
	tick(hw, 1);
	assert_int_equal(k->groups.n, 1);
	assert_string_equal(k->vfs[0].group, "a");
	hw_close(hw);
}

/* The NIC's switch has modes, and is in legacy mode. */
static struct hw *begin_legacy(unsigned int n_vfs)
{
	struct hw *hw = begin(n_vfs);

	k->mode = HW_ESWITCH_LEGACY;
	assert_int_equal(hw_place(hw, hw->pfs[0], NULL), 0);
	return hw;
}

/* @n: VFs beside it in the line; 0: none are said */
static int set_mode(struct hw *hw, enum pf_eswitch mode, unsigned int n, struct err *e)
{
	const struct pf_config pf = { .eswitch = (uint8_t)mode, .numvfs = (uint16_t)n };

	return set(hw, &pf, P(ESWITCH) | (n ? P(NUMVFS) : 0), NULL, 0, false, e);
}

static void a_mode_is_set_where_nothing_hangs_on_the_other_one(void **arg)
{
	const struct vf_attach plug = { .kind = VF_ATTACH_NETDEV, .name = "net1" };
	struct vf_change c = vf_words(0, F(MAC));
	struct hw *hw = begin_legacy(2);
	struct pf_info info;
	struct err e = { 0 };

	assert_int_equal(set(hw, &(struct pf_config){ .eswitch = PF_ESWITCH_SWITCHDEV }, P(ESWITCH),
			     &c, 1, false, &e),
			 -EINVAL);
	assert_non_null(strstr(e.msg, "cannot be changed in one line"));
	strcpy(k->netdevs[1], "eth2");
	assert_int_equal(hw_vf_attach(hw, "eth1", 1, &plug, NULL), 0);
	assert_int_equal(set_mode(hw, PF_ESWITCH_SWITCHDEV, 0, &e), -EBUSY);
	assert_int_equal(hw_vf_detach(hw, "eth1", 1, NULL), 0);
	assert_int_equal(set_mode(hw, PF_ESWITCH_SWITCHDEV, 0, NULL), 0);
	assert_int_equal(k->mode, HW_ESWITCH_SWITCHDEV);
	assert_int_equal(hw_pf_get(hw, "eth1", &info, NULL), 0);
	assert_int_equal(info.config.eswitch, PF_ESWITCH_SWITCHDEV);
	assert_int_equal(regroup(hw, "a", NULL, 0, NULL), 0);
	e = (struct err){ 0 };
	assert_int_equal(set_mode(hw, PF_ESWITCH_LEGACY, 0, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "set groups none first"));
	assert_int_equal(regroup(hw, "", NULL, 0, NULL), 0);
	assert_int_equal(set_mode(hw, PF_ESWITCH_LEGACY, 0, NULL), 0);
	assert_int_equal(k->mode, HW_ESWITCH_LEGACY);
	hw_close(hw);
}

static void a_mode_goes_by_what_the_driver_has(void **arg)
{
	struct hw *hw = begin(2);
	struct err e = { 0 };

	assert_int_equal(set_mode(hw, PF_ESWITCH_LEGACY, 0, NULL), 0); /* so it is */
	assert_int_equal(set_mode(hw, PF_ESWITCH_SWITCHDEV, 0, &e), -EOPNOTSUPP);
	assert_string_equal(e.msg,
			    "eswitch: the driver of eth1, table, has no modes of its switch");
	hw_close(hw);
	hw = begin_legacy(2);
	driver.mode_first = true;
	e = (struct err){ 0 };
	assert_int_equal(set_mode(hw, PF_ESWITCH_SWITCHDEV, 0, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "set numvfs 0 first"));
	assert_int_equal(number(hw, 0), 0);
	assert_int_equal(set_mode(hw, PF_ESWITCH_SWITCHDEV, 2, NULL), 0);
	assert_int_equal(k->n_vfs, 2);
	assert_int_equal(k->mode, HW_ESWITCH_SWITCHDEV);
	hw_close(hw);
}

static void a_mode_and_what_goes_by_it_are_there_after_a_boot_and_another_number_of_vfs(void **arg)
{
	static const char *const in_a[] = { "a" };
	struct hw *hw;
	struct pf_drift_info d;

	for (unsigned int first = 0; first < 2; first++) {
		hw = begin_legacy(0);
		driver.mode_first = first;
		k->falls = !first;
		assert_int_equal(set_mode(hw, PF_ESWITCH_SWITCHDEV, 2, NULL), 0);
		assert_int_equal(number(hw, 3), 0);
		assert_int_equal(k->mode, HW_ESWITCH_SWITCHDEV);
		assert_int_equal(regroup(hw, "a", in_a, 1, NULL), 0);
		hw_close(hw);
		boot();
		mode_set(false, NULL);
		hw = open_hw();
		tick(hw, 2);
		assert_int_equal(k->n_vfs, 3);
		assert_int_equal(k->mode, HW_ESWITCH_SWITCHDEV);
		assert_string_equal(k->vfs[0].group, "a");
		assert_int_equal(drifts(hw), 0);
		hw_close(hw);
	}
	hw = begin_legacy(2);
	assert_int_equal(set_mode(hw, PF_ESWITCH_SWITCHDEV, 0, NULL), 0);
	mode_set(false, NULL);
	tick(hw, 1);
	assert_int_equal(hw_pf_drift(hw, "eth1", 0, &d, NULL), 0);
	assert_int_equal(d.field, PF_FIELD_ESWITCH);
	assert_string_equal(d.asked, "switchdev");
	assert_int_equal(set(hw, &(struct pf_config){ .drift = PF_DRIFT_REPAIR }, P(DRIFT), NULL, 0,
			     false, NULL),
			 0);
	tick(hw, 2);
	assert_int_equal(k->mode, HW_ESWITCH_SWITCHDEV);
	hw_close(hw);
}

/* The mode and another number of VFs, ended at a point. Returns whether it was. */
static bool mode_ended_at(int at, enum pf_eswitch mode)
{
	struct hw *hw = begin_legacy(2);
	struct kernel before, after;
	int status;
	pid_t pid;

	assert_int_equal(set_mode(hw, !mode, 0, NULL), 0);
	assert_int_equal(set_vf(hw, 1, F(MAC)), 0);
	hw_close(hw);
	before = after = *k;
	after.mode = mode ? HW_ESWITCH_SWITCHDEV : HW_ESWITCH_LEGACY;
	after.n_vfs = 3;
	after.vfs[2] = fresh();
	pid = fork();
	if (!pid) {
		hw = open_hw();
		k->end_at = at;
		_exit(set_mode(hw, mode, 3, NULL) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	status = WEXITSTATUS(status);
	k->end_at = NOBODY;
	hw = open_hw();
	assert_true((status == 9 && same(k, &before)) || same(k, &after));
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
	assert_true(status == 9 || !status);
	return status;
}

static void a_mode_is_the_old_or_the_new_one_wherever_the_daemon_is_ended(void **arg)
{
	for (enum pf_eswitch mode = PF_ESWITCH_LEGACY; mode <= PF_ESWITCH_SWITCHDEV; mode++) {
		int at = 0;

		while (mode_ended_at(at, mode))
			at++;
		assert_in_range(at, 4, 60);
	}
}

static void a_state_file_that_cannot_be_written_leaves_nothing_changed(void **arg)
{
	for (int at = 0;; at++) {
		struct hw *hw = begin(3);
		struct kernel before;
		int rc;

		assert_int_equal(set_vf(hw, 0, F(VLAN)), 0);
		before = *k;
		k->full_at = at;
		rc = line(hw, 6);
		assert_int_equal(rc, k->full ? -ENOSPC : 0);
		assert_int_equal(same(k, &before), k->full);
		assert_int_equal(drifts(hw), 0);
		/* there is room again: the file says nothing of a change that is under way */
		k->full = false;
		k->full_at = NOBODY;
		tick(hw, 1);
		hw_close(hw);
		k->vfs[1].vlan = 77; /* somebody's, and to stay */
		hw = open_hw();
		assert_int_equal(k->vfs[1].vlan, 77);
		hw_close(hw);
		if (!rc)
			return;
	}
}

static void after_a_boot_all_is_as_it_was_asked_for_also_of_a_nic_that_comes_late(void **arg)
{
	for (int late = 0; late < 3; late++) {
		struct hw *hw = begin(0);
		struct kernel before;

		assert_int_equal(line(hw, 5), 0);
		hw_close(hw);
		before = *k;
		boot();
		k->here = !late;
		hw = open_hw();
		tick(hw, 3);
		if (late == 2) { /* and the daemon ends before it comes */
			hw_close(hw);
			hw = open_hw();
		}
		k->here = true;
		tick(hw, 3);
		assert_true(same(k, &before));
		assert_int_equal(drifts(hw), 0);
		/* in this boot it is drift from now on, which nobody asked to repair */
		k->vfs[1].vlan = 9;
		k->mtu = 1400;
		tick(hw, 3);
		assert_int_equal(k->vfs[1].vlan, 9);
		assert_int_equal(drifts(hw), 2);
		hw_close(hw);
		hw = open_hw();
		tick(hw, 3);
		assert_int_equal(k->vfs[1].vlan, 9);
		hw_close(hw);
	}
}

/* As a file says it (ctl/host.h): nothing is done to the NIC, and it counts from then on. */
static void what_a_nic_has_already_comes_to_be_asked_for_and_ceases_to(void **arg)
{
	struct hw *hw = begin(4);
	const struct pf_batch_ops *batch = &hw_batch_ops;
	struct vf_change vf = { .vf = 2, .noted = F(VLAN) | F(QOS) | F(TRUST) | F(ISOLATED) };
	struct pf_change c = { .noted = P(MTU), .want = { .mtu = 1500 }, .n_vfs = 1, .vfs = &vf };
	unsigned int sets;

	k->vfs[2].vlan = 77;
	k->vfs[2].trust = true;
	k->vfs[3].vlan = 78;
	vf_config_default(&vf.want);
	vf.want.vlan = 77;
	vf.want.trust = true;
	assert_int_equal(batch->unasked(hw, "eth1", 2), F(VLAN) | F(TRUST));
	assert_int_equal(batch->unasked(hw, "eth1", -1), HW_PF_OWN);
	sets = k->sets;
	assert_int_equal(hw_pf_set(hw, "eth1", &c, NULL), 0);
	assert_int_equal(k->sets, sets);
	assert_int_equal(batch->unasked(hw, "eth1", 2), 0);
	assert_int_equal(batch->unasked(hw, "eth1", 3), F(VLAN));
	assert_int_equal(batch->unasked(hw, "eth1", -1), HW_PF_OWN & ~P(MTU));
	tick(hw, 1);
	assert_int_equal(drifts(hw), 0);
	k->vfs[2].vlan = 79; /* asked for otherwise: a file that has it so is to be heard */
	k->vfs[3].vlan = 79;
	k->mtu = 9000;
	tick(hw, 1);
	assert_int_equal(drifts(hw), 2);
	assert_int_equal(batch->unasked(hw, "eth1", 2), F(VLAN));
	assert_int_equal(batch->unasked(hw, "eth1", -1), HW_PF_OWN);
	hw_close(hw);
	boot();
	number_set(4);
	hw = open_hw();
	tick(hw, 1);
	assert_int_equal(k->vfs[2].vlan, 77);
	assert_true(k->vfs[2].trust);
	assert_int_equal(k->vfs[3].vlan, 0);
	vf.noted = c.noted = 0;
	vf.forgotten = F(VLAN) | F(QOS);
	c.forgotten = P(MTU);
	sets = k->sets;
	assert_int_equal(hw_pf_set(hw, "eth1", &c, NULL), 0);
	assert_int_equal(k->sets, sets);
	k->vfs[2].vlan = 80;
	k->mtu = 9000;
	tick(hw, 1);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

static void a_nic_that_is_made_anew_gets_what_was_asked_for(void **arg)
{
	struct hw *hw = begin(0);
	struct kernel before;

	assert_int_equal(line(hw, 5), 0);
	before = *k;
	k->here = false;
	tick(hw, 2);
	k->ifindex++;
	number_set(0);
	k->mtu = 1500;
	k->here = true;
	tick(hw, 3);
	assert_true(same(k, &before));
	/* moved away and back it is the same one: what others changed meanwhile stays */
	k->here = false;
	tick(hw, 2);
	k->vfs[1].vlan = 9;
	k->here = true;
	tick(hw, 3);
	assert_int_equal(k->vfs[1].vlan, 9);
	hw_close(hw);
}

/* Unplugged and made anew; moved to another namespace and back; so, while the daemon ends. */
static void a_nic_that_goes_in_a_line_is_as_before_or_as_asked_for_when_it_is_back(void **arg)
{
	enum { ANEW, MOVED, MOVED_AND_ENDED, WAYS };

	for (unsigned int n = 3; n <= 6; n += 3)
		for (int way = 0; way < WAYS; way++) {
			int rc, at = 0;

			do {
				struct hw *hw = begin(3);
				struct kernel before, after;

				assert_int_equal(set_vf(hw, 0, F(VLAN) | F(MAX_TX_RATE)), 0);
				assert_int_equal(number(hw, 3), 0);
				k->vfs[1].vlan =
					77; /* somebody's: one that is made anew has none */
				before = *k;
				k->gone_at = at++;
				rc = line(hw, n);
				k->gone_at = NOBODY;
				assert_true(!rc || rc == -ENODEV);
				after = *k;
				if (way == ANEW)
					before.vfs[1].vlan = 0;
				if (way == MOVED_AND_ENDED) {
					hw_close(hw);
					hw = open_hw();
				}
				tick(hw, 2);
				if (way == ANEW && !k->here) {
					k->ifindex++;
					number_set(0);
					k->mtu = before.mtu;
					k->mac = before.mac;
					k->up = before.up;
				}
				k->here = true;
				tick(hw, 3);
				assert_true(same(k, rc ? &before : &after));
				assert_int_equal(drifts(hw), 0);
				hw_close(hw);
			} while (rc);
			assert_in_range(at, 15, 100);
		}
}

static void a_word_that_is_refused_after_a_boot_keeps_none_of_the_others(void **arg)
{
	struct hw *hw = begin(4);

	assert_int_equal(
		set(hw, &(struct pf_config){ .numvfs = 4 }, P(NUMVFS), NULL, 0, false, NULL), 0);
	assert_int_equal(set_vf(hw, 1, F(VLAN) | F(MAX_TX_RATE) | F(MAC) | F(TRUST)), 0);
	hw_close(hw);
	boot();
	k->refused = F(MAX_TX_RATE); /* there is no carrier yet */
	hw = open_hw();
	assert_int_equal(k->vfs[1].vlan, 101);
	assert_int_equal(k->vfs[1].mac.b[5], 1);
	assert_int_equal(k->vfs[1].max_tx_mbit, 0);
	k->refused = 0;
	tick(hw, 20);
	assert_int_equal(k->vfs[1].max_tx_mbit, 505);
	hw_close(hw);
}

static void a_repair_that_does_not_help_is_tried_seldomer(void **arg)
{
	for (int way = 0; way < 3; way++) {
		struct hw *hw = begin(2);
		const struct pf_config repair = { .drift = PF_DRIFT_REPAIR, .mtu = 9000 };

		assert_int_equal(set(hw, &repair, P(DRIFT) | P(MTU), NULL, 0, false, NULL), 0);
		assert_int_equal(set_vf(hw, 1, F(VLAN)), 0);
		k->vfs[1].vlan = 5;
		k->refused = way == 0 ? F(VLAN) : 0;
		k->ignored = way == 1;
		k->sets = 0;
		for (int s = 0; s < 300; s++) {
			tick(hw, 1);
			if (way == 2) { /* another program that repairs */
				assert_true(s || k->vfs[1].vlan == 101);
				k->vfs[1].vlan = 5;
			}
		}
		assert_in_range(k->sets, 15, 30);
		/* another word is repaired at once all the same */
		k->mtu = 1400;
		tick(hw, 1);
		assert_int_equal(k->mtu, 9000);
		k->refused = 0;
		k->ignored = false;
		tick(hw, 20);
		assert_int_equal(k->vfs[1].vlan, 101);
		tick(hw, 60);
		k->vfs[1].vlan = 5;
		tick(hw, 3);
		k->vfs[1].vlan = 5;
		k->vfs[1].qos = 3; /* which nobody asked for: it stays */
		tick(hw, 3);
		assert_int_equal(k->vfs[1].vlan, 101);
		assert_int_equal(k->vfs[1].qos, 3);
		hw_close(hw);
	}
}

static void a_driver_that_rounds_or_tells_nothing_is_no_drift(void **arg)
{
	struct hw *hw = begin(2);
	struct vf_info info;

	k->round = 50;
	k->untold = F(SPOOFCHK) | F(TRUST) | F(QUERY_RSS);
	assert_int_equal(set_vf(hw, 1, F(MAX_TX_RATE) | F(SPOOFCHK) | F(TRUST)), 0);
	assert_int_equal(k->vfs[1].max_tx_mbit, 500);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
	hw = open_hw();
	assert_int_equal(drifts(hw), 0);
	assert_int_equal(hw_vf_get(hw, "eth1", 1, &info, NULL), 0);
	assert_int_equal(info.config.max_tx_mbit, 500);
	assert_true(info.config.spoofchk);
	k->vfs[1].max_tx_mbit = 450;
	assert_int_equal(drifts(hw), 1);
	hw_close(hw);
}

static void words_that_a_driver_does_not_tell_are_kept_over_a_number_of_vfs(void **arg)
{
	struct hw *hw = begin(3);
	struct vf_change c = vf_words(0, F(SPOOFCHK) | F(TRUST));

	driver.spoofchk = false; /* else than a software PF's */
	k->vfs[1].spoofchk = k->vfs[2].spoofchk = false;
	k->untold = HW_WORDS & ~F(MAC);
	c.want.spoofchk = true;
	c.want.trust = true;
	assert_int_equal(set(hw, NULL, 0, &c, 1, false, NULL), 0);
	assert_int_equal(
		set(hw, &(struct pf_config){ .numvfs = 5 }, P(NUMVFS), NULL, 0, false, NULL), 0);
	assert_true(k->vfs[0].trust);
	assert_true(k->vfs[0].spoofchk);
	assert_false(k->vfs[1].spoofchk); /* as fresh ones have it */
	hw_close(hw);
}

static void a_release_asks_for_nothing_that_is_so(void **arg)
{
	struct hw *hw = begin(2);

	assert_int_equal(set_vf(hw, 1, F(VLAN) | F(MAC)), 0);
	k->refused = F(MAX_TX_RATE); /* as igb's without carrier: whatever it is asked for */
	assert_int_equal(hw_vf_release(hw, "eth1", 1, NULL), 0);
	assert_int_equal(hw_words_differ(&k->vfs[1], &k->vfs[0]), 0);
	hw_close(hw);
}

/* The words of every port of the API (WANT_VF_FIELDS). */
#define AGENT                                                                                      \
	(F(MAC) | F(VLAN) | F(SPOOFCHK) | F(STATE) | F(TRUST) | F(TRUNK) | F(MTU) | F(ALLOWED) |   \
	 F(PORT_ID) | F(SERVER))

static void an_agent_sets_what_it_sets_on_a_software_pf(void **arg)
{
	struct hw *hw = begin(2);
	struct vf_change c = vf_words(1, AGENT);
	struct vf_info info;
	struct err e = { 0 };

	driver.fields = F(MAC) | F(VLAN) | F(QOS) | F(SPOOFCHK); /* no state, no trust */
	hw_close(hw);
	hw = open_hw();
	c.want.mtu = 1500;
	strcpy(c.want.port_id, "0f5c9e1e-6d0e-4d5e-9d0e-0123456789ab");
	assert_int_equal(set(hw, NULL, 0, &c, 1, true, &e), 0);
	assert_int_equal(k->vfs[1].vlan, 101);
	assert_int_equal(hw_vf_get(hw, "eth1", 1, &info, NULL), 0);
	assert_string_equal(info.config.port_id, c.want.port_id);
	assert_string_equal(info.status.overridden, "");
	/* what is more than a device can is refused by name, for the agent, too */
	c.want.trust = true;
	assert_int_equal(set(hw, NULL, 0, &c, 1, true, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "trust"));
	c.want.trust = false;
	c.want.mtu = 9000; /* above the PF's */
	assert_int_equal(set(hw, NULL, 0, &c, 1, true, NULL), -EINVAL);
	c.want.mtu = 0;
	c.changed = F(TRUST); /* by hand, as ip: the driver has no such operation */
	assert_int_equal(set(hw, NULL, 0, &c, 1, false, NULL), -EOPNOTSUPP);
	/* a hand's change of what the agent wrote is told until the agent writes it again */
	assert_int_equal(set_vf(hw, 1, F(MAX_TX_RATE)), -EOPNOTSUPP);
	c = vf_words(1, F(VLAN));
	c.want.vlan = 9;
	assert_int_equal(set(hw, NULL, 0, &c, 1, false, NULL), 0);
	assert_int_equal(hw_vf_get(hw, "eth1", 1, &info, NULL), 0);
	assert_string_equal(info.status.overridden, "vlan");
	assert_int_equal(set(hw, NULL, 0, &c, 1, true, NULL), 0);
	assert_int_equal(hw_vf_get(hw, "eth1", 1, &info, NULL), 0);
	assert_string_equal(info.status.overridden, "");
	hw_close(hw);
}

static void vfs_that_are_leased_go_by_nobodys_word(void **arg)
{
	struct hw *hw = begin(4);
	struct vf_change c = vf_words(2, F(PORT_ID) | F(VLAN));

	strcpy(c.want.port_id, "p");
	assert_int_equal(set(hw, NULL, 0, &c, 1, true, NULL), 0);
	assert_int_equal(number(hw, 4), 0); /* there are: none goes */
	assert_int_equal(number(hw, 6), -EBUSY);
	assert_int_equal(number(hw, 0), -EBUSY);
	assert_int_equal(hw_pf_del(hw, "eth1", false, NULL), -EBUSY);
	/* somebody else took them: they come back with their words */
	number_set(0);
	assert_int_equal(number(hw, 2), -EBUSY);
	assert_int_equal(number(hw, 4), 0);
	assert_int_equal(k->vfs[2].vlan, 102);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

static void vfs_that_went_are_others_when_they_come_back(void **arg)
{
	struct hw *hw = begin(4);
	const struct pf_config repair = { .drift = PF_DRIFT_REPAIR };

	assert_int_equal(set_vf(hw, 1, F(VLAN)), 0);
	assert_int_equal(set_vf(hw, 3, F(VLAN)), 0);
	assert_int_equal(number(hw, 2), 0);
	assert_int_equal(number(hw, 5), 0);
	assert_int_equal(k->vfs[1].vlan, 101);
	assert_int_equal(k->vfs[3].vlan, 0);
	assert_int_equal(drifts(hw), 0);
	/* another number is never repaired: they may be in use */
	assert_int_equal(set(hw, &repair, P(DRIFT), NULL, 0, false, NULL), 0);
	number_set(3);
	tick(hw, 20);
	assert_int_equal(k->n_vfs, 3);
	assert_int_equal(k->vfs[1].vlan, 101);
	number_set(0);
	tick(hw, 20);
	assert_int_equal(k->n_vfs, 5);
	hw_close(hw);
}

/* The second of the two writes that a number of VFs is. */
static void a_number_that_cannot_be_made_leaves_all_as_it_was(void **arg)
{
	struct hw *hw = begin(3);
	struct kernel before;

	assert_int_equal(set_vf(hw, 1, F(VLAN) | F(MAC)), 0);
	before = *k;
	k->no_number = 6;
	assert_int_equal(line(hw, 6), -ENOMEM);
	assert_true(same(k, &before));
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
	/* nothing is under way in the file */
	k->vfs[1].vlan = 77;
	hw = open_hw();
	assert_int_equal(k->vfs[1].vlan, 77);
	hw_close(hw);
}

static void a_pf_whose_making_is_ended_is_none(void **arg)
{
	for (int at = 0; at < 12; at++) {
		const struct pf_config want = { .name = "eth1", .numvfs = 5, .mtu = 9000 };
		char names[1][PF_NAME_LEN + 1];
		struct hw *hw = begin(3);
		int status;
		pid_t pid;

		assert_int_equal(hw_pf_del(hw, "eth1", false, NULL), 0);
		hw_close(hw);
		pid = fork();
		if (!pid) {
			hw = open_hw();
			k->end_at = at;
			_exit(hw_pf_add(hw, &want, P(NAME) | P(NUMVFS) | P(MTU), NULL) ? 1 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		k->end_at = NOBODY;
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
		hw = open_hw();
		if (hw_pf_list(hw, names, 1)) { /* all of it, if the last word was written */
			assert_int_equal(k->n_vfs, 5);
			assert_int_equal(k->mtu, 9000);
		} else {
			assert_int_equal(WEXITSTATUS(status), 9);
			assert_int_equal(k->n_vfs, 3);
			assert_int_equal(k->mtu, 1500);
		}
		hw_close(hw);
	}
}

static void a_pf_that_cannot_be_reset_is_served_as_before(void **arg)
{
	struct hw *hw = begin(3);
	char names[1][PF_NAME_LEN + 1];
	struct kernel before;

	assert_int_equal(set_vf(hw, 1, F(VLAN)), 0);
	before = *k;
	k->full_at = 1; /* when its VFs are gone */
	assert_int_equal(hw_pf_del(hw, "eth1", true, NULL), -ENOSPC);
	assert_true(same(k, &before));
	k->full = false;
	tick(hw, 1);
	k->refused = F(VLAN);
	assert_int_equal(hw_pf_del(hw, "eth1", true, NULL), -EINVAL);
	k->refused = 0;
	assert_true(same(k, &before));
	hw_close(hw);
	hw = open_hw();
	assert_int_equal(hw_pf_list(hw, names, 1), 1);
	assert_int_equal(drifts(hw), 0);
	assert_int_equal(hw_pf_del(hw, "eth1", true, NULL), 0);
	assert_int_equal(k->n_vfs, 0);
	hw_close(hw);
	hw = open_hw();
	assert_int_equal(hw_pf_list(hw, names, 1), 0);
	hw_close(hw);
}

static int mirror(struct hw *hw, const char *name, unsigned int from, unsigned int to)
{
	struct mirror_config want = { .from_pf = "eth1",
				      .from_vf = (uint16_t)from,
				      .dir = MIRROR_IN,
				      .to_pf = "eth1",
				      .to_vf = (uint16_t)to };

	strcpy(want.name, name);
	return hw_mirror_add(hw, &want, NULL);
}

static unsigned int mirrors(struct hw *hw)
{
	struct mirror_info m;
	unsigned int n = 0;

	while (!hw_mirror_get(hw, n, &m))
		n++;
	return n;
}

/* A NIC with four VFs, of which three have addresses; 2's was asked for. */
static struct hw *begin_mirrors(void)
{
	struct hw *hw = begin(4);

	for (unsigned int vf = 1; vf < 4; vf++)
		k->vfs[vf].mac = (struct mac){ { 2, 0, 0, 0, 7, (uint8_t)vf } };
	assert_int_equal(set_vf(hw, 2, F(MAC)), 0);
	return hw;
}

static void a_mirror_is_as_it_was_in_another_life_and_gives_back_what_it_took(void **arg)
{
	struct hw *hw = begin_mirrors();
	struct kernel before = *k;
	unsigned int sets;

	assert_int_equal(mirror(hw, "a", 3, 1), 0);
	assert_int_equal(mirror(hw, "c", 2, 1), -EBUSY); /* it has an address already */
	assert_int_equal(mirror(hw, "b", 3, 2), 0);
	assert_int_equal(mirror(hw, "a", 3, 0), -EEXIST);
	assert_int_equal(mirror(hw, "c", 1, 0), -EBUSY);  /* it has another's address */
	assert_int_equal(mirror(hw, "c", 0, 3), -EINVAL); /* it has none */
	assert_true(mac_equal(&k->vfs[1].mac, &k->vfs[3].mac));
	hw_close(hw);
	hw = open_hw();
	assert_int_equal(mirrors(hw), 2);
	assert_int_equal(drifts(hw), 0);
	assert_int_equal(hw_mirror_del(hw, "a", NULL), 0);
	assert_int_equal(hw_mirror_del(hw, "b", NULL), 0);
	assert_int_equal(hw_mirror_del(hw, "b", NULL), -ENOENT);
	sets = k->sets;
	assert_int_equal(hw_mirror_del(hw, "", NULL), -ENOENT); /* a free slot is none */
	assert_int_equal(k->sets, sets);
	assert_true(same(k, &before));
	assert_int_equal(drifts(hw), 0);
	k->vfs[2].mac.b[5]++; /* that it was asked for is known again */
	assert_int_equal(drifts(hw), 1);
	k->vfs[1].mac.b[5]++; /* of this one nobody asked */
	assert_int_equal(drifts(hw), 1);
	hw_close(hw);
}

/* A mirror made or ended, ended at a point itself; -1: it is not. Returns whether it was. */
static bool mirror_ended_at(int at, bool del)
{
	struct hw *hw = begin_mirrors();
	struct kernel before, after;
	bool ended;
	int status;
	pid_t pid;

	assert_true(!del || !mirror(hw, "a", 3, 2));
	hw_close(hw);
	before = *k;
	pid = fork();
	if (!pid) {
		hw = open_hw();
		k->end_at = at;
		_exit(del ? hw_mirror_del(hw, "a", NULL) : mirror(hw, "a", 3, 2));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	k->end_at = NOBODY;
	assert_true(WIFEXITED(status) && (!WEXITSTATUS(status) || WEXITSTATUS(status) == 9));
	ended = WEXITSTATUS(status) == 9;
	after = before;
	after.vfs[2].mac = del ? (struct mac){ { 2, 0, 0, 0, 1, 2 } } : before.vfs[3].mac;
	hw = open_hw();
	assert_true(mirrors(hw) == (del ? 0 : 1) ? same(k, &after) : same(k, &before) && ended);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
	return ended;
}

static void a_daemon_that_is_ended_anywhere_has_made_or_ended_a_mirror_or_not(void **arg)
{
	for (unsigned int del = 0; del < 2; del++) {
		int at = 0;

		while (mirror_ended_at(at, del))
			at++;
		assert_in_range(at, 4, 30);
	}
}

static void mirrors_of_vfs_that_go_go_and_those_of_others_hold(void **arg)
{
	const struct pf_config three = { .numvfs = 3, .force = true }, soft = { .numvfs = 3 };
	struct hw *hw = begin_mirrors();
	const struct mac own = k->vfs[0].mac;
	struct err e = { 0 };

	assert_int_equal(mirror(hw, "goes", 3, 0), 0);
	assert_int_equal(mirror(hw, "stays", 1, 2), 0);
	assert_int_equal(set(hw, &soft, P(NUMVFS), NULL, 0, false, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "is in mirror"));
	assert_int_equal(hw_pf_del(hw, "eth1", false, NULL), -EBUSY);
	assert_int_equal(set(hw, &three, P(NUMVFS) | P(FORCE), NULL, 0, false, NULL), 0);
	assert_int_equal(k->n_vfs, 3);
	assert_int_equal(mirrors(hw), 1);
	assert_true(mac_equal(&k->vfs[0].mac, &own));
	assert_true(mac_equal(&k->vfs[1].mac, &k->vfs[2].mac));
	assert_int_equal(drifts(hw), 0);
	assert_int_equal(set_vf(hw, 1, F(MAC)), -EBUSY); /* it is what the mirror is by */
	assert_int_equal(hw_vf_release(hw, "eth1", 1, NULL), 0);
	assert_int_equal(mirrors(hw), 0);
	assert_int_equal(k->vfs[2].mac.b[4], 1); /* as it was asked for */
	hw_close(hw);
}

static void a_mirror_follows_the_address_that_its_vf_takes(void **arg)
{
	const struct pf_config repair = { .drift = PF_DRIFT_REPAIR };
	struct hw *hw = begin_mirrors();

	assert_int_equal(mirror(hw, "a", 3, 1), 0);
	k->vfs[3].mac.b[5] = 77; /* its guest's */
	tick(hw, 3);
	assert_int_equal(drifts(hw), 1);
	assert_int_equal(k->vfs[1].mac.b[5], 3);
	assert_int_equal(set(hw, &repair, P(DRIFT), NULL, 0, false, NULL), 0);
	tick(hw, 3);
	assert_int_equal(drifts(hw), 0);
	assert_int_equal(k->vfs[1].mac.b[5], 77);
	hw_close(hw);
	hw = open_hw();
	assert_int_equal(drifts(hw), 0);
	assert_int_equal(hw_mirror_del(hw, "a", NULL), 0);
	assert_int_equal(k->vfs[1].mac.b[5], 1);
	hw_close(hw);
}

static void what_was_seen_of_a_mirror_goes_with_it(void **arg)
{
	struct hw *hw = begin_mirrors();

	assert_int_equal(mirror(hw, "a", 3, 1), 0);
	k->vfs[3].mac.b[5] = 77; /* its guest's */
	tick(hw, 3);
	hw->pfs[0]->mirror_due[0].owed = 1;
	assert_true(hw->pfs[0]->mirror_since[0]);
	assert_int_equal(hw_vf_release(hw, "eth1", 3, NULL), 0);
	assert_false(hw->pfs[0]->mirror_since[0] || hw->pfs[0]->mirror_due[0].owed);
	hw_close(hw);
}

static void what_the_agent_asks_for_of_a_mirrors_end_is_kept_for_afterwards(void **arg)
{
	struct hw *hw = begin_mirrors();
	struct vf_change c = vf_words(1, F(MAC) | F(SPOOFCHK) | F(PORT_ID));

	strcpy(c.want.port_id, "p");
	c.want.spoofchk = false;
	assert_int_equal(mirror(hw, "a", 3, 1), 0);
	assert_int_equal(set(hw, NULL, 0, &c, 1, true, NULL), 0);
	assert_true(mac_equal(&k->vfs[1].mac, &k->vfs[3].mac) && !k->vfs[1].spoofchk);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
	hw = open_hw();
	assert_int_equal(hw_mirror_del(hw, "a", NULL), 0);
	assert_true(mac_equal(&k->vfs[1].mac, &c.want.mac));
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

static void an_undo_of_a_nic_that_is_gone_ends_nothing(void **arg)
{
	struct hw *hw = begin(3);
	struct pf_config want = { .name = "eth1" };
	struct pf_drift_info drift;
	struct pf_info info;

	hw_close(hw);
	assert_true(child(8, 6));
	k->here = false;
	hw = open_hw();
	tick(hw, 2);
	/* who asks is told so, and not that there is no drift */
	assert_int_equal(hw_pf_get(hw, "eth1", &info, NULL), -ENODEV);
	assert_int_equal(hw_pf_drift(hw, "eth1", 0, &drift, NULL), -ENODEV);
	k->here = true;
	tick(hw, 2);
	assert_int_equal(hw_pf_add(hw, &want, P(NAME), NULL), -EEXIST);
	hw_close(hw);
}

static int svc_add(struct hw *hw, const char *name, uint16_t vlan, struct err *e)
{
	struct svc_config svc = { .pf = "eth1", .vlan = vlan };

	snprintf(svc.name, sizeof(svc.name), "%s", name);
	return hw_svc_add(hw, &svc, e);
}

/* Service ports that are served, each of which the kernel has and nothing more. */
static unsigned int svcs(struct hw *hw)
{
	struct svc_config svc;
	unsigned int n = 0, there = 0;

	for (; !hw_svc_get(hw, n, &svc); n++) {
		const struct hw_value v = { .mac = svc.mac };
		const struct hw_value *at = svc_of(&v);

		assert_non_null(at);
		assert_string_equal(at->name, svc.name);
		assert_string_equal(svc.pf, "eth1");
		assert_int_equal(at->vlan, svc.vlan);
	}
	for (unsigned int i = 0; i < SVCS; i++)
		there += k->svcs[i].number;
	assert_int_equal(there, n);
	return n;
}

/* 0: one is added, 1: the first is removed, 2: the PF is. In a process that ends at a point. */
static bool svc_ended_at(int at, int what)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct hw *hw = open_hw();
		int rc;

		k->end_at = at;
		rc = what == 0	 ? svc_add(hw, "three", 3, NULL)
		     : what == 1 ? hw_svc_del(hw, "eth1", "one", NULL)
				 : hw_pf_del(hw, "eth1", false, NULL);
		_exit(rc ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	k->end_at = NOBODY;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
	return WEXITSTATUS(status) == 9;
}

static void a_service_port_is_there_or_not_wherever_the_daemon_is_ended(void **arg)
{
	static const unsigned int after[] = { 3, 1, 0 };

	for (int what = 0; what < 3; what++)
		for (int at = 0, ended = 1; ended; at++) {
			struct hw *hw = begin(2);
			unsigned int n;

			assert_int_equal(svc_add(hw, "one", 0, NULL), 0);
			assert_int_equal(svc_add(hw, "two", 2, NULL), 0);
			hw_close(hw);
			ended = svc_ended_at(at, what);
			hw = open_hw();
			n = svcs(hw);
			assert_true(n == after[what] || (ended && n == 2));
			hw_close(hw);
			assert_true(at < 20);
		}
}

static void what_many_verbs_left_is_made_as_it_was_before_them(void **arg)
{
	struct hw *hw = begin_mirrors();
	json_t *back;

	assert_int_equal(mirror(hw, "a", 3, 1), 0);
	assert_int_equal(svc_add(hw, "one", 0, NULL), 0);
	back = hw_batch_ops.own(hw);
	assert_int_equal(hw_mirror_del(hw, "a", NULL), 0);
	assert_int_equal(hw_svc_del(hw, "eth1", "one", NULL), 0);
	assert_int_equal(svc_add(hw, "two", 2, NULL), 0);
	assert_int_equal(set_vf(hw, 2, F(SPOOFCHK)), 0);
	hw_batch_ops.end(hw, back); /* of its verbs none was taken back */
	json_decref(back);
	tick(hw, 3);
	assert_int_equal(mirrors(hw), 1);
	assert_true(mac_equal(&k->vfs[1].mac, &k->vfs[3].mac));
	assert_int_equal(svcs(hw), 1);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

/* A mirror by tc, as in switchdev mode; of the kernel there is nothing of it yet. */
static void mirror_tc(struct hw *hw, unsigned int slot, const char *name, uint16_t from)
{
	struct hw_mirror *m = &hw->pfs[0]->wish->mirrors[slot];

	*m = (struct hw_mirror){
		.from_vf = from, .to_vf = 3, .dir = MIRROR_IN, .by = HW_MIRROR_TC
	};
	snprintf(m->name, sizeof(m->name), "%s", name);
}

static void mirrors_that_many_verbs_made_go_and_those_of_before_are_made_again(void **arg)
{
	struct hw *hw = begin_mirrors();
	struct mac own = k->vfs[1].mac;
	json_t *back;

	mirror_tc(hw, 0, "was", 0);
	back = hw_batch_ops.own(hw);
	assert_int_equal(mirror(hw, "now", 3, 1), 0);
	mirror_tc(hw, 0, "other", 2);
	k->clsact[2] = k->copies[2] = hw->pfs[0]->wish->mirrors[0].made_clsact = true;
	hw->pfs[0]->mirror_since[0] = 7;
	hw_batch_ops.end(hw, back); /* of its verbs none was taken back */
	json_decref(back);
	assert_int_equal(hw->pfs[0]->mirror_since[0], 0);
	assert_true(mac_equal(&k->vfs[1].mac, &own));
	assert_false(k->clsact[2] || k->copies[2]);
	tick(hw, 3);
	assert_int_equal(mirrors(hw), 1);
	assert_true(k->clsact[0] && k->copies[0]);
	assert_int_equal(drifts(hw), 0);
	hw_close(hw);
}

static void a_mirror_that_is_made_again_is_known_to_have_made_its_place_wherever_that_ends(
	void **arg)
{
	int status = 9;

	for (int at = 0; status == 9; at++) {
		struct hw *hw = begin(4);
		pid_t pid;

		mirror_tc(hw, 0, "m", 1);
		assert_int_equal(hw_state_save(hw, NULL), 0);
		hw_close(hw);
		pid = fork();
		if (!pid) {
			hw = open_hw();
			hw->pfs[0]->mirror_due[0].owed = 1;
			k->end_at = at;
			hw_enforce(hw, hw->pfs[0]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		status = WEXITSTATUS(status);
		k->end_at = NOBODY;
		hw = open_hw();
		assert_true(!k->clsact[1] || hw->pfs[0]->wish->mirrors[0].made_clsact);
		assert_int_equal(hw_mirror_del(hw, "m", NULL), 0);
		assert_false(k->clsact[1] || k->copies[1]);
		hw_close(hw);
		assert_in_range(at, 0, 30);
	}
	assert_int_equal(status, 0);
}

/* A boot gave its netdev another name, and it is plugged in again, ended at a point. */
static void a_vf_that_is_plugged_in_again_knows_its_name_here_wherever_that_ends(void **arg)
{
	const struct vf_attach want = { .kind = VF_ATTACH_NETDEV, .name = "net1" };
	int status = 9;

	for (int at = 0; status == 9; at++) {
		struct hw *hw = begin(2);
		pid_t pid;

		strcpy(k->netdevs[1], "eth2");
		assert_int_equal(hw_vf_attach(hw, "eth1", 1, &want, NULL), 0);
		assert_string_equal(k->netdevs[1], "net1");
		hw_close(hw);
		strcpy(k->netdevs[1], "eth5");
		pid = fork();
		if (!pid) {
			hw = open_hw();
			hw->pfs[0]->plug_due[1].owed = 1;
			k->end_at = at;
			hw_enforce(hw, hw->pfs[0]);
			_exit(strcmp(k->netdevs[1], "net1") != 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		status = WEXITSTATUS(status);
		k->end_at = NOBODY;
		hw = open_hw();
		hw->pfs[0]->plug_due[1].owed = 1;
		hw_enforce(hw, hw->pfs[0]);
		assert_string_equal(k->netdevs[1], "net1");
		assert_int_equal(hw_vf_detach(hw, "eth1", 1, NULL), 0);
		assert_string_equal(k->netdevs[1], "eth5");
		hw_close(hw);
		assert_in_range(at, 0, 30);
	}
	assert_int_equal(status, 0);
}

static void a_service_port_that_goes_is_made_again(void **arg)
{
	struct hw *hw = begin(2);
	struct pf_drift_info d;

	assert_int_equal(svc_add(hw, "one", 0, NULL), 0);
	assert_int_equal(svc_add(hw, "two", 2, NULL), 0);
	tick(hw, 3);
	assert_int_equal(hw_pf_drift(hw, "eth1", 0, &d, NULL), -ENOENT);
	memset(k->svcs, 0, sizeof(k->svcs));
	assert_int_equal(hw_pf_drift(hw, "eth1", 1, &d, NULL), -ENOENT); /* it was not looked at */
	assert_int_equal(hw_pf_drift(hw, "eth1", 0, &d, NULL), 0);
	assert_true(d.of_svc && !d.of_vf);
	assert_string_equal(d.asked, "one");
	assert_int_equal(hw_pf_drift(hw, "eth1", 1, &d, NULL), 0);
	assert_string_equal(d.asked, "two vlan 2");
	tick(hw, 1);
	assert_int_equal(svcs(hw), 2);
	assert_int_equal(hw_pf_drift(hw, "eth1", 0, &d, NULL), -ENOENT);
	memset(k->svcs, 0, sizeof(k->svcs)); /* found by turns */
	tick(hw, 3);
	assert_int_equal(svcs(hw), 2);
	hw_close(hw);
	boot();
	hw = open_hw();
	assert_int_equal(svcs(hw), 2);
	k->ifindex++; /* the NIC is made anew */
	memset(k->svcs, 0, sizeof(k->svcs));
	tick(hw, 2);
	assert_int_equal(svcs(hw), 2);
	hw_close(hw);
}

static void a_service_port_that_cannot_be_is_refused_by_name(void **arg)
{
	static const struct {
		struct svc_config svc;
		int rc;
		const char *said;
	} rows[] = {
		{ { .pf = "eth2", .name = "x" }, -ENODEV, "there is no PF eth2" },
		{ { .pf = "eth1" }, -EINVAL, "a service port needs a name" },
		{ { .pf = "eth1", .name = "a/b" }, -EINVAL, "is no name for a netdev" },
		{ { .pf = "eth1", .name = "x", .vlan = 4095 }, -EINVAL, "out of range" },
		{ { .pf = "eth1", .name = "x", .mtu = 1501 }, -EINVAL, "above the PF's 1500" },
		{ { .pf = "eth1", .name = "x", .mac.b = { 1 } }, -EINVAL, "out of range" },
		{ { .pf = "eth1", .name = "x", .mac.b = { 2, 0, 0, 0, 0, 1 } },
		  -EADDRINUSE,
		  "that MAC is the PF's own" },
		{ { .pf = "eth1", .name = "x", .mac.b = { 2, 0, 0, 0, 0, 9 } },
		  -EADDRINUSE,
		  "service port one has that MAC" },
		{ { .pf = "eth1", .name = "one" }, -EEXIST, "has a service port of that name" },
		{ { .pf = "eth1", .name = "x", .vlan = 2 }, -EEXIST, "in VLAN 2, two" },
		{ { .pf = "eth1", .name = "x", .netns = "../x" }, -EINVAL, "is no name of a" },
		{ { .pf = "eth1", .name = "x", .netns = "no such" }, -ENOENT, "no namespace no" },
		{ { .pf = "eth1", .name = "taken" }, -EEXIST, "a netdev of that name already" },
	};
	struct svc_config one = { .pf = "eth1", .name = "one", .mac.b = { 2, 0, 0, 0, 0, 9 } };
	struct hw *hw = begin(2);
	struct err e = { 0 };

	assert_int_equal(hw_svc_add(hw, &one, NULL), 0);
	assert_int_equal(svc_add(hw, "two", 2, NULL), 0);
	k->svcs[SVCS - 1] = (struct hw_value){ .number = 1, .name = "taken" };
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		e = (struct err){ 0 };
		assert_int_equal(hw_svc_add(hw, &rows[i].svc, &e), rows[i].rc);
		if (!strstr(e.msg, rows[i].said))
			fail_msg("\"%s\" is not in: %s", rows[i].said, e.msg);
	}
	k->svcs[SVCS - 1].number = 0;
	assert_int_equal(svcs(hw), 2);
	assert_int_equal(hw_svc_del(hw, "eth1", "x", NULL), -ENOENT);
	assert_int_equal(hw_svc_del(hw, "eth2", "one", NULL), -ENODEV);
	assert_int_equal(hw_pf_del(hw, "eth1", false, NULL), 0);
	assert_int_equal(svcs(hw), 0);
	hw_close(hw);
}

#define BAD_MIRROR(config, how)                                                                    \
	"{\"version\": 1, \"pfs\": [{\"nic\": \"x\", \"name\": \"e\", \"config\": {}, \"vfs\": "   \
	"[], "                                                                                     \
	"\"mirrors\": [{\"config\": " config ", \"how\": " how "}]}]}"

static void a_state_file_that_is_none_is_refused_and_stays(void **arg)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"version\": 2, \"pfs\": []}",
		"{\"version\": 1}",
		"{\"version\": 1, \"pfs\": {}}",
		"{\"version\": 1, \"pfs\": [1]}",
		"{\"version\": 1, \"pfs\": [{\"nic\": \"../x\", \"name\": \"e\", \"config\": {}, "
		"\"vfs\": []}]}",
		"{\"version\": 1, \"pfs\": [{\"nic\": \"x\", \"name\": \"0123456789abcdef\", "
		"\"config\": {}, \"vfs\": []}]}",
		"{\"version\": 1, \"pfs\": [{\"nic\": \"x\", \"name\": \"e\", \"config\": "
		"{\"mtu\": 99999999999}, \"vfs\": []}]}",
		"{\"version\": 1, \"pfs\": [{\"nic\": \"x\", \"name\": \"e\", \"config\": {}, "
		"\"vfs\": [{\"vf\": 256, \"config\": {}, \"by_agent\": [], \"overridden\": []}]}]}",
		"{\"version\": 1, \"pfs\": [{\"nic\": \"x\", \"name\": \"e\", \"config\": {}, "
		"\"vfs\": {}}]}",
		"{\"version\": 1, \"pfs\": [{\"nic\": \"x\", \"name\": \"e\", \"config\": {}, "
		"\"vfs\": []}, {\"nic\": \"x\", \"name\": \"f\", \"config\": {}, \"vfs\": []}]}",
		BAD_MIRROR("{\"name\": \"m\", \"from\": \"vf\", \"from_pf\": \"e\", \"from_vf\": "
			   "1, \"dir\": \"in\", \"to\": \"vf\", \"to_pf\": \"e\", \"to_vf\": 2}",
			   "{}"),
		BAD_MIRROR("{\"name\": \"m\", \"from\": \"vf\", \"from_pf\": \"e\", \"from_vf\": "
			   "1, \"dir\": \"in\", \"to\": \"vf\", \"to_pf\": \"e\", \"to_vf\": 1}",
			   "{\"by\": \"mac\"}"),
		BAD_MIRROR("{}", "{\"by\": \"mac\"}"),
		BAD_MIRROR("{\"name\": \"m\", \"from\": \"pf\", \"from_pf\": \"e\", \"from_vf\": "
			   "1, \"dir\": \"in\", \"to\": \"vf\", \"to_pf\": \"e\", \"to_vf\": 2}",
			   "{\"by\": \"tc\"}"),
		"{\"version\": 1, \"pfs\": [], \"undo\": {}}",
		"{\"version\": 1, \"pfs\": [], \"undo\": [{\"nic\": \"x\"}]}",
		"{\"version\": 1, \"pfs\": [], \"undo\": [{\"nic\": \"x\", \"steps\": [{}]}]}",
		"{\"version\": 1, \"pfs\": [], \"undo\": [{\"nic\": \"x\", \"steps\": []}, "
		"{\"nic\": \"y\", \"steps\": []}]}",
		"{\"version\": 1, \"pfs\": [], \"undo\": [{\"nic\": \"x\", \"steps\": [{\"op\": "
		"\"vf\", \"vf\": 70000}]}]}",
		"{\"version\": 1, \"pfs\": [], \"undo\": [{\"nic\": \"x\", \"steps\": [{\"op\": "
		"\"vf\", \"vf\": 1, \"words\": {\"mac\": 1}}]}]}",
		"{\"version\": 1, \"pfs\": [], \"undo\": [{\"nic\": "
		"\"0123456789012345678901234567890123456789\", \"steps\": []}]}",
		"{\"version\": 1, \"pfs\": [], \"undo\": [{\"nic\": \"x\", \"ifindex\": -1, "
		"\"steps\": []}]}",
	};
	const struct hw_opts opts = { .loop = loop, .sysfs = "/sys", .state = state };

	hw_close(begin(1));
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		auto_free char *text = NULL;
		struct hw *hw = NULL;
		struct err e = { 0 };

		assert_int_equal(__real_file_replace(state, bad[i], strlen(bad[i]), 0600, NULL), 0);
		if (hw_open(&opts, &hw, &e) != -EINVAL && hw_open(&opts, &hw, &e) != -ERANGE)
			fail_msg("taken: %s", bad[i]);
		assert_ptr_equal(strstr(e.msg, state), e.msg);
		assert_int_equal(file_read(state, 1 << 20, &text, NULL, NULL), 0);
		assert_string_equal(text, bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_daemon_that_is_ended_anywhere_has_done_all_of_a_line_or_nothing),
		cmocka_unit_test(
			groups_of_vfs_are_as_they_were_or_as_asked_for_wherever_the_daemon_is_ended),
		cmocka_unit_test(
			a_group_that_cannot_be_is_refused_by_name_and_drift_tells_of_the_others),
		cmocka_unit_test(groups_are_made_behind_other_words_after_a_boot),
		cmocka_unit_test(a_group_of_somebody_elses_that_is_gone_keeps_nobody_from_anything),
		cmocka_unit_test(groups_can_be_given_up_where_there_are_none),
		cmocka_unit_test(a_group_that_is_made_pays_for_no_other),
		cmocka_unit_test(groups_that_wait_for_the_mode_are_told_as_they_were_asked_for),
		cmocka_unit_test(a_word_that_is_set_forgives_no_other_that_drifts),
		cmocka_unit_test(groups_go_before_another_number_of_vfs_and_come_behind_it),
		cmocka_unit_test(words_that_a_driver_denies_without_vfs_are_made_with_them),
		cmocka_unit_test(a_mode_that_comes_is_waited_for_no_longer),
		cmocka_unit_test(a_mode_is_set_where_nothing_hangs_on_the_other_one),
		cmocka_unit_test(a_mode_goes_by_what_the_driver_has),
		cmocka_unit_test(
			a_mode_and_what_goes_by_it_are_there_after_a_boot_and_another_number_of_vfs),
		cmocka_unit_test(a_mode_is_the_old_or_the_new_one_wherever_the_daemon_is_ended),
		cmocka_unit_test(a_state_file_that_cannot_be_written_leaves_nothing_changed),
		cmocka_unit_test(
			after_a_boot_all_is_as_it_was_asked_for_also_of_a_nic_that_comes_late),
		cmocka_unit_test(what_a_nic_has_already_comes_to_be_asked_for_and_ceases_to),
		cmocka_unit_test(a_nic_that_is_made_anew_gets_what_was_asked_for),
		cmocka_unit_test(
			a_nic_that_goes_in_a_line_is_as_before_or_as_asked_for_when_it_is_back),
		cmocka_unit_test(a_word_that_is_refused_after_a_boot_keeps_none_of_the_others),
		cmocka_unit_test(a_repair_that_does_not_help_is_tried_seldomer),
		cmocka_unit_test(a_driver_that_rounds_or_tells_nothing_is_no_drift),
		cmocka_unit_test(words_that_a_driver_does_not_tell_are_kept_over_a_number_of_vfs),
		cmocka_unit_test(a_release_asks_for_nothing_that_is_so),
		cmocka_unit_test(an_agent_sets_what_it_sets_on_a_software_pf),
		cmocka_unit_test(vfs_that_are_leased_go_by_nobodys_word),
		cmocka_unit_test(vfs_that_went_are_others_when_they_come_back),
		cmocka_unit_test(a_number_that_cannot_be_made_leaves_all_as_it_was),
		cmocka_unit_test(a_pf_whose_making_is_ended_is_none),
		cmocka_unit_test(a_pf_that_cannot_be_reset_is_served_as_before),
		cmocka_unit_test(a_mirror_is_as_it_was_in_another_life_and_gives_back_what_it_took),
		cmocka_unit_test(a_daemon_that_is_ended_anywhere_has_made_or_ended_a_mirror_or_not),
		cmocka_unit_test(mirrors_of_vfs_that_go_go_and_those_of_others_hold),
		cmocka_unit_test(a_mirror_follows_the_address_that_its_vf_takes),
		cmocka_unit_test(what_was_seen_of_a_mirror_goes_with_it),
		cmocka_unit_test(what_the_agent_asks_for_of_a_mirrors_end_is_kept_for_afterwards),
		cmocka_unit_test(an_undo_of_a_nic_that_is_gone_ends_nothing),
		cmocka_unit_test(a_service_port_is_there_or_not_wherever_the_daemon_is_ended),
		cmocka_unit_test(what_many_verbs_left_is_made_as_it_was_before_them),
		cmocka_unit_test(
			mirrors_that_many_verbs_made_go_and_those_of_before_are_made_again),
		cmocka_unit_test(
			a_mirror_that_is_made_again_is_known_to_have_made_its_place_wherever_that_ends),
		cmocka_unit_test(
			a_vf_that_is_plugged_in_again_knows_its_name_here_wherever_that_ends),
		cmocka_unit_test(a_service_port_that_goes_is_made_again),
		cmocka_unit_test(a_service_port_that_cannot_be_is_refused_by_name),
		cmocka_unit_test(a_state_file_that_is_none_is_refused_and_stays),
	};
	int rc;

	k = mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	loop = loop_new(NULL);
	if (k == MAP_FAILED || !loop || !mkdtemp(dir))
		return 1;
	snprintf(state, sizeof(state), "%s/hwd.json", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(state);
	rmdir(dir);
	loop_free(loop);
	return rc;
}
