/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sw control over a fake data plane: the dp_, tap_, uplink_ and parent_ calls it makes are defined
 * here. What is published is asked with veb_forward(): who would get this frame?
 */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "sw/control/model.h"
#include "sw/parent/rtnl.h"
#include "sw/port/tap.h"
#include "sw/port/uplink.h"
#include "veb/veb.h"

static struct {
	struct veb_snap *snap;
	unsigned int publishes;
	bool plugged[VEB_PORTS_MAX];
	uint32_t rate[VEB_PORTS_MAX], rate_min[VEB_PORTS_MAX];
	int link[VEB_PORTS_MAX];
	unsigned int links_set, resets[VEB_PORTS_MAX];
	unsigned int taps_open, taps_closed, uplinks;
	int open_fails; /* errno of the next openings; 0: they work */
	struct uplink_state wire;
	bool wire_gone, wire_deaf;
	uint32_t wire_lost, lost[VEB_PORTS_MAX];
	int news; /* of netdevs, for the next switch */
	struct dp_hint hints[8];
	unsigned int n_hints;
	struct veb_heard heard;
	int hint_fd;
	uint64_t failed; /* frames that sinks lost */
	uint16_t applied_mtu; /* to a tap that is open */
	struct port edge;
	bool held;
	unsigned int n_queues; /* of whatever is plugged in */
	char calls[64]; /* in their order: see called() */
} fake;

/* P: publish, d: port deleted, a: added, h: held, r and R: resumed, R dropping what waited, m: mended. */
static void called(char what)
{
	size_t n = strlen(fake.calls);

	if (n + 1 < sizeof(fake.calls))
		fake.calls[n] = what;
}

/* The fake data plane. */
void dp_publish(struct dp *dp, struct veb_snap *snap)
{
	veb_snap_free(fake.snap);
	fake.snap = snap;
	fake.publishes++;
	called('P');
}
void dp_control_turn(struct dp *dp)
{
}
void dp_hold(struct dp *dp, bool held)
{
	fake.held = held;
}
int dp_vhost_add(struct dp *dp, uint16_t port, const char *name, const char *path, bool client,
		 struct err *e)
{
	if (fake.open_fails)
		return err_set(e, fake.open_fails, "fake");
	fake.plugged[port] = true;
	called('a');
	return 0;
}
void dp_port_pause(struct dp *dp, uint16_t port)
{
	called('h');
}
void dp_port_resume(struct dp *dp, uint16_t port, bool stale)
{
	called(stale ? 'R' : 'r');
}
int dp_port_add(struct dp *dp, uint16_t id, const char *name, struct port *port, struct err *e)
{
	fake.plugged[id] = true;
	port->id = id;
	return 0;
}
void dp_port_del(struct dp *dp, uint16_t port)
{
	fake.plugged[port] = false;
	called('d');
}
void dp_port_status(const struct dp *dp, uint16_t port, struct dp_port_status *out)
{
	*out = (struct dp_port_status){ .connected = fake.plugged[port], .n_queues = fake.n_queues };
}
unsigned int dp_workers(const struct dp *dp)
{
	return 1;
}
void dp_work_get(const struct dp *dp, unsigned int worker, struct dp_work *out)
{
}
void dp_rate_set(struct dp *dp, uint16_t port, uint32_t max, uint32_t min)
{
	fake.rate[port] = max;
	fake.rate_min[port] = min;
}
void dp_drops_add(struct dp *dp, uint16_t port, enum drop why, uint32_t n)
{
	if (why == DROP_NO_BUFFER)
		fake.lost[port] += n;
}
void dp_stats_get(const struct dp *dp, uint16_t port, struct vf_stats *out)
{
	*out = (struct vf_stats){ .rx_packets = 1, .tx_packets = 2 };
}
void dp_drops_get(const struct dp *dp, uint16_t port, struct vf_drop out[DROP_N])
{
	for (unsigned int i = 0; i < DROP_N; i++)
		out[i] = (struct vf_drop){ .count = port };
}
void dp_stats_reset(struct dp *dp, uint16_t port)
{
	fake.resets[port]++;
}
void dp_mirror_stats_get(const struct dp *dp, uint16_t slot, struct dp_mirror_stats *out)
{
	*out = (struct dp_mirror_stats){ 3, 4 };
}
void dp_mirror_stats_reset(struct dp *dp, uint16_t slot)
{
}
int dp_hint_fd(const struct dp *dp)
{
	return fake.hint_fd;
}
unsigned int dp_hints_take(struct dp *dp, struct dp_hint *out, unsigned int max)
{
	unsigned int n = fake.n_hints;

	memcpy(out, fake.hints, n * sizeof(*out));
	fake.n_hints = 0;
	return n;
}

void dp_heard_take(struct dp *dp, struct veb_heard *out)
{
	*out = fake.heard;
	fake.heard = (struct veb_heard){ 0 };
}

/* The fake edges: a port is its struct and nothing behind it. */
static struct port ports[64];
static unsigned int n_ports;

int sinks_open(struct sinks **out, struct err *e)
{
	*out = (struct sinks *)&fake;
	return 0;
}
void sinks_close(struct sinks *s)
{
}
uint64_t sinks_failed(const struct sinks *s, uint16_t slot)
{
	return s ? fake.failed : 0;
}
int sink_remote_open(struct sinks *s, struct parent *p, const struct mirror_config *m,
		     struct port **out, struct err *e)
{
	*out = &fake.edge;
	return fake.open_fails ? err_set(e, fake.open_fails, "fake") : 0;
}
void sinks_stop(struct sinks *s)
{
}
bool sinks_ended(struct sinks *s)
{
	return true;
}
int sink_capture_open(struct sinks *s, const struct mirror_config *m, int fd, struct port **out,
		      struct err *e)
{
	return sink_remote_open(s, NULL, m, out, e);
}
int sink_file_open(struct sinks *s, struct parent *p, const struct mirror_config *m, struct port **out,
		   struct err *e)
{
	return sink_remote_open(s, NULL, m, out, e);
}
int tap_port_open(struct parent *p, const struct tap_want *want, struct port **out, struct err *e)
{
	if (fake.open_fails)
		return err_set(e, fake.open_fails, "fake");
	fake.taps_open++;
	*out = &ports[n_ports++ % ARRAY_LEN(ports)];
	return 0;
}
int tap_port_set_link(struct port *port, bool up)
{
	fake.link[port->id] = up;
	fake.links_set++;
	return 0;
}
bool tap_port_alive(const struct port *port)
{
	return true;
}
int parent_netns_born(struct parent *p, const char *pid, uint64_t *out, struct err *e)
{
	*out = strcmp(pid, "20583") ? 0 : 77;
	return strcmp(pid, "1") ? 0 : err_set(e, -ESRCH, "fake");
}
void uplink_rename(struct port *port, const char *name)
{
}
uint32_t uplink_lost(struct port *port, bool *deaf)
{
	*deaf = fake.wire_deaf;
	return fake.wire_lost;
}
void uplink_mend(struct port *port)
{
	fake.wire_deaf = false;
	called('m');
}
int parent_links_follow(struct parent *p, int *fd, struct err *e)
{
	*fd = fake.news;
	fake.news = -1;
	return *fd < 0 ? rtnl_open(fd, e) : 0;
}
bool tap_port_where(const struct port *port, struct tap_place *out, struct netdev_state *state)
{
	*state = (struct netdev_state){ 0 };
	*out = (struct tap_place){ .name = "now" };
	return true;
}
int parent_state_read(struct parent *p, const char *path, size_t max, char **out, size_t *size,
		      struct err *e)
{
	return file_read(path, max, out, size, e);
}
int parent_state_save(struct parent *p, const char *path, const char *text, size_t size, struct err *e)
{
	return file_replace(path, text, size, 0600, e);
}
int parent_state_append(struct parent *p, const char *path, size_t size, const char *text,
			size_t more, struct err *e)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s", path) : file_append(fd, path, size, text, more, e);
}
int parent_decide(struct parent *p, const char *path, const char *id, enum decision want,
		  enum decision *is, struct err *e)
{
	char dir[PATH_MAX];

	decision_dir(path, dir);
	return decision_take(dir, id, want, is, e);
}
/* Sanitizers' pipe() is that of vhost_libc.c, which brings this along. */
int parent_socket(struct parent *p, enum parent_socket what, const char *path, int *fd,
		  struct err *e)
{
	return err_set(e, -EPERM, "fake");
}
int parent_tap_open(struct parent *p, const struct tap_want *want, int *fd, struct err *e)
{
	fake.applied_mtu = want->mtu;
	return -EPERM;
}
int parent_tap_close(struct parent *p, const char *name, const char *netns, struct err *e)
{
	fake.taps_closed++;
	return 0;
}
int uplink_dev_open(struct parent *p, const char *netdev, bool force, unsigned int n,
		    struct port **out, struct err *e)
{
	if (fake.open_fails)
		return err_set(e, fake.open_fails, "fake");
	fake.uplinks++;
	*out = &ports[n_ports++ % ARRAY_LEN(ports)];
	return 0;
}
int uplink_dpdk_open(const char *devargs, struct port **out, struct err *e)
{
	return err_set(e, -EINVAL, "fake");
}
int uplink_state(const struct port *port, struct uplink_state *out)
{
	*out = fake.wire;
	return fake.wire_gone ? -ENODEV : 0;
}

/* One switch with a private directory. */
struct world {
	char dir[64], state[80];
	struct loop *loop;
	struct sw *sw;
	struct err e;
	struct vf_stats stats[VEB_PORTS_MAX];
	struct veb_out *out;
};

static int world_start(struct world *w)
{
	const struct sw_opts opts = { .loop = w->loop, .run_dir = w->dir, .state = w->state };

	w->e = (struct err){ 0 };
	return sw_open(&opts, &w->sw, &w->e);
}

/* As after kill -9: what was in memory is gone. */
static void world_restart(struct world *w)
{
	sw_close(w->sw);
	w->sw = NULL;
	memset(fake.plugged, 0, sizeof(fake.plugged));
	memset(fake.rate, 0, sizeof(fake.rate));
	memset(fake.rate_min, 0, sizeof(fake.rate_min));
	assert_int_equal(world_start(w), 0);
}

static int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	memset(&fake, 0, sizeof(fake));
	fake.hint_fd = eventfd(0, EFD_CLOEXEC);
	fake.news = -1;
	fake.wire = (struct uplink_state){ .carrier = true, .mtu = 1500 };
	snprintf(w->dir, sizeof(w->dir), "/tmp/anyvf-test-sw-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->state, sizeof(w->state), "%s/state", w->dir);
	w->loop = loop_new(NULL);
	w->out = veb_out_new(w->stats);
	assert_int_equal(world_start(w), 0);
	*state = w;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *w = *state;

	sw_close(w->sw);
	loop_free(w->loop);
	veb_out_free(w->out);
	veb_snap_free(fake.snap);
	close(fake.hint_fd);
	unlink(w->state);
	rmdir(w->dir);
	free(w);
	return 0;
}

static struct pf_config pf_config(const char *name, uint16_t numvfs)
{
	struct pf_config c;

	pf_config_default(&c);
	snprintf(c.name, sizeof(c.name), "%s", name);
	c.numvfs = numvfs;
	return c;
}

static void pf_add(struct world *w, const char *name, uint16_t numvfs)
{
	const struct pf_config c = pf_config(name, numvfs);

	assert_int_equal(sw_ops.pf_add(w->sw, &c, 0, &w->e), 0);
}

/* Words as of a command line: "spoofchk off mac ..." for one VF of p2p1. */
static int vf_words(struct world *w, unsigned int vf, bool by_agent, const char *words)
{
	struct vf_change c = { .vf = vf };
	struct pf_change change = { .n_vfs = 1, .vfs = &c, .by_agent = by_agent };
	char text[256], *word, *rest = text;

	snprintf(text, sizeof(text), "%s", words);
	while ((word = strsep(&rest, " "))) {
		const struct field *f = field_find(vf_fields, word);

		assert_non_null(f);
		assert_int_equal(field_parse(f, &c.want, strsep(&rest, " "), NULL), 0);
		c.changed |= 1U << (f - vf_fields);
	}
	w->e = (struct err){ 0 };
	return sw_ops.pf_set(w->sw, "p2p1", &change, &w->e);
}

static int pf_words(struct world *w, const char *words)
{
	struct pf_change change = { 0 };
	char text[256], *word, *rest = text;

	snprintf(text, sizeof(text), "%s", words);
	while ((word = strsep(&rest, " "))) {
		const struct field *f = field_find(pf_fields, word);

		assert_int_equal(field_parse(f, &change.want, strsep(&rest, " "), NULL), 0);
		change.changed |= 1U << (f - pf_fields);
	}
	w->e = (struct err){ 0 };
	return sw_ops.pf_set(w->sw, "p2p1", &change, &w->e);
}

static struct vf_info vf_get(struct world *w, unsigned int vf)
{
	struct vf_info info;

	assert_int_equal(sw_ops.vf_get(w->sw, "p2p1", vf, &info, NULL), 0);
	return info;
}

static bool has_mac(struct world *w, unsigned int vf)
{
	const struct vf_info info = vf_get(w, vf);

	return !mac_is_zero(&info.config.mac);
}

static struct mac mac(const char *text)
{
	struct mac m;

	assert_int_equal(mac_parse(text, &m, NULL), 0);
	return m;
}

/* Who of p2p1 gets a frame of a VF: numbers of VFs, U for the wire, in order of numbers. */
static const char *who(struct world *w, unsigned int from, const char *src, const char *dst)
{
	static char text[64];
	const struct sw_pf *pf = sw_pf_find(w->sw, "p2p1", NULL);
	const struct frame f = { .dst = mac(dst), .src = mac(src), .len = 60 };
	unsigned int n = 0;

	veb_out_reset(w->out);
	veb_forward(fake.snap, pf->vf_ports[from].id, &f, 1, w->out);
	for (unsigned int i = 0; i < pf->config.numvfs; i++)
		if (w->out->bins[pf->vf_ports[i].id].n)
			text[n++] = (char)('0' + i);
	if (pf->uplink.id != VEB_NO_PORT && w->out->bins[pf->uplink.id].n)
		text[n++] = 'U';
	text[n] = '\0';
	return text;
}

static int guest_says(struct world *w, unsigned int vf, const char *main_mac)
{
	const struct vf_filter f = { .main_mac = mac(main_mac) };

	return sw_ops.vf_filter(w->sw, "p2p1", vf, &f, &w->e);
}

#define M0  "02:00:00:00:00:40"
#define M2  "fa:16:3e:a1:43:57"
#define M59 "fa:16:3e:aa:33:59"
#define M58 "fa:16:3e:aa:33:58"
#define OWN "fa:16:3e:aa:33:60"

static void founding_recipe_holds_step_by_step(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	assert_int_equal(vf_words(w, 0, true, "mac " M0), 0);
	assert_int_equal(vf_words(w, 2, true, "mac " M2 " spoofchk on"), 0);
	assert_int_equal(vf_words(w, 3, true, "mac " M59), 0);
	guest_says(w, 2, M2);
	guest_says(w, 3, M59);
	assert_string_equal(who(w, 0, M0, M59), "3");
	/* in the VM: another VM's address; nobody gets it by himself */
	guest_says(w, 2, M59);
	assert_string_equal(who(w, 0, M0, M59), "3");
	assert_int_equal(vf_get(w, 2).status.n_refused, 1);
	/* on the host */
	assert_int_equal(pf_words(w, "up off"), 0);
	assert_int_equal(vf_words(w, 2, false, "mac " M59), 0);
	assert_int_equal(vf_words(w, 2, false, "spoofchk off"), 0);
	assert_int_equal(pf_words(w, "up on"), 0);
	assert_string_equal(who(w, 0, M0, M59), "23");
	/* the last step */
	assert_int_equal(vf_words(w, 2, false, "mac " M58), 0);
	assert_string_equal(who(w, 0, M0, M59), "23");
	assert_string_equal(who(w, 0, M0, M58), "2");
	assert_string_equal(who(w, 2, M59, M0), "0");
	assert_string_equal(vf_get(w, 2).status.overridden, "mac,spoofchk");
	assert_int_equal(vf_get(w, 3).status.n_accepted, 1);
	/* it outlives a restart of the switch, whose guests have not spoken yet */
	world_restart(w);
	assert_string_equal(who(w, 0, M0, M59), "23");
	guest_says(w, 2, M59);
	assert_string_equal(who(w, 0, M0, M59), "23");
	/* the agent writes anew; release ends it */
	assert_int_equal(vf_words(w, 2, true, "mac " M2), 0);
	assert_string_equal(vf_get(w, 2).status.overridden, "spoofchk");
	assert_int_equal(sw_ops.vf_release(w->sw, "p2p1", 2, NULL), 0);
	assert_string_equal(who(w, 0, M0, M59), "3");
}

/* Commands are quicker than a guest's word by QEMU and the agent. */
static void the_recipe_holds_though_its_guest_is_heard_last(void **state)
{
	static const struct {
		bool by_agent, late; /* who sets the address, and whether that is long ago */
		const char *heard;
	} rows[] = { { false, false, "23" }, { true, false, "3" }, { false, true, "3" } };
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	assert_int_equal(vf_words(w, 0, true, "mac " M0), 0);
	assert_int_equal(vf_words(w, 3, true, "mac " M59), 0);
	guest_says(w, 3, M59);
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(vf_words(w, 2, true, "mac " M2), 0);
		guest_says(w, 2, M2);
		assert_int_equal(vf_words(w, 2, rows[i].by_agent, "mac " M59 " spoofchk off"), 0);
		assert_int_equal(vf_words(w, 2, rows[i].by_agent, "mac " M58), 0);
		if (rows[i].late)
			w->sw->pfs[0]->vfs[2].former_until_ms = loop_now_ms();
		guest_says(w, 2, M59);
		assert_string_equal(who(w, 0, M0, M59), rows[i].heard);
		assert_int_equal(sw_ops.vf_release(w->sw, "p2p1", 2, NULL), 0);
	}
	guest_says(w, 2, M59); /* the next guest was given nothing */
	assert_string_equal(who(w, 0, M0, M59), "3");
}

static void seen(struct world *w, unsigned int vf, const char *src)
{
	const struct sw_pf *pf = sw_pf_find(w->sw, "p2p1", NULL);
	unsigned int before = fake.publishes;

	w->out->learn_gen = 0; /* a look before this one was not told */
	who(w, vf, src, "ff:ff:ff:ff:ff:ff");
	for (unsigned int i = 0; i < w->out->n_learns; i++)
		fake.hints[fake.n_hints++] =
			(struct dp_hint){ pf->vf_ports[vf].id, w->out->learns[i].mac };
	sw_learn_hints(w->sw);
	for (unsigned int i = 0; i < 20 && fake.publishes == before; i++)
		loop_turn(w->loop, 5);
}

/* Of whom nobody tells but his frames; and the recipe taken back, in the VM and on the host. */
static void the_recipe_ends_when_its_guest_is_seen_with_its_own_address(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	vf_words(w, 0, true, "mac " M0);
	vf_words(w, 2, true, "mac " M2);
	vf_words(w, 3, true, "mac " M59);
	vf_words(w, 2, false, "mac " M59 " spoofchk off");
	seen(w, 2, M59);
	vf_words(w, 2, false, "mac " M58);
	assert_string_equal(who(w, 0, M0, M59), "23");
	seen(w, 2, M59);
	assert_string_equal(who(w, 0, M0, M59), "23");
	vf_words(w, 2, false, "mac " M2 " spoofchk on");
	assert_string_equal(who(w, 0, M0, M59), "23"); /* it was not seen yet */
	world_restart(w);
	assert_string_equal(who(w, 0, M0, M59), "23");
	seen(w, 2, M2);
	assert_string_equal(who(w, 0, M0, M59), "3");
	assert_string_equal(who(w, 0, M0, M2), "2");
	assert_int_equal(vf_get(w, 2).status.n_accepted, 1);
	world_restart(w);
	assert_string_equal(who(w, 0, M0, M59), "3");
	/* once more, from an address that was seen with the check off */
	vf_words(w, 2, false, "spoofchk off");
	seen(w, 2, M2);
	vf_words(w, 2, false, "mac " M59);
	seen(w, 2, M59);
	vf_words(w, 2, false, "mac " M2);
	assert_string_equal(who(w, 0, M0, M59), "23");
	seen(w, 2, M2);
	assert_string_equal(who(w, 0, M0, M59), "3");
}

/* Though nothing but the spoof check is other, and the guest's addresses are as they were. */
static void who_is_asked_later_is_asked_for_the_administrative_address(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	vf_words(w, 1, true, "spoofchk off");
	seen(w, 1, M58);
	assert_int_equal(vf_get(w, 1).status.n_accepted, 1);
	vf_words(w, 1, false, "mac " M2 " spoofchk on");
	vf_words(w, 1, false, "spoofchk off");
	seen(w, 1, M2);
	assert_int_equal(vf_get(w, 1).status.n_accepted, 2);
}

static void without_the_filter_source_the_recipe_fails(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	vf_words(w, 0, true, "mac " M0);
	vf_words(w, 2, true, "mac " M2);
	vf_words(w, 3, true, "mac " M59);
	vf_words(w, 2, false, "mac " M59);
	vf_words(w, 2, false, "spoofchk off");
	vf_words(w, 2, false, "mac " M58);
	assert_string_equal(who(w, 0, M0, M59), "3");
}

static void on_a_bare_switch_a_source_counts_as_a_request(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	vf_words(w, 2, false, "mac " M2);
	vf_words(w, 3, false, "mac " M59);
	seen(w, 2, M59); /* spoof check is on: dropped, and no request */
	assert_int_equal(vf_get(w, 2).status.n_refused, 0);
	vf_words(w, 2, false, "mac " M59 " spoofchk off");
	seen(w, 2, M59);
	vf_words(w, 2, false, "mac " M58);
	assert_string_equal(who(w, 0, M0, M59), "23");
	assert_int_equal(vf_get(w, 2).status.n_accepted, 1);
}

/* All if the guest asks and may; of a guest that nobody hears it is not known, so all is its. */
static void groups_are_the_guests_and_all_multicast_takes_a_right(void **state)
{
	static struct mac joined = { { 1, 0, 0x5e, 1, 2, 3 } };
	static const struct {
		const char *words;
		bool promisc, allmulti;
		const char *all, *who; /* of any group, of the joined one */
		bool counted; /* that the first was not delivered */
	} cases[] = {
		{ "trust off", false, false, "", "1", false },
		{ "trust off", false, true, "", "1", true },
		{ "trust off", true, false, "", "1", true },
		{ "trust on", false, false, "", "1", false },
		{ "trust on", false, true, "1", "1", false },
		{ "trust off learning 8", true, true, "1", "1", false },
		{ "learning 8", false, false, "", "1", false },
		{ "learning 0", true, true, "", "1", true },
		{ "allowed " M59, true, true, "1", "1", false },
	};
	uint64_t *refused;
	struct world *w = *state;

	pf_add(w, "p2p1", 2);
	vf_words(w, 0, false, "mac " M0);
	assert_string_equal(who(w, 0, M0, "01:00:5e:09:09:09"), "1");
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		const struct vf_filter f = { .main_mac = mac(M2), .n_mcasts = 1, .mcasts = &joined,
					     .promisc = cases[i].promisc, .allmulti = cases[i].allmulti };

		assert_int_equal(sw_ops.vf_filter(w->sw, "p2p1", 1, &f, NULL), 0);
		vf_words(w, 1, false, cases[i].words);
		refused = &w->stats[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[1].id].rx_drops[DROP_MULTICAST];
		*refused = 0;
		assert_string_equal(who(w, 0, M0, "01:00:5e:09:09:09"), cases[i].all);
		assert_string_equal(who(w, 0, M0, "01:00:5e:01:02:03"), cases[i].who);
		assert_int_equal(*refused, cases[i].counted);
		assert_int_equal(vf_get(w, 1).status.allmulti, *cases[i].all == '1');
	}
}

/* To and from it: the spoof check is on, and trust is no leave to use what the guest never asked for. */
static void an_administrative_mac_holds_the_guest_both_ways(void **state)
{
	static const struct {
		const char *words, *from_own, *to_own, *from_admin;
	} cases[] = {
		{ "mac " M2, "", "", "0" },
		{ "trust on", "0", "1", "0" },
		{ "trust off", "", "", "0" },
		{ "mac 00:00:00:00:00:00", "0", "1", "" },
		{ "mac " M59, "0", "1", "" },
		{ "spoofchk off", "0", "1", "0" },
	};
	struct world *w = *state;

	pf_add(w, "p2p1", 2);
	vf_words(w, 0, false, "mac " M0);
	vf_words(w, 1, false, "mac " M2);
	guest_says(w, 1, M59);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(vf_words(w, 1, false, cases[i].words), 0);
		assert_string_equal(who(w, 1, M59, M0), cases[i].from_own);
		assert_string_equal(who(w, 0, M0, M59), cases[i].to_own);
		assert_string_equal(who(w, 1, M2, M0), cases[i].from_admin);
		assert_string_equal(who(w, 1, M58, M0), i == 5 ? "0" : "");
	}
}

static void a_vf_without_mac_takes_its_newest_source(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	assert_string_equal(who(w, 0, M0, M2), "");
	seen(w, 1, M2);
	assert_string_equal(who(w, 0, M0, M2), "1");
	w->sw->learned_at[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[1].id] = 0;
	seen(w, 1, M59);
	assert_string_equal(who(w, 0, M0, M59), "1");
	assert_string_equal(who(w, 0, M0, M2), "");
}

static void allowed_addresses_are_the_vfs_without_trust(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	vf_words(w, 0, false, "mac " M0);
	vf_words(w, 2, false, "mac " M2);
	assert_string_equal(who(w, 2, M58, M0), "");
	assert_int_equal(vf_words(w, 2, false, "allowed " M59 "," M58), 0);
	assert_string_equal(who(w, 2, M58, M0), "0");
	assert_string_equal(who(w, 0, M0, M58), "2");
	assert_string_equal(who(w, 0, M0, M59), "2");
	assert_string_equal(who(w, 2, M2, M0), "0");
	world_restart(w);
	assert_string_equal(who(w, 0, M0, M59), "2");
	assert_int_equal(vf_words(w, 2, false, "allowed " M59 ",00:00:00:00:00:00"), -EINVAL);
	assert_int_equal(vf_words(w, 2, false, "allowed 01:00:5e:00:00:01"), -EINVAL);
	assert_string_equal(who(w, 0, M0, M58), "2");
	assert_int_equal(vf_words(w, 2, false, "allowed none"), 0);
	assert_string_equal(who(w, 0, M0, M58), "");
	assert_string_equal(who(w, 2, M58, M0), "");
}

static void an_address_that_was_allowed_goes_with_the_list(void **state)
{
	struct world *w = *state;
	struct mac more = mac(M59);
	const struct vf_filter f = { .main_mac = mac(M2), .n_macs = 1, .macs = &more };

	pf_add(w, "p2p1", 4);
	vf_words(w, 0, false, "mac " M0);
	vf_words(w, 2, false, "mac " M2 " allowed " M59);
	assert_int_equal(sw_ops.vf_filter(w->sw, "p2p1", 2, &f, NULL), 0);
	assert_int_equal(vf_get(w, 2).status.n_accepted, 2);
	world_restart(w);
	assert_int_equal(sw_ops.vf_filter(w->sw, "p2p1", 2, &f, NULL), 0);
	assert_string_equal(who(w, 2, M59, M0), "0");
	assert_int_equal(vf_words(w, 2, false, "allowed none"), 0);
	assert_string_equal(who(w, 2, M59, M0), "");
	assert_string_equal(who(w, 0, M0, M59), "");
	assert_int_equal(vf_get(w, 2).status.n_refused, 1);
	vf_words(w, 2, false, "trust on"); /* it still asks */
	assert_string_equal(who(w, 2, M59, M0), "0");
}

/* By frames, by a filter, and by learning: nobody takes what is somebody's by right. */
static void no_guest_takes_what_is_others_by_right(void **state)
{
	static const char *const owned[] = { M0, M2, M58, M59 };
	const struct svc_config svc = { .pf = "p2p1", .name = "dhcp0", .mac = mac(M59) };
	const struct vf_attach tap = { VF_ATTACH_TAP, .tap = "tap3" };
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	pf_words(w, "host_if on mac " M58);
	assert_int_equal(sw_ops.svc_add(w->sw, &svc, NULL), 0);
	vf_words(w, 0, false, "mac " M0 " allowed " M2);
	vf_words(w, 3, false, "mac " OWN " learning 9");
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 3, &tap, NULL), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(owned); i++) {
		seen(w, 1, owned[i]);
		seen(w, 3, owned[i]);
		guest_says(w, 2, owned[i]);
		assert_int_equal(vf_get(w, 2).status.n_refused, 1);
	}
	assert_int_equal(vf_get(w, 1).status.n_refused, ARRAY_LEN(owned));
	for (unsigned int vf = 1; vf < 4; vf++)
		assert_int_equal(vf_get(w, vf).status.n_accepted + vf_get(w, vf).status.n_learned, 0);
	/* the operator may give it to both: shared addresses, bonds, the founding recipe */
	assert_int_equal(vf_words(w, 1, false, "allowed " M2), 0);
	assert_string_equal(who(w, 3, OWN, M2), "01");
	assert_int_equal(vf_words(w, 2, false, "trust on"), 0); /* its guest asks for the last */
	assert_int_equal(vf_get(w, 2).status.n_accepted, 1);
	assert_int_equal(vf_words(w, 2, false, "trust off"), 0);
	assert_int_equal(vf_get(w, 2).status.n_accepted, 0);
}

/* Who was first does not matter: by frames or by a filter, before a restart or after. */
static void what_becomes_others_by_right_is_lost_to_whom_chose_it(void **state)
{
	const struct svc_config svc = { .pf = "p2p1", .name = "dhcp0", .mac = mac(M59) };
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	for (unsigned int way = 0; way < 5; way++) {
		seen(w, 1, M59);
		guest_says(w, 2, M59);
		assert_string_equal(who(w, 0, M0, M59), "12");
		world_restart(w);
		assert_string_equal(who(w, 0, M0, M59), "12");
		guest_says(w, 2, M59);
		switch (way) {
		case 0:
			vf_words(w, 3, false, "mac " M59);
			break;
		case 1:
			vf_words(w, 3, false, "allowed " M59);
			break;
		case 2:
			pf_words(w, "mac " M59);
			break;
		case 3:
			w->sw->state[0] ^= 1; /* a failed command takes nothing */
			assert_true(sw_ops.svc_add(w->sw, &svc, NULL) < 0);
			w->sw->state[0] ^= 1;
			assert_string_equal(who(w, 0, M0, M59), "12");
			assert_int_equal(sw_ops.svc_add(w->sw, &svc, NULL), 0);
			break;
		case 4: /* in one command with the loser's own settings */
			assert_int_equal(vf_words(w, 1, false, "mac " M0), 0);
			vf_words(w, 3, false, "mac " M59);
			break;
		}
		assert_string_equal(who(w, 0, M0, M59), way == 2 || way == 3 ? "" : "3");
		assert_int_equal(vf_get(w, 1).status.n_accepted + vf_get(w, 2).status.n_accepted, 0);
		assert_int_equal(vf_get(w, 2).status.n_refused, 1);
		sw_ops.svc_del(w->sw, "p2p1", "dhcp0", NULL);
		pf_words(w, "mac " M0);
		sw_ops.vf_release(w->sw, "p2p1", 3, NULL); /* and what nobody has any more is free */
		assert_int_equal(vf_get(w, 2).status.n_accepted, 1);
		sw_ops.vf_release(w->sw, "p2p1", 1, NULL);
		sw_ops.vf_release(w->sw, "p2p1", 2, NULL);
	}
}

/* The same pointer is the same value: nobody looked at its addresses, and nobody has to. */
static void a_change_judges_only_guests_whose_addresses_it_is_about(void **state)
{
	struct world *w = *state;
	const struct guest *first, *second;
	const struct sw_vf *vfs;

	pf_add(w, "p2p1", 4);
	vf_words(w, 1, false, "trust on");
	guest_says(w, 1, M58);
	guest_says(w, 2, M59);
	vfs = w->sw->pfs[0]->vfs;
	first = vfs[1].guest;
	second = vfs[2].guest;
	assert_int_equal(vf_words(w, 3, false, "mac " M2), 0);
	assert_int_equal(vf_words(w, 1, false, "vlan 5"), 0);
	guest_says(w, 1, M58);
	vfs = w->sw->pfs[0]->vfs;
	assert_ptr_equal(vfs[1].guest, first);
	assert_ptr_equal(vfs[2].guest, second);
	assert_int_equal(vf_words(w, 3, false, "mac " M59), 0);
	vfs = w->sw->pfs[0]->vfs;
	assert_ptr_equal(vfs[1].guest, first);
	assert_ptr_not_equal(vfs[2].guest, second);
}

/* VF 1 has 500 addresses, and they are in the table; what others do is no work with them. */
static void a_snapshot_costs_what_changed(void **state)
{
	struct mac macs[499];
	const struct vf_filter f = { .main_mac = mac(M58), .n_macs = 499, .macs = macs };
	struct world *w = *state;
	const struct veb_port *block;
	const uint64_t *keys;
	uint16_t id;

	for (unsigned int i = 0; i < 499; i++)
		macs[i] = (struct mac){ { 2, 0, 1, 0, (uint8_t)(i >> 8), (uint8_t)i } };
	pf_add(w, "p2p1", 4);
	vf_words(w, 1, false, "trust on learning 8");
	assert_int_equal(sw_ops.vf_filter(w->sw, "p2p1", 1, &f, NULL), 0);
	id = w->sw->pfs[0]->vf_ports[1].id;
	vf_words(w, 3, false, "mac " M0);
	block = w->sw->blocks[id];
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(vf_words(w, 3, false, i % 2 ? "mac " M0 : "mac " M2), 0);
		assert_in_range(fake.snap->work, 1, 4);
		assert_ptr_equal(w->sw->blocks[id], block);
	}
	keys = block->macs;
	assert_int_equal(vf_words(w, 1, false, "vlan 5"), 0);
	assert_ptr_not_equal(w->sw->blocks[id], block);
	assert_ptr_equal(w->sw->blocks[id]->macs, keys); /* pointed at, not copied */
	assert_string_equal(who(w, 0, M0, M58), "");
	assert_int_equal(vf_words(w, 0, false, "vlan 5"), 0);
	assert_string_equal(who(w, 0, M0, M58), "1");
	assert_int_equal(vf_words(w, 1, false, "allowed " M59), 0);
	assert_ptr_not_equal(w->sw->blocks[id]->macs, keys);
	assert_string_equal(who(w, 0, M0, M59), "1");
}

#define BEHIND "02:00:00:00:00:91"
#define BEHIND2 "02:00:00:00:00:92"
#define BEHIND3 "02:00:00:00:00:93"

/* VFs 1 and 2 learn two addresses each; spoof check is on. */
static struct world *learners(void **state)
{
	const struct vf_attach taps[] = { { VF_ATTACH_TAP, .tap = "tap1" }, { VF_ATTACH_TAP, .tap = "tap2" } };
	struct world *w = *state;

	pf_add(w, "p2p1", 4);
	vf_words(w, 0, false, "mac " M0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(vf_words(w, 1 + i, false, i ? "mac " M2 " learning 2" : "mac " M58 " learning 2"), 0);
		assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 1 + i, &taps[i], NULL), 0);
	}
	w->out->heard = &fake.heard;
	return w;
}

/* So that it may lose an address to another. */
static void pause_over(struct world *w)
{
	for (unsigned int id = 0; id < VEB_PORTS_MAX; id++)
		for (unsigned int i = 0; w->sw->learned[id] && i < w->sw->learned[id]->n; i++)
			w->sw->learned[id]->macs[i].since_ms = 0;
}

static void addresses_behind_a_guest_are_learned_up_to_a_bound(void **state)
{
	struct world *w = learners(state);

	assert_string_equal(who(w, 1, BEHIND, M0), "0"); /* from the first frame */
	assert_string_equal(who(w, 0, M0, BEHIND), "");
	seen(w, 1, BEHIND);
	assert_string_equal(who(w, 0, M0, BEHIND), "1");
	assert_string_equal(who(w, 1, BEHIND2, M0), "0");
	seen(w, 1, BEHIND2);
	assert_string_equal(who(w, 0, M0, BEHIND2), "1");
	assert_string_equal(who(w, 1, BEHIND3, M0), ""); /* no room */
	seen(w, 1, BEHIND3);
	assert_int_equal(vf_get(w, 1).status.n_learned, 2);
	assert_string_equal(who(w, 1, M58, M0), "0");
	assert_string_equal(who(w, 0, M0, M58), "1");
	assert_int_equal(vf_get(w, 1).status.n_refused, 0);
	vf_words(w, 1, false, "learning 1"); /* the oldest stay */
	assert_string_equal(who(w, 0, M0, BEHIND), "1");
	assert_string_equal(who(w, 0, M0, BEHIND2), "");
	sw_ops.vf_detach(w->sw, "p2p1", 1, NULL);
	assert_string_equal(who(w, 0, M0, BEHIND), "");
	assert_int_equal(vf_get(w, 1).status.n_learned, 0);
}

static void what_somebody_has_by_right_is_never_learned(void **state)
{
	struct world *w = learners(state);

	assert_string_equal(who(w, 1, M2, M0), ""); /* nor does it pass once */
	seen(w, 1, M2);
	assert_int_equal(vf_get(w, 1).status.n_learned, 0);
	assert_string_equal(who(w, 0, M0, M2), "2");
	assert_string_equal(who(w, 1, "00:00:00:00:00:00", M0), "");
	assert_string_equal(who(w, 1, "03:00:00:00:00:01", M0), "");
	seen(w, 1, BEHIND);
	vf_words(w, 3, false, "mac " BEHIND); /* it had no owner then */
	assert_string_equal(who(w, 0, M0, BEHIND), "3");
}

static void a_learned_address_moves_but_not_at_once(void **state)
{
	struct world *w = learners(state);
	const struct sw_pf *pf = sw_pf_find(w->sw, "p2p1", NULL);

	seen(w, 1, BEHIND);
	seen(w, 2, BEHIND);
	assert_string_equal(who(w, 0, M0, BEHIND), "1");
	pause_over(w);
	seen(w, 1, BEHIND2); /* no matter what else it learns */
	seen(w, 2, BEHIND);
	assert_string_equal(who(w, 0, M0, BEHIND), "2");
	/* Seen from the wire, it is behind no VF any more: once said, once done. */
	assert_int_equal(pf_words(w, "up on uplink dev uplink_arg eth9"), 0);
	veb_out_reset(w->out);
	veb_forward(fake.snap, pf->uplink.id, &(struct frame){ .src = mac(BEHIND), .dst = mac(M0), .len = 60 }, 1, w->out);
	assert_int_equal(w->out->n_learns, 1);
	fake.hints[fake.n_hints++] = (struct dp_hint){ pf->uplink.id, w->out->learns[0].mac };
	sw_learn_hints(w->sw);
	assert_int_equal(vf_get(w, 2).status.n_learned, 0);
	seen(w, 2, BEHIND); /* nor does it come back at once */
	assert_int_equal(vf_get(w, 2).status.n_learned, 0);
	seen(w, 2, BEHIND3);
	assert_int_equal(vf_get(w, 2).status.n_learned, 1);
	memset(w->sw->outside, 0, sizeof(w->sw->outside));
	seen(w, 2, BEHIND);
	assert_int_equal(vf_get(w, 2).status.n_learned, 2);
}

static void a_learned_address_is_no_right_without_an_own_one(void **state)
{
	struct world *w = learners(state);

	vf_words(w, 1, false, "mac 00:00:00:00:00:00");
	guest_says(w, 1, M58);
	seen(w, 1, BEHIND);
	assert_string_equal(who(w, 0, M0, BEHIND), "1");
	vf_words(w, 3, false, "mac " BEHIND);
	assert_string_equal(who(w, 1, BEHIND, M0), "");
	guest_says(w, 1, "00:00:00:00:00:00");
	assert_string_equal(who(w, 1, BEHIND, M0), "");
	assert_string_equal(who(w, 1, BEHIND2, M0), ""); /* nor does it pass what is not learned */
	assert_string_equal(who(w, 0, M0, BEHIND), "3");
}

static void a_flow_of_new_addresses_holds_up_nobody(void **state)
{
	struct world *w = learners(state);
	const struct sw_pf *pf = sw_pf_find(w->sw, "p2p1", NULL);
	unsigned int before;

	vf_words(w, 1, false, "learning 1000");
	before = fake.publishes;
	for (uint8_t i = 0; i < 20; i++) {
		fake.hints[fake.n_hints++] =
			(struct dp_hint){ pf->vf_ports[1].id, { { 2, 0, 0, 0, 1, i } } };
		sw_learn_hints(w->sw);
		loop_turn(w->loop, 5);
	}
	assert_true(fake.publishes > before);
}

static void who_learns_is_asked_for_his_own_address_once(void **state)
{
	struct world *w = learners(state);
	const struct sw_pf *pf = sw_pf_find(w->sw, "p2p1", NULL);
	struct veb_port *const *port = &w->sw->blocks[pf->vf_ports[1].id];

	assert_false((*port)->flags & VEB_CONFIRM); /* it would take the fast path from its frames */
	vf_words(w, 1, false, "spoofchk off");
	assert_true((*port)->flags & VEB_CONFIRM);
	seen(w, 1, M58);
	assert_false((*port)->flags & VEB_CONFIRM);
	seen(w, 1, BEHIND);
	assert_int_equal(vf_get(w, 1).status.n_learned, 1);
	vf_words(w, 1, false, "mac " M59); /* the recipe holds */
	assert_string_equal(who(w, 0, M0, M58), "1");
}

static void learned_addresses_go_when_they_are_silent(void **state)
{
	struct world *w = learners(state);

	seen(w, 1, BEHIND);
	seen(w, 1, BEHIND2);
	for (unsigned int i = 0; i < 10; i++) {
		who(w, 1, BEHIND, M0);
		sw_learned_age(w->sw);
	}
	assert_int_equal(vf_get(w, 1).status.n_learned, 2); /* 300 s, and no less */
	sw_learned_age(w->sw);
	assert_int_equal(vf_get(w, 1).status.n_learned, 1);
	assert_true(mac_equal(&vf_get(w, 1).status.learned[0], &(struct mac){ { 2, 0, 0, 0, 0, 0x91 } }));
	for (unsigned int i = 0; i < 9; i++)
		sw_learned_age(w->sw);
	assert_int_equal(vf_get(w, 1).status.n_learned, 1);
	sw_learned_age(w->sw);
	assert_int_equal(vf_get(w, 1).status.n_learned, 0);
}

static void a_software_vf_is_not_plugged_in_as_a_nics_is(void **state)
{
	static const uint8_t kinds[] = { VF_ATTACH_VFIO, VF_ATTACH_NETDEV, VF_ATTACH_MACVTAP };
	struct world *w = *state;

	pf_add(w, "p2p1", 8);
	for (unsigned int i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct vf_attach a = { .kind = kinds[i] };
		struct err e = { 0 };

		assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 3, &a, &e), -EOPNOTSUPP);
		assert_non_null(strstr(e.msg, "p2p1 is a software PF"));
		assert_int_equal(vf_get(w, 3).attach.kind, VF_ATTACH_NONE);
	}
}

static void settings_survive_a_restart(void **state)
{
	struct world *w = *state;
	const struct vf_attach tap = { .kind = VF_ATTACH_TAP, .tap = "tap0", .netns = "ns" };
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST, .client = true };
	const struct svc_config svc = { .pf = "p2p1", .name = "dhcp0", .vlan = 5 };
	const struct mirror_config mirror = { "m", "p2p1", 1, MIRROR_BOTH, "p2p1", 2 };
	struct vf_info before, after;
	const struct veb_port *vf_port;
	struct pf_info pf, pf_after;
	struct svc_config svc_out;
	struct mirror_info mirror_out;

	pf_add(w, "p2p1", 8);
	assert_int_equal(pf_words(w, "mode vepa host_if on unknown_unicast both"), 0);
	assert_int_equal(vf_words(w, 3, true,
				  "mac " M2 " vlan 100 qos 3 trust on trunk 1,5-9 "
				  "max_tx_rate 500 min_tx_rate 40 isolated on storm_broadcast 100 learning 64 promisc true port_id abc"),
			 0);
	assert_int_equal(vf_words(w, 4, false, "trunk 1,5-9 native 6"), 0);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 3, &tap, NULL), 0);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 7, &vhost, NULL), 0);
	assert_int_equal(sw_ops.svc_add(w->sw, &svc, NULL), 0);
	assert_int_equal(sw_ops.mirror_add(w->sw, &mirror, NULL), 0);
	before = vf_get(w, 3);
	sw_ops.pf_get(w->sw, "p2p1", &pf, NULL);
	world_restart(w);
	after = vf_get(w, 3);
	assert_int_equal(fields_diff(vf_fields, &before.config, &after.config), 0);
	assert_int_equal(vf_get(w, 4).config.native, 6);
	assert_int_equal(fields_diff(vf_attach_fields, &before.attach, &after.attach), 0);
	assert_true(after.status.connected);
	assert_true(vf_get(w, 7).status.connected);
	assert_int_equal(fake.rate[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[3].id], 500);
	assert_int_equal(fake.rate_min[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[3].id], 40);
	vf_port = fake.snap->ports[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[3].id];
	assert_int_equal(vf_port->storm[STORM_BROADCAST], 100);
	assert_true(vf_port->flags & VEB_ISOLATED && vf_port->flags & VEB_PROMISC_ALL);
	assert_int_equal(vf_get(w, 3).status.promisc, VF_PROMISC_TRUE);
	sw_ops.pf_get(w->sw, "p2p1", &pf_after, NULL);
	assert_int_equal(fields_diff(pf_fields, &pf.config, &pf_after.config), 0);
	assert_true(pf_after.config.mode == PF_MODE_VEPA && fake.snap->domains[0].vepa);
	assert_true(fake.snap->ports[fake.snap->domains[0].host]->flags & VEB_UNKNOWN);
	assert_int_equal(sw_ops.svc_get(w->sw, 0, &svc_out), 0);
	assert_int_equal(svc_out.vlan, 5);
	assert_int_equal(sw_ops.svc_get(w->sw, 1, &svc_out), -ENOENT);
	assert_int_equal(sw_ops.mirror_get(w->sw, 0, &mirror_out), 0);
	assert_string_equal(mirror_out.config.name, "m");
	assert_int_equal(mirror_out.mirrored, 3);
}

static void what_cannot_be_plugged_in_at_the_start_comes_later(void **state)
{
	struct world *w = *state;
	const struct vf_attach tap = { .kind = VF_ATTACH_TAP, .tap = "tap0" };

	pf_add(w, "p2p1", 1);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 0, &tap, NULL), 0);
	fake.open_fails = -ENOENT;
	world_restart(w);
	assert_int_equal(vf_get(w, 0).attach.kind, VF_ATTACH_TAP);
	assert_false(vf_get(w, 0).status.connected);
	fake.open_fails = 0;
	assert_true(sw_plug_tick(w->sw));
	assert_true(vf_get(w, 0).status.connected);
}

#define VF_STATE(version, accepted)                                                                \
	"{\"version\": " version ", \"pfs\": [{\"slot\": 0, \"config\": {\"name\": \"p2p1\", "          \
	"\"numvfs\": 1}, \"vfs\": [{\"vf\": 0, \"config\": {\"mac\": \"" M0 "\", \"trust\": true}, "  \
	"\"accepted\": " accepted "}]}]}"

static void accepted_addresses_are_read_from_all_versions(void **state)
{
	static const char *const texts[] = {
		VF_STATE("1", "[{\"mac\": \"" M59 "\", \"trust\": false}, {\"mac\": \"" M2
			      "\", \"trust\": true}]"),
		VF_STATE("2", "\"" M59 " " M2 "*\""),
		VF_STATE("3", "\"" M59 " " M2 "*\""),
	};
	struct world *w = *state;

	for (unsigned int i = 0; i < ARRAY_LEN(texts); i++) {
		const struct guest *g;

		sw_close(w->sw);
		w->sw = NULL;
		file_replace(w->state, texts[i], strlen(texts[i]), 0600, NULL);
		assert_int_equal(world_start(w), 0);
		for (unsigned int again = 0; again < 2; again++) {
			g = w->sw->pfs[0]->vfs[0].guest;
			assert_int_equal(g->n_accepted, 2);
			for (unsigned int k = 0; k < 2; k++)
				assert_int_equal(g->accepted[k].why, g->accepted[k].mac.b[5] == 0x57 ?
							 GUEST_BY_GRANT : GUEST_BY_MAC);
			assert_int_equal(sw_state_save(w->sw, NULL), 0);
			world_restart(w);
		}
	}
}

static void state_of_a_newer_version_or_damaged_is_refused(void **state)
{
	struct world *w = *state;
	static const char *const texts[][2] = {
		{ "{\"version\": 5}", "newer" },
		{ "{}", "version" },
		{ "[", "line 1" },
		{ "", "line" },
		{ "{\"version\": 1, \"pfs\": [{}]}", "PF 0" },
		{ "{\"version\": 1, \"pfs\": [{\"slot\": 0, \"config\": {\"name\": \"p\", "
		  "\"numvfs\": 1}, \"vfs\": [{\"vf\": 1}]}]}",
		  "vf out of range" },
		{ "{\"version\": 1, \"pfs\": [{\"slot\": 99, \"config\": {\"name\": \"p\"}}]}",
		  "place" },
		{ "{\"version\": 1, \"mirrors\": [{\"name\": \"m\"}]}", "mirror 0: from_pf" },
		{ "{\"version\": 1, \"mirrors\": [{\"name\": \"m\", \"from\": \"pf\", \"from_pf\": "
		  "\"p\", \"to_pf\": \"p\", \"to_vf\": 1}]}",
		  "no PF" },
		{ "{\"version\": 1, \"pfs\": [{\"slot\": 0, \"config\": {\"name\": \"p\", \"numvfs\": "
		  "1}}], \"mirrors\": [{\"name\": \"m\", \"from_pf\": \"p\", \"from_vf\": 0, "
		  "\"to\": \"capture\"}]}",
		  "capture" },
		{ VF_STATE("2", "5"), "no text" },
		{ VF_STATE("2", "\"" M2 " " M2 "0\""), "too long" },
		{ VF_STATE("2", "\"" M2 " *\""), "address" },
	};

	sw_close(w->sw);
	w->sw = NULL;
	for (unsigned int i = 0; i < ARRAY_LEN(texts); i++) {
		file_replace(w->state, texts[i][0], strlen(texts[i][0]), 0600, NULL);
		assert_int_equal(world_start(w), -EINVAL);
		assert_non_null(strstr(w->e.msg, w->state));
		assert_non_null(strstr(w->e.msg, texts[i][1]));
	}
}

static void senders_wait_at_the_start_for_who_is_back(void **state)
{
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST, .client = true };
	struct world *w = *state;

	assert_true(fake.held); /* until the loop runs: there is nobody to wait for */
	loop_turn(w->loop, 1000);
	assert_false(fake.held);
	pf_add(w, "p2p1", 2);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 1, &vhost, NULL), 0);
	assert_false(fake.held);

	world_restart(w);
	w->sw->settle_until_ms = UINT64_MAX;
	for (unsigned int i = 0; i < 5; i++) {
		loop_turn(w->loop, 1000);
		assert_true(fake.held); /* it is there, and has no rings */
	}
	fake.n_queues = 1;
	while (fake.held)
		loop_turn(w->loop, 1000);

	fake.n_queues = 0;
	world_restart(w);
	w->sw->settle_until_ms = 0; /* long ago */
	while (fake.held)
		loop_turn(w->loop, 1000);

	world_restart(w);
	fake.plugged[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[1].id] = false; /* it is off */
	w->sw->settle_until_ms = UINT64_MAX;
	while (fake.held)
		loop_turn(w->loop, 1000);
}

static void a_state_file_that_cannot_be_written_fails_the_command_whole(void **state)
{
	struct world *w = *state;
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST };
	const struct pf_config other = pf_config("p2p2", 2);
	const struct svc_config svc = { .pf = "p2p1", .name = "dhcp0" };
	const struct mirror_config mirror = { "m", "p2p1", 0, MIRROR_IN, "p2p1", 1 };
	struct pf_info info;
	struct svc_config svc_out;
	struct mirror_info mirror_out;
	char *state_path = w->sw->state, nowhere[] = "/proc/nowhere/state";
	unsigned int publishes;

	pf_add(w, "p2p1", 2);
	publishes = fake.publishes;
	w->sw->state = nowhere;
	assert_true(vf_words(w, 0, false, "mac " M2 " spoofchk off") < 0);
	assert_non_null(strstr(w->e.msg, "state file"));
	assert_false(has_mac(w, 0));
	assert_true(vf_get(w, 0).config.spoofchk);
	assert_true(pf_words(w, "numvfs 4 uplink dev uplink_arg eth9") < 0);
	assert_true(sw_ops.vf_attach(w->sw, "p2p1", 0, &vhost, NULL) < 0);
	assert_true(sw_ops.pf_add(w->sw, &other, 0, NULL) < 0);
	assert_true(sw_ops.pf_del(w->sw, "p2p1", false, NULL) < 0);
	assert_true(sw_ops.svc_add(w->sw, &svc, NULL) < 0);
	assert_true(sw_ops.mirror_add(w->sw, &mirror, NULL) < 0);
	assert_int_equal(fake.publishes, publishes);
	assert_int_equal(vf_get(w, 0).attach.kind, VF_ATTACH_NONE);
	assert_false(vf_get(w, 0).status.connected);
	assert_int_equal(sw_ops.pf_get(w->sw, "p2p1", &info, NULL), 0);
	assert_int_equal(info.config.numvfs, 2);
	assert_int_equal(info.config.uplink, UPLINK_NONE);
	assert_int_equal(sw_ops.pf_get(w->sw, "p2p2", &info, NULL), -ENODEV);
	assert_int_equal(sw_ops.svc_get(w->sw, 0, &svc_out), -ENOENT);
	assert_int_equal(sw_ops.mirror_get(w->sw, 0, &mirror_out), -ENOENT);
	for (unsigned int i = 0; i < VEB_PORTS_MAX; i++)
		assert_false(fake.plugged[i]);
	w->sw->state = state_path;
	assert_int_equal(vf_words(w, 0, false, "mac " M2), 0);
	world_restart(w);
	assert_true(has_mac(w, 0));
}

static size_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (size_t)st.st_size;
}

/* Allocations of jansson until one fails; none does below 0. */
static int json_left = -1;

static void *json_alloc(size_t size)
{
	return json_left < 0 || json_left-- > 0 ? malloc(size) : NULL;
}

static void without_memory_the_file_is_the_old_one_or_the_whole_new_one(void **state)
{
	const struct svc_config svc = { .pf = "p2p1", .name = "dhcp0" };
	const struct mirror_config mirror = { "m", "p2p1", 0, MIRROR_IN, "p2p1", 1 };
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST };
	struct world *w = *state;
	auto_free char *whole = NULL;
	int rc = -ENOMEM;
	size_t size;

	pf_add(w, "p2p1", 2);
	vf_words(w, 0, true, "mac " M0);
	vf_words(w, 0, false, "mac " M59);
	guest_says(w, 0, M59);
	sw_ops.vf_attach(w->sw, "p2p1", 0, &vhost, NULL);
	sw_ops.svc_add(w->sw, &svc, NULL);
	sw_ops.mirror_add(w->sw, &mirror, NULL);
	sw_state_forget(w->sw);
	assert_int_equal(sw_state_save(w->sw, NULL), 0);
	assert_int_equal(file_read(w->state, 1 << 20, &whole, &size, NULL), 0);
	json_set_alloc_funcs(json_alloc, free);
	for (int left = 0; rc; left++) {
		auto_free char *text = NULL;

		sw_state_forget(w->sw);
		json_left = left;
		rc = sw_state_save(w->sw, NULL);
		json_left = -1;
		assert_true(!rc || rc == -ENOMEM);
		assert_int_equal(file_read(w->state, 1 << 20, &text, NULL, NULL), 0);
		assert_string_equal(text, whole);
	}
	w->sw->pfs[0]->vfs[1].config.vlan = 9; /* and so with a line */
	rc = -ENOMEM;
	for (int left = 0; rc; left++) {
		json_left = left;
		rc = sw_state_save(w->sw, NULL);
		json_left = -1;
		assert_true(rc ? file_size(w->state) == size : file_size(w->state) > size);
	}
	json_set_alloc_funcs(malloc, free);
	world_restart(w);
	assert_int_equal(vf_get(w, 1).config.vlan, 9);
}

/* How often it was written to. */
static uint64_t file_changes(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino << 32 ^ (uint64_t)st.st_size;
}

/* All that lasts of a switch of two PFs, as a text; the caller frees it. */
static char *lasting(struct world *w)
{
	auto_of(json_decref) json_t *all = json_array();
	struct pf_info pf;
	struct svc_config svc;
	struct mirror_info m;

	for (unsigned int i = 0; i < PFS_MAX; i++) {
		const struct sw_pf *p = w->sw->pfs[i];

		if (!p || sw_ops.pf_get(w->sw, p->config.name, &pf, NULL))
			continue;
		json_array_append_new(all, fields_to_json(pf_fields, &pf.config));
		for (unsigned int vf = 0; vf < p->config.numvfs; vf++) {
			const struct sw_vf *v = &p->vfs[vf];
			char macs[VF_MACS_UNTRUSTED * MAC_STR_LEN] = "", mac[MAC_STR_LEN];

			for (unsigned int k = 0; v->guest && k < v->guest->n_accepted; k++)
				strcat(macs, mac_format(&v->guest->accepted[k].mac, mac));
			json_array_append_new(all, fields_to_json(vf_fields, &v->config));
			json_array_append_new(all, fields_to_json(vf_attach_fields, &v->attach));
			json_array_append_new(all, json_pack("[s, i, i]", macs, (int)v->by_agent,
							     (int)v->overridden));
		}
	}
	for (unsigned int i = 0; !sw_ops.svc_get(w->sw, i, &svc); i++)
		json_array_append_new(all, fields_to_json(svc_fields, &svc));
	for (unsigned int i = 0; !sw_ops.mirror_get(w->sw, i, &m); i++)
		json_array_append_new(all, fields_to_json(mirror_fields, &m.config));
	return json_dumps(all, 0);
}

/* Every kind of change of what is saved: 0.. until there is none of that number. */
static bool next_change(struct world *w, unsigned int number)
{
	const struct svc_config svc = { .pf = "p2p1", .name = "dhcp0", .mac = mac(M0) };
	const struct mirror_config mirror = { "m", "p2p1", 0, MIRROR_IN, "p2p1", 1 };
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST };

	switch (number) {
	case 0:
		return !vf_words(w, 0, true, "mac " M58 " trunk 5-9 spoofchk off");
	case 1:
		return !vf_words(w, 0, false, "mac " M2 " trunk any spoofchk on port_id x");
	case 2:
		return !sw_ops.vf_attach(w->sw, "p2p1", 1, &vhost, NULL);
	case 3:
		return !guest_says(w, 1, M59) && !sw_state_save(w->sw, NULL);
	case 4:
		return !sw_ops.svc_add(w->sw, &svc, NULL);
	case 5:
		return !sw_ops.mirror_add(w->sw, &mirror, NULL);
	case 6:
		return !pf_words(w, "numvfs 6 mtu 9000");
	case 7:
		return !vf_words(w, 5, false, "vlan 7");
	case 8:
		pf_add(w, "p2p2", 1);
		return true;
	case 9:
		return !sw_ops.mirror_del(w->sw, "m", NULL);
	case 10:
		return !sw_ops.svc_del(w->sw, "p2p1", "dhcp0", NULL);
	case 11:
		return !sw_ops.vf_release(w->sw, "p2p1", 1, NULL);
	case 12:
		return !pf_words(w, "numvfs 2 mtu 1500");
	case 13:
		return !sw_ops.pf_del(w->sw, "p2p2", false, NULL);
	default:
		return false;
	}
}

#define CHANGES_MAX 16

/* The writer is killed at any byte of a line: what is read is what was before it, or all of it. */
static void a_change_that_is_cut_off_anywhere_never_was(void **state)
{
	struct world *w = *state;
	char *was[CHANGES_MAX + 1];
	size_t ends[CHANGES_MAX + 1];
	auto_free char *text = NULL;
	unsigned int n = 0;

	pf_add(w, "p2p1", 4);
	was[0] = lasting(w);
	ends[0] = file_size(w->state);
	for (uint64_t inode = file_changes(w->state) >> 32; next_change(w, n); n++) {
		was[n + 1] = lasting(w);
		ends[n + 1] = file_size(w->state);
		assert_string_not_equal(was[n], was[n + 1]);
		assert_in_range(ends[n + 1] - ends[n], 20, 600); /* of what changed, nothing else */
		assert_true(file_changes(w->state) >> 32 == inode);
	}
	assert_int_equal(n, 14);
	assert_int_equal(file_read(w->state, 1 << 20, &text, NULL, NULL), 0);
	for (size_t size = ends[0], whole = 0; size <= ends[n]; size++) {
		auto_free char *found = NULL;

		while (ends[whole + 1] <= size && whole < n)
			whole++;
		/* at each byte of the first line, and of the others' beginnings and ends */
		if (whole && size > ends[whole] + 12 && size + 3 < ends[whole + 1] && size % 32)
			continue;
		sw_close(w->sw);
		w->sw = NULL;
		assert_int_equal(file_replace(w->state, text, size, 0600, NULL), 0);
		assert_int_equal(world_start(w), 0);
		found = lasting(w);
		assert_string_equal(found, was[whole]);
		if (size % 97 && size != ends[n])
			continue;
		free(found);
		assert_int_equal(pf_words(w, "mtu 1400"), 0); /* what comes then lasts as well */
		found = lasting(w);
		world_restart(w);
		free(found);
		found = lasting(w);
		assert_non_null(strstr(found, "1400"));
	}
	for (unsigned int i = 0; i <= n; i++)
		free(was[i]);
}

static void a_damaged_change_before_others_is_refused(void **state)
{
	struct world *w = *state;
	auto_free char *text = NULL;
	size_t first, size;

	pf_add(w, "p2p1", 4);
	first = file_size(w->state);
	vf_words(w, 0, false, "vlan 5");
	vf_words(w, 1, false, "vlan 6");
	assert_int_equal(file_read(w->state, 1 << 20, &text, &size, NULL), 0);
	sw_close(w->sw);
	w->sw = NULL;
	strstr(text + first, "\"vlan\":5")[7] = '4'; /* what would be read if nobody looked */
	file_replace(w->state, text, size, 0600, NULL);
	assert_int_equal(world_start(w), -EINVAL);
	assert_non_null(strstr(w->e.msg, "damaged"));
}

/* The journal is as long as the document at most, or 64 KiB; and what others did to it is noticed. */
static void the_state_file_does_not_grow_for_ever(void **state)
{
	struct world *w = *state;
	uint64_t before, after = 0;
	unsigned int wholes = 0;

	pf_add(w, "p2p1", 4);
	for (unsigned int i = 0; i < 2500; i++) {
		before = after;
		assert_int_equal(vf_words(w, 1, false, i % 2 ? "vlan 5" : "vlan 6"), 0);
		after = file_changes(w->state) >> 32;
		wholes += before && after != before;
		assert_in_range(file_size(w->state), 1, 70000);
	}
	assert_in_range(wholes, 1, 4);
	unlink(w->state);
	assert_int_equal(vf_words(w, 1, false, "vlan 7"), 0);
	world_restart(w);
	assert_int_equal(vf_get(w, 1).config.vlan, 7);
	assert_int_equal(file_replace(w->state, "{}", 2, 0600, NULL), 0);
	assert_int_equal(vf_words(w, 1, false, "vlan 8"), 0);
	world_restart(w);
	assert_int_equal(vf_get(w, 1).config.vlan, 8);
}

/* A second's worth of addresses is one write; the operator's word is one by itself, with all. */
static void what_guests_teach_is_saved_once_a_tick(void **state)
{
	struct world *w = *state;
	uint64_t before;

	pf_add(w, "p2p1", 4);
	loop_timer_set(w->sw->tick, UINT32_MAX, 0);
	before = file_changes(w->state);
	w->sw->unsaved = false;
	assert_int_equal(guest_says(w, 2, M58), 0); /* its filter */
	assert_true(w->sw->unsaved);
	for (unsigned int vf = 0; vf < 3; vf++) {
		if (vf < 2)
			seen(w, vf, vf ? M2 : M59);
		assert_int_equal(vf_get(w, vf).status.n_accepted, 1);
		assert_int_equal(file_changes(w->state), before); /* in force, and not written */
	}
	loop_timer_set(w->sw->tick, 0, 5);
	while (w->sw->unsaved)
		loop_turn(w->loop, 5);
	assert_true(file_changes(w->state) != before);
	assert_int_equal(guest_says(w, 2, M58), 0);
	assert_false(w->sw->unsaved); /* nothing of it is new */
	world_restart(w);
	for (unsigned int vf = 0; vf < 3; vf++)
		assert_int_equal(vf_get(w, vf).status.n_accepted, 1);
	seen(w, 3, OWN);
	before = file_changes(w->state);
	assert_int_equal(vf_words(w, 0, false, "vlan 5"), 0);
	assert_true(file_changes(w->state) != before);
	w->sw->unsaved = false; /* as kill -9 in this moment */
	world_restart(w);
	assert_true(vf_get(w, 0).config.vlan == 5 && vf_get(w, 3).status.n_accepted == 1);
}

static void one_bad_word_leaves_the_whole_command_out(void **state)
{
	struct world *w = *state;
	struct vf_change vfs[] = {
		{ .vf = 0, .changed = 1U << VF_FIELD_VLAN, .want.vlan = 5 },
		{ .vf = 0, .changed = 1U << VF_FIELD_QOS, .want.qos = 3 },
		{ .vf = 9, .changed = 1U << VF_FIELD_VLAN, .want.vlan = 5 },
	};
	const struct pf_change change = { .n_vfs = 3, .vfs = vfs };

	pf_add(w, "p2p1", 2);
	guest_says(w, 0, M2);
	assert_int_equal(sw_ops.pf_set(w->sw, "p2p1", &change, NULL), -EINVAL);
	assert_int_equal(vf_get(w, 0).config.vlan, 0);
	vfs[2].vf = 1;
	assert_int_equal(sw_ops.pf_set(w->sw, "p2p1", &change, NULL), 0);
	assert_int_equal(vf_get(w, 0).config.vlan, 5);
	assert_int_equal(vf_get(w, 0).config.qos, 3);
	assert_int_equal(sw_ops.pf_set(w->sw, "p9", &change, NULL), -ENODEV);
}

static void numvfs_changes_online_but_not_below_a_vf_in_use(void **state)
{
	struct world *w = *state;
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST };

	pf_add(w, "p2p1", 4);
	vf_words(w, 1, false, "mac " M2);
	assert_int_equal(pf_words(w, "numvfs 8"), 0);
	assert_string_equal(who(w, 7, M0, M2), "1");
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 3, &vhost, NULL), 0);
	assert_int_equal(pf_words(w, "numvfs 3"), -EBUSY);
	assert_non_null(strstr(w->e.msg, "p2p1 vf 3"));
	assert_int_equal(sw_ops.vf_detach(w->sw, "p2p1", 3, NULL), 0);
	vf_words(w, 2, true, "port_id 1234");
	assert_int_equal(pf_words(w, "numvfs 2"), -EBUSY);
	assert_non_null(strstr(w->e.msg, "1234"));
	assert_int_equal(pf_words(w, "numvfs 3"), 0);
	assert_int_equal(sw_ops.pf_del(w->sw, "p2p1", false, NULL), -EBUSY);
	assert_int_equal(sw_ops.vf_release(w->sw, "p2p1", 2, NULL), 0);
	assert_int_equal(pf_words(w, "numvfs 0"), 0);
	assert_int_equal(sw_ops.pf_del(w->sw, "p2p1", false, NULL), 0);
	for (unsigned int i = 0; i < VEB_PORTS_MAX; i++)
		assert_false(w->sw->ids[i]);
}

static void link_state_follows_the_pf_unless_told_otherwise(void **state)
{
	struct world *w = *state;
	const struct vf_attach tap = { .kind = VF_ATTACH_TAP, .tap = "tap0" };

	pf_add(w, "p2p1", 3);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 0, &tap, NULL), 0);
	vf_words(w, 1, false, "mac " M2 " state enable");
	vf_words(w, 2, false, "mac " M59 " state enable");
	assert_int_equal(fake.link[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[0].id], 1);
	assert_int_equal(pf_words(w, "up off"), 0);
	assert_int_equal(fake.link[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[0].id], 0);
	assert_false(vf_get(w, 0).status.link_up);
	assert_true(vf_get(w, 1).status.link_up);
	assert_string_equal(who(w, 1, M2, M59), "2"); /* VF to VF with the PF down */
	assert_int_equal(pf_words(w, "up on uplink dev uplink_arg eth9"), 0);
	assert_true(vf_get(w, 0).status.link_up);
	fake.wire.carrier = false;
	assert_true(sw_wires_tick(w->sw));
	assert_false(vf_get(w, 0).status.link_up);
	fake.wire_gone = true; /* the netdev goes and returns */
	sw_wires_tick(w->sw);
	fake.wire_gone = false;
	fake.wire.carrier = true;
	assert_true(sw_wires_tick(w->sw));
	assert_true(vf_get(w, 0).status.link_up);
	vf_words(w, 0, false, "state disable");
	assert_false(vf_get(w, 0).status.link_up);
	assert_int_equal(pf_words(w, "uplink none"), 0);
	assert_string_equal(who(w, 1, M2, M58), "");
}

static void a_deaf_wire_is_mended_while_nobody_reads_it(void **state)
{
	struct world *w = *state;
	uint16_t id;

	pf_add(w, "p2p1", 1);
	assert_int_equal(pf_words(w, "uplink dev uplink_arg eth9"), 0);
	id = sw_pf_find(w->sw, "p2p1", NULL)->uplink.id;
	memset(fake.calls, 0, sizeof(fake.calls));
	fake.wire_lost = 7;
	assert_false(sw_wires_tick(w->sw));
	assert_string_equal(fake.calls, "");
	fake.wire_deaf = true;
	assert_false(sw_wires_tick(w->sw));
	assert_string_equal(fake.calls, "hmr");
	assert_int_equal(fake.lost[id], 14);
}

static void a_change_of_some_netdev_has_wires_looked_at_at_once(void **state)
{
	struct world *w = *state;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	fake.news = ends[0];
	world_restart(w);
	loop_timer_set(w->sw->tick, UINT32_MAX, 0);
	pf_add(w, "p2p1", 1);
	assert_int_equal(pf_words(w, "uplink dev uplink_arg eth9"), 0);
	assert_true(vf_get(w, 0).status.link_up);
	fake.wire.carrier = false;
	assert_int_equal(send(ends[1], "", 1, 0), 1);
	loop_turn(w->loop, 1000);
	assert_false(vf_get(w, 0).status.link_up);
	close(ends[1]);
}

/* Trust off, on and off again: the guest's link, plug and groups stay as they are. */
static void trust_changes_without_a_reset(void **state)
{
	static struct mac joined = { { 1, 0, 0x5e, 1, 2, 3 } };
	const struct vf_filter f = { .main_mac = mac(M2), .n_mcasts = 1, .mcasts = &joined };
	const struct vf_attach tap = { .kind = VF_ATTACH_TAP, .tap = "tap1" };
	struct world *w = *state;

	pf_add(w, "p2p1", 2);
	vf_words(w, 0, false, "mac " M0);
	vf_words(w, 1, false, "mac " M2);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 1, &tap, NULL), 0);
	assert_int_equal(sw_ops.vf_filter(w->sw, "p2p1", 1, &f, NULL), 0);
	fake.links_set = fake.taps_open = 0;
	for (unsigned int i = 0; i < 3; i++) {
		vf_words(w, 1, false, i % 2 ? "trust on" : "trust off");
		assert_true(vf_get(w, 1).status.link_up);
		assert_string_equal(who(w, 0, M0, M2), "1");
		assert_string_equal(who(w, 1, M2, M0), "0");
		assert_string_equal(who(w, 0, M0, "01:00:5e:01:02:03"), "1");
	}
	assert_int_equal(fake.links_set + fake.taps_open + fake.taps_closed, 0);
}

static void promiscuity_is_what_the_operators_word_says(void **state)
{
	static const struct {
		const char *words;
		unsigned int flags;
		const char *who; /* gets unicast of VF 0 for VF 1 */
	} cases[] = {
		{ "promisc true", 0, "1" }, /* not trusted */
		{ "trust on", VEB_PROMISC | VEB_PROMISC_ALL, "12" },
		{ "promisc unmatched", VEB_PROMISC, "1" },
		{ "promisc off", 0, "1" },
	};
	const struct vf_filter f = { .main_mac = mac(M58), .promisc = true };
	struct world *w = *state;

	pf_add(w, "p2p1", 3);
	vf_words(w, 0, false, "mac " M0);
	vf_words(w, 1, false, "mac " M2);
	assert_int_equal(sw_ops.vf_filter(w->sw, "p2p1", 2, &f, NULL), 0);
	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		const struct veb_port *p;

		assert_int_equal(vf_words(w, 2, false, cases[i].words), 0);
		p = fake.snap->ports[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[2].id];
		assert_int_equal(p->flags & (VEB_PROMISC | VEB_PROMISC_ALL), cases[i].flags);
		assert_string_equal(who(w, 0, M0, M2), cases[i].who);
	}
}

static void attachments_are_exclusive_and_idempotent(void **state)
{
	struct world *w = *state;
	struct vf_attach a = { .kind = VF_ATTACH_TAP, .tap = "tap0" };
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST };
	const struct svc_config svc = { .pf = "p2p1", .name = "tap0" };

	pf_add(w, "p2p1", 4);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 0, &a, NULL), 0);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 0, &a, NULL), 0);
	assert_int_equal(fake.taps_open, 1);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 1, &a, NULL), -EEXIST);
	assert_int_equal(sw_ops.svc_add(w->sw, &svc, NULL), -EEXIST);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 0, &vhost, &w->e), -EBUSY);
	assert_non_null(strstr(w->e.msg, "tap0"));
	strcpy(a.tap, "a/b");
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 1, &a, NULL), -EINVAL);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 4, &a, NULL), -EINVAL);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 1, &vhost, NULL), 0);
	assert_non_null(strstr(vf_get(w, 1).attach.socket, "/vhost/p2p1-1/sock"));
	assert_int_equal(sw_ops.vf_detach(w->sw, "p2p1", 0, NULL), 0);
	assert_int_equal(sw_ops.vf_detach(w->sw, "p2p1", 0, NULL), 0);
	assert_int_equal(fake.taps_closed, 1);
	fake.open_fails = -EPERM;
	strcpy(a.tap, "tap1");
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 2, &a, NULL), -EPERM);
	assert_int_equal(vf_get(w, 2).attach.kind, VF_ATTACH_NONE);
}

static uint32_t mtu_of(struct world *w, unsigned int vf)
{
	uint32_t mtu = fake.snap->ports[sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[vf].id]->mtu;

	assert_int_equal(vf_get(w, vf).status.mtu, mtu);
	return mtu;
}

/* As below a NIC's port: its MTU bounds them all, and what they were set to comes back with it. */
static void mtu_of_a_vf_is_never_above_the_pfs(void **state)
{
	const struct vf_attach tap = { .kind = VF_ATTACH_TAP, .tap = "tap0" };
	struct vf_change both = { .changed = 1U << VF_FIELD_MTU, .want.mtu = 9000 };
	struct pf_change change = { .changed = 1U << PF_FIELD_MTU, .want.mtu = 9000, .n_vfs = 1,
				    .vfs = &both };
	struct world *w = *state;

	pf_add(w, "p2p1", 2);
	sw_ops.vf_attach(w->sw, "p2p1", 1, &tap, NULL);
	assert_int_equal(vf_words(w, 0, false, "mtu 1501"), -EINVAL);
	assert_non_null(strstr(w->e.msg, "p2p1 vf 0: mtu 1501 is above the PF's 1500"));
	assert_int_equal(vf_words(w, 0, false, "mtu 67"), -EINVAL);
	assert_int_equal(mtu_of(w, 0), 1500);
	assert_int_equal(sw_ops.pf_set(w->sw, "p2p1", &change, NULL), 0);
	assert_int_equal(mtu_of(w, 0), 9000);
	assert_int_equal(mtu_of(w, 1), 9000);
	fake.applied_mtu = 0;
	assert_int_equal(vf_words(w, 1, false, "mtu 4000"), 0);
	assert_int_equal(fake.applied_mtu, 4000); /* the tap's own */
	assert_int_equal(pf_words(w, "mtu 1400"), 0);
	assert_int_equal(fake.applied_mtu, 1400);
	assert_int_equal(mtu_of(w, 0), 1400);
	assert_int_equal(vf_words(w, 0, false, "trust on"), 0); /* no word of it */
	world_restart(w);
	assert_int_equal(mtu_of(w, 1), 1400);
	assert_int_equal(pf_words(w, "mtu 8000"), 0);
	assert_int_equal(mtu_of(w, 0), 8000);
	assert_int_equal(mtu_of(w, 1), 4000);
	assert_int_equal(vf_get(w, 0).config.mtu, 9000);
	assert_int_equal(vf_words(w, 0, false, "mtu 0"), 0);
	assert_int_equal(vf_get(w, 0).config.mtu, 0);
	assert_int_equal(mtu_of(w, 0), 8000);
}

static int trunk_words(struct world *w, const char *add, const char *rem)
{
	struct vf_change c = { 0 };
	struct pf_change change = { .n_vfs = 1, .vfs = &c };

	vlan_set_parse(add, &c.trunk_add, NULL);
	vlan_set_parse(rem, &c.trunk_rem, NULL);
	w->e = (struct err){ 0 };
	return sw_ops.pf_set(w->sw, "p2p1", &change, &w->e);
}

static void assert_trunk(struct world *w, const char *is)
{
	const struct vf_info info = vf_get(w, 0);
	char text[64];

	vlan_set_format(&info.config.trunk, text, sizeof(text));
	assert_string_equal(text, is);
}

/* By hand, on a VF that the agent has set: it writes what changed in its wish and nothing else. */
static void trunk_lists_change_where_they_are(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 2);
	vf_words(w, 0, true, "mac " M2 " vlan 0 trunk none mtu 1400");
	assert_int_equal(trunk_words(w, "10,20-30", "any"), 0);
	assert_int_equal(trunk_words(w, "any", "20-29"), 0);
	assert_trunk(w, "10,30");
	assert_string_equal(vf_get(w, 0).status.overridden, "trunk");
	assert_int_equal(vf_words(w, 0, false, "native 5"), 0);
	assert_int_equal(vf_words(w, 0, true, "mtu 1300"), 0);
	assert_int_equal(vf_words(w, 0, false, "vlan 0"), 0);
	assert_int_equal(vf_words(w, 0, true, "vlan 100"), -EINVAL);
	assert_non_null(strstr(w->e.msg, "p2p1 vf 0: native 5 and vlan 100"));
	world_restart(w);
	assert_trunk(w, "10,30");
	assert_int_equal(vf_get(w, 0).config.native, 5);
	assert_int_equal(vf_get(w, 0).config.mtu, 1300);
	assert_int_equal(trunk_words(w, "any", "10,30"), 0);
	assert_trunk(w, "none");
	vf_words(w, 0, false, "trunk any");
	assert_int_equal(trunk_words(w, "any", "10"), -EINVAL);
	assert_non_null(strstr(w->e.msg, "p2p1 vf 0: trunk rem: the trunk is unset"));
	assert_trunk(w, "any");
}

/* Versions before `add` took 0 and 4095 in a list; they meant nothing then, and mean nothing now. */
static void lists_of_older_state_files_are_read(void **state)
{
	static const char text[] =
		"{\"version\": 2, \"pfs\": [{\"slot\": 0, \"config\": {\"name\": \"p2p1\", "
		"\"numvfs\": 1}, \"vfs\": [{\"vf\": 0, \"config\": {\"trunk\": \"0,7,4095\"}}]}]}";
	struct world *w = *state;

	sw_close(w->sw);
	w->sw = NULL;
	file_replace(w->state, text, strlen(text), 0600, NULL);
	assert_int_equal(world_start(w), 0);
	assert_int_equal(vf_get(w, 0).config.native, 0);
	assert_int_equal(vf_get(w, 0).config.promisc, VF_PROMISC_UNMATCHED);
	assert_int_equal(w->sw->pfs[0]->config.unknown_unicast, UNKNOWN_UPLINK);
	assert_int_equal(trunk_words(w, "8", "any"), 0);
	assert_trunk(w, "0,7-8,4095");
}

static bool host_hears_unknown(const struct world *w)
{
	return fake.snap->ports[w->sw->pfs[0]->host.id]->flags & VEB_UNKNOWN;
}

static void unknown_unicast_follows_the_host_interface_and_a_restart(void **state)
{
	struct world *w = *state;
	struct pf_config c = pf_config("p2p1", 1);

	c.host_if = true;
	assert_int_equal(sw_ops.pf_add(w->sw, &c, 0, &w->e), 0);
	assert_false(host_hears_unknown(w));
	assert_int_equal(pf_words(w, "unknown_unicast both"), 0);
	assert_true(host_hears_unknown(w));
	world_restart(w);
	assert_true(host_hears_unknown(w));
	assert_int_equal(pf_words(w, "host_if off"), 0);
	assert_int_equal(fake.snap->domains[0].host, VEB_NO_PORT);
	assert_int_equal(pf_words(w, "host_if on"), 0);
	assert_true(host_hears_unknown(w));
	assert_int_equal(pf_words(w, "unknown_unicast uplink"), 0);
	assert_false(host_hears_unknown(w));
}

/* The port of the wire sends what comes in by it. */
static void the_wires_counters_are_the_pfs_view(void **state)
{
	struct world *w = *state;
	struct pf_info pf;

	pf_add(w, "p2p1", 1);
	assert_int_equal(pf_words(w, "host_if on uplink dev uplink_arg eth9"), 0);
	assert_int_equal(sw_ops.pf_get(w->sw, "p2p1", &pf, NULL), 0);
	assert_true(pf.status.uplink.rx_packets == 2 && pf.status.uplink.tx_packets == 1);
	assert_true(pf.status.host.rx_packets == 1 && pf.status.host.tx_packets == 2);
}

static void words_of_nics_are_refused(void **state)
{
	struct world *w = *state;
	struct pf_config want;

	pf_add(w, "p2p1", 1);
	assert_int_equal(vf_words(w, 0, false, "group gold"), -EOPNOTSUPP);
	assert_non_null(strstr(w->e.msg, "\"group\" is a word of NICs' VFs, and p2p1 is"));
	assert_int_equal(pf_words(w, "groups gold"), -EOPNOTSUPP);
	assert_non_null(strstr(w->e.msg, "\"groups\" is a word of NICs' PFs"));
	assert_int_equal(pf_words(w, "drift repair"), -EOPNOTSUPP);
	pf_config_default(&want);
	strcpy(want.name, "p2p2");
	strcpy(want.groups, "gold");
	assert_int_equal(sw_ops.pf_add(w->sw, &want, ~0U, NULL), -EOPNOTSUPP);
}

static void release_returns_everything_to_its_default(void **state)
{
	struct world *w = *state;
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST };
	const struct mirror_config mirror = { "m", "p2p1", 0, MIRROR_IN, "p2p1", 1 };
	const struct mirror_config other = { "other", "p2p1", 1, MIRROR_IN, "p2p1", 2 };
	struct mirror_info mirror_out;
	struct vf_config plain;
	unsigned int resets;
	uint16_t id;

	pf_add(w, "p2p1", 3);
	id = sw_pf_find(w->sw, "p2p1", NULL)->vf_ports[0].id;
	vf_config_default(&plain);
	vf_words(w, 0, true, "mac " M2 " vlan 5 qos 1 proto 802.1ad spoofchk off trust on trunk none max_tx_rate 9 min_tx_rate 5");
	vf_words(w, 0, true, "port_id x server vm state enable query_rss on isolated on storm_broadcast 8 storm_multicast 9 "
			     "learning 7 allowed " M58 " mtu 1200 promisc true");
	struct vf_info info = vf_get(w, 0);
	assert_int_equal(fields_diff(vf_fields, &info.config, &plain),
			 ((1U << VF_FIELD_N) - 1) &
				 ~(1U << VF_FIELD_NATIVE | 1U << VF_FIELD_GROUP));
	vf_words(w, 0, false, "vlan 0 native 6 promisc off");
	sw_ops.vf_attach(w->sw, "p2p1", 0, &vhost, NULL);
	sw_ops.mirror_add(w->sw, &mirror, NULL);
	sw_ops.mirror_add(w->sw, &other, NULL);
	seen(w, 0, BEHIND);
	guest_says(w, 0, M59);
	info = vf_get(w, 0);
	assert_true(info.status.n_learned == 1 && info.status.n_accepted == 1);
	resets = fake.resets[id];
	assert_int_equal(sw_ops.vf_release(w->sw, "p2p1", 0, NULL), 0);
	info = vf_get(w, 0);
	assert_int_equal(fields_diff(vf_fields, &info.config, &plain), 0);
	assert_int_equal(info.attach.kind, VF_ATTACH_NONE);
	assert_int_equal(info.status.n_accepted, 0);
	assert_string_equal(info.status.overridden, "");
	assert_false(info.status.connected);
	assert_int_equal(info.status.n_learned, 0);
	assert_int_equal(fake.rate[id] + fake.rate_min[id], 0);
	assert_int_equal(fake.resets[id], resets + 1);
	assert_int_equal(sw_ops.mirror_get(w->sw, 0, &mirror_out), 0);
	assert_string_equal(mirror_out.config.name, "other");
	assert_int_equal(sw_ops.mirror_get(w->sw, 1, &mirror_out), -ENOENT);
}

/* Between the last frame by the old rules and the first by the new the user is off, or unplugged. */
static void nobodys_frames_go_by_rules_he_did_not_send_them_under(void **state)
{
	static const struct {
		const char *words, *calls;
	} changes[] = {
		{ "vlan 200", "hPR" }, { "vlan 0", "hPR" }, { "qos 0 max_tx_rate 5 mtu 900", "P" },
		{ "trunk 5", "P" }, { "trunk 5,6", "hPR" }, { "trust on", "P" },
		{ "spoofchk off", "hPR" }, { "spoofchk on", "P" }, { "port_id x", "hPR" },
	};
	const struct vf_attach vhost = { .kind = VF_ATTACH_VHOST };
	struct world *w = *state;
	char *state_path = w->sw->state, nowhere[] = "/proc/nowhere/state";

	pf_add(w, "p2p1", 2);
	vf_words(w, 0, false, "mac " M0 " vlan 100");
	memset(fake.calls, 0, sizeof(fake.calls));
	sw_ops.vf_attach(w->sw, "p2p1", 0, &vhost, NULL);
	assert_string_equal(fake.calls, "haPR"); /* what his ring held before is not sent */
	for (unsigned int i = 0; i < ARRAY_LEN(changes); i++) {
		memset(fake.calls, 0, sizeof(fake.calls));
		assert_int_equal(vf_words(w, 0, false, changes[i].words), 0);
		assert_string_equal(fake.calls, changes[i].calls);
	}
	memset(fake.calls, 0, sizeof(fake.calls));
	w->sw->state = nowhere;
	assert_true(vf_words(w, 0, false, "vlan 300") < 0);
	assert_true(sw_ops.vf_release(w->sw, "p2p1", 0, NULL) < 0);
	assert_true(sw_ops.vf_detach(w->sw, "p2p1", 0, NULL) < 0);
	assert_string_equal(fake.calls, ""); /* and his plug stayed where it was */
	w->sw->state = state_path;
	assert_int_equal(sw_ops.vf_release(w->sw, "p2p1", 0, NULL), 0);
	assert_string_equal(fake.calls, "dP");
	sw_ops.vf_attach(w->sw, "p2p1", 0, &vhost, NULL);
	memset(fake.calls, 0, sizeof(fake.calls));
	assert_int_equal(sw_ops.vf_detach(w->sw, "p2p1", 0, NULL), 0);
	assert_string_equal(fake.calls, "dP");
	assert_int_equal(vf_words(w, 0, false, "vlan 300"), 0);
	assert_string_equal(fake.calls, "dPP"); /* nobody is there to be held */
}

static void mirrors_cross_pfs_and_are_refused_by_name(void **state)
{
	struct world *w = *state;
	struct mirror_config m = { "m", "p2p1", 0, MIRROR_BOTH, "p2p2", 1 };

	pf_add(w, "p2p1", 2);
	pf_add(w, "p2p2", 2);
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), 0);
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), -EEXIST);
	who(w, 0, M0, M2);
	assert_int_equal(w->out->bins[sw_pf_find(w->sw, "p2p2", NULL)->vf_ports[1].id].n, 1);
	strcpy(m.name, "n");
	m.to_vf = 7;
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), -EINVAL);
	strcpy(m.to_pf, "p2p9");
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), -ENODEV);
	strcpy(m.to_pf, "p2p1");
	m.to_vf = 0;
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), -EINVAL);
	assert_int_equal(sw_ops.pf_del(w->sw, "p2p2", false, NULL), -EBUSY);
	assert_int_equal(sw_ops.mirror_del(w->sw, "m", NULL), 0);
	assert_int_equal(sw_ops.mirror_del(w->sw, "m", NULL), -ENOENT);
}

static int mirror_line(struct world *w, const char *name, unsigned int from, unsigned int to)
{
	struct mirror_config m = { "", "p2p1", (uint16_t)from, MIRROR_BOTH, "p2p1", (uint16_t)to };

	strcpy(m.name, name);
	w->e.msg[0] = '\0';
	return sw_ops.mirror_add(w->sw, &m, &w->e);
}

/* Frames a to j, and which of them VF 3 hears, whose VLAN is its own: once each. */
static void mirrors_watch_what_their_words_say(void **state)
{
	enum { WIRE = 8, HOST };
	static const struct {
		unsigned int from; /* VF, or one of these */
		const char *src, *dst;
		uint16_t vlan;
	} frames[] = {
		{ 0, M0, M2, 0 },   { 1, M2, M0, 0 },	   { 0, M0, BEHIND, 0 },  { WIRE, BEHIND, M0, 0 },
		{ 0, M0, M59, 0 },  { HOST, M59, M0, 0 },  { 0, M0, M58, 100 },	  { 2, M58, BEHIND, 0 },
		{ WIRE, BEHIND, M58, 100 }, { HOST, M59, M58, 100 },
	};
	static const struct {
		uint8_t from, vf_or_vlan;
		const char *in, *out, *both;
	} cases[] = {
		{ MIRROR_FROM_VF, 1, "a", "b", "ab" },
		{ MIRROR_FROM_VF, 2, "gij", "h", "ghij" },
		{ MIRROR_FROM_UPLINK, 0, "di", "ch", "cdhi" },
		{ MIRROR_FROM_PF, 0, "e", "fj", "efj" },
		{ MIRROR_FROM_VLAN, 100, "ij", "gh", "ghij" },
	};
	struct world *w = *state;
	const struct sw_pf *pf;

	pf_add(w, "p2p1", 4);
	vf_words(w, 0, false, "mac " M0);
	vf_words(w, 1, false, "mac " M2);
	vf_words(w, 2, false, "vlan 100 mac " M58);
	vf_words(w, 3, false, "vlan 4094");
	assert_int_equal(pf_words(w, "host_if on uplink dev uplink_arg eth9 mac " M59), 0);
	pf = sw_pf_find(w->sw, "p2p1", NULL);
	for (unsigned int i = 0; i < 3 * ARRAY_LEN(cases); i++) {
		const char *want[] = { cases[i / 3].in, cases[i / 3].out, cases[i / 3].both };
		static const uint8_t dirs[] = { MIRROR_IN, MIRROR_OUT, MIRROR_BOTH };
		struct mirror_config m = { "m", "p2p1", cases[i / 3].vf_or_vlan, dirs[i % 3], "p2p1", 3, cases[i / 3].from, cases[i / 3].vf_or_vlan };
		char heard[16] = "";

		if (m.from != MIRROR_FROM_VF)
			m.from_vf = 0;
		if (m.from != MIRROR_FROM_VLAN)
			m.from_vlan = 0;
		assert_int_equal(sw_ops.mirror_add(w->sw, &m, &w->e), 0);
		for (unsigned int k = 0; k < ARRAY_LEN(frames); k++) {
			const struct frame f = { .dst = mac(frames[k].dst), .src = mac(frames[k].src), .len = 60,
						 .tag = frames[k].vlan ? TAG_MAKE(TPID_8021Q, 0, frames[k].vlan) : 0 };
			unsigned int from = frames[k].from;

			veb_out_reset(w->out);
			veb_forward(fake.snap, from == WIRE ? pf->uplink.id : from == HOST ? pf->host.id : pf->vf_ports[from].id,
				    &f, 1, w->out);
			for (unsigned int n = 0; n < w->out->bins[pf->vf_ports[3].id].n; n++)
				snprintf(heard + strlen(heard), 2, "%c", 'a' + k);
		}
		assert_string_equal(heard, want[i % 3]);
		assert_int_equal(sw_ops.mirror_del(w->sw, "m", NULL), 0);
	}
}

static void mirror_loops_are_refused_by_whatever_detour(void **state)
{
	struct world *w = *state;
	struct mirror_config to_0 = { .to_vf = 0 };

	pf_add(w, "p2p1", 8);
	assert_int_equal(mirror_line(w, "a", 0, 1), 0);
	assert_int_equal(mirror_line(w, "c", 2, 3), 0);
	assert_int_equal(mirror_line(w, "b", 1, 2), 0);
	assert_int_equal(mirror_line(w, "d", 0, 2), 0); /* two ways to one end are no loop */
	assert_int_equal(mirror_line(w, "x", 1, 0), -ELOOP);
	assert_int_equal(mirror_line(w, "x", 3, 0), -ELOOP);
	assert_non_null(strstr(w->e.msg, "p2p1 vf 3 by mirror c"));
	assert_int_equal(sw_ops.mirror_set(w->sw, "c", &to_0, 1 << MIRROR_FIELD_TO_VF, NULL),
			 -ELOOP);
	assert_int_equal(mirror_line(w, "x", 4, 0), 0);
	assert_int_equal(sw_ops.mirror_del(w->sw, "b", NULL), 0);
	assert_int_equal(sw_ops.mirror_del(w->sw, "d", NULL), 0);
	assert_int_equal(mirror_line(w, "y", 3, 0), 0);
}

static void a_mirrors_new_words_are_in_force_and_saved(void **state)
{
	struct world *w = *state;
	struct mirror_config words = { .from = MIRROR_FROM_VLAN, .from_vlan = 5 };
	struct mirror_info info;

	pf_add(w, "p2p1", 3);
	assert_int_equal(mirror_line(w, "m", 0, 2), 0);
	assert_int_equal(sw_ops.mirror_set(w->sw, "n", &words, 0, NULL), -ENOENT);
	strcpy(words.pcap, "nonsense here");
	assert_int_equal(sw_ops.mirror_set(w->sw, "m", &words, 1 << MIRROR_FIELD_PCAP, &w->e),
			 -EINVAL);
	assert_non_null(strstr(w->e.msg, "nonsense"));
	strcpy(words.pcap, "ether[0] = 2");
	assert_int_equal(sw_ops.mirror_set(w->sw, "m", &words,
					   1 << MIRROR_FIELD_PCAP | 1 << MIRROR_FIELD_FROM |
						   1 << MIRROR_FIELD_FROM_VLAN,
					   NULL),
			 0);
	assert_int_equal(sw_ops.pf_del(w->sw, "p2p1", false, NULL), -EBUSY);
	world_restart(w);
	assert_int_equal(sw_ops.mirror_get(w->sw, 0, &info), 0);
	assert_int_equal(info.config.from, MIRROR_FROM_VLAN);
	assert_int_equal(info.config.from_vlan, 5);
	assert_int_equal(info.config.from_vf, 0);
	assert_string_equal(info.config.pcap, "ether[0] = 2");
	assert_non_null(w->sw->mirrors[0].filter);
}

static void a_mirror_to_elsewhere_has_a_port_while_it_is_there(void **state)
{
	struct world *w = *state;
	struct mirror_config m = { .name = "m",
				   .from_pf = "p2p1",
				   .to = MIRROR_TO_GRE,
				   .remote = "10.0.0.1" };
	const struct mirror_config words = { .id = 5, .to = MIRROR_TO_VF, .to_pf = "p2p1" };
	struct mirror_info info;

	pf_add(w, "p2p1", 2);
	fake.open_fails = -EPERM;
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), -EPERM);
	fake.open_fails = 0;
	assert_int_equal(w->sw->mirrors[0].port.id, VEB_NO_PORT);
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), 0);
	assert_true(fake.plugged[w->sw->mirrors[0].port.id]);
	assert_non_null(fake.snap->ports[w->sw->mirrors[0].port.id]);
	fake.failed = 2;
	assert_int_equal(sw_ops.mirror_get(w->sw, 0, &info), 0);
	assert_int_equal(info.mirrored, 1);
	assert_int_equal(info.dropped, 6);
	assert_int_equal(sw_ops.mirror_set(w->sw, "m", &words, 1 << MIRROR_FIELD_ID, NULL), 0);
	assert_true(fake.plugged[w->sw->mirrors[0].port.id]);
	fake.open_fails = -EPERM; /* as after a restart whose parent refuses */
	world_restart(w);
	assert_false(w->sw->mirrors[0].port.plugged);
	fake.open_fails = 0;
	assert_true(sw_mirrors_tick(w->sw));
	assert_true(fake.plugged[w->sw->mirrors[0].port.id]);
	assert_int_equal(sw_ops.mirror_set(w->sw, "m", &words,
					   1 << MIRROR_FIELD_TO | 1 << MIRROR_FIELD_TO_PF |
						   1 << MIRROR_FIELD_TO_VF,
					   &w->e),
			 -EINVAL); /* to itself */
	assert_int_equal(sw_ops.vf_release(w->sw, "p2p1", 0, NULL), 0);
	assert_int_equal(w->sw->mirrors[0].port.id, VEB_NO_PORT);
	for (unsigned int i = 0; i < VEB_PORTS_MAX; i++)
		assert_false(fake.plugged[i]);
	fake.failed = 0;
}

/* Starts one; the client's end of its socket. */
static int capture(struct world *w, uint16_t vf)
{
	const struct mirror_config m = {
		.name = "capture", .from_pf = "p2p1", .from_vf = vf, .to = MIRROR_TO_CAPTURE
	};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(sw_ops.capture(w->sw, &m, fds[1], NULL), 0);
	close(fds[1]);
	return fds[0];
}

static void a_capture_lasts_as_long_as_its_client_and_its_source(void **state)
{
	struct mirror_config m = { .name = "m", .from_pf = "p2p1", .to = MIRROR_TO_CAPTURE };
	struct world *w = *state;
	struct mirror_info info;
	uint16_t ids[3];
	int fds[3];

	pf_add(w, "p2p1", 3);
	for (uint16_t i = 0; i < 3; i++) {
		fds[i] = capture(w, i);
		ids[i] = w->sw->mirrors[i].port.id;
		assert_true(fake.plugged[ids[i]]);
		assert_non_null(fake.snap->ports[ids[i]]);
	}
	assert_int_equal(sw_ops.mirror_get(w->sw, 0, &info), -ENOENT);
	assert_int_equal(sw_ops.mirror_del(w->sw, "capture", NULL), -ENOENT);
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), -EINVAL);
	shutdown(fds[1], SHUT_WR);
	loop_turn(w->loop, 0);
	assert_false(fake.plugged[ids[1]]);
	assert_false(w->sw->mirrors[1].used);
	assert_int_equal(pf_words(w, "numvfs 1"), 0); /* captures hold nobody */
	assert_false(fake.plugged[ids[2]]);
	assert_true(fake.plugged[ids[0]]);
	sw_captures_tick(w->sw);
	assert_non_null(w->sw->captures);
	assert_int_equal(sw_ops.vf_release(w->sw, "p2p1", 0, NULL), 0);
	assert_false(fake.plugged[ids[0]]);
	sw_captures_tick(w->sw);
	assert_null(w->sw->captures);
	for (unsigned int i = 0; i < 3; i++)
		close(fds[i]);
	close(capture(w, 0));
	world_restart(w);
	assert_false(w->sw->mirrors[0].used);
}

static void a_capture_needs_no_disk(void **state)
{
	struct world *w = *state;

	pf_add(w, "p2p1", 1);
	sw_state_forget(w->sw); /* as when the last change is not on the disk yet */
	unlink(w->state);
	assert_int_equal(mkdir(w->state, 0700), 0); /* and cannot be written */
	close(capture(w, 0));
	assert_int_equal(rmdir(w->state), 0);
}

static void a_capture_that_cannot_begin_leaves_nothing(void **state)
{
	struct mirror_config m = { .name = "capture", .from_pf = "p2p1", .to = MIRROR_TO_CAPTURE };
	struct world *w = *state;
	int fds[2];

	pf_add(w, "p2p1", 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	m.from_vf = 1;
	assert_int_equal(sw_ops.capture(w->sw, &m, fds[1], NULL), -EINVAL);
	m.from_vf = 0;
	fake.open_fails = -EPERM;
	assert_int_equal(sw_ops.capture(w->sw, &m, fds[1], NULL), -EPERM);
	fake.open_fails = 0;
	strcpy(m.pcap, "nonsense");
	assert_int_equal(sw_ops.capture(w->sw, &m, fds[1], NULL), -EINVAL);
	assert_false(w->sw->mirrors[0].used);
	assert_null(w->sw->mirrors[0].capture);
	sw_captures_tick(w->sw);
	assert_null(w->sw->captures);
	close(fds[0]);
	close(fds[1]);
}

static void a_tap_of_two_mirrors_goes_with_the_last(void **state)
{
	struct world *w = *state;
	struct mirror_config m = {
		.name = "m", .from_pf = "p2p1", .to = MIRROR_TO_TAP, .tap = "mon0"
	};
	const struct vf_attach tap = { .kind = VF_ATTACH_TAP, .tap = "mon0" };
	unsigned int closed = fake.taps_closed;

	pf_add(w, "p2p1", 2);
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), 0);
	strcpy(m.name, "n");
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), 0);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 0, &tap, NULL), -EEXIST);
	world_restart(w);
	assert_int_equal(fake.taps_closed, closed);
	assert_int_equal(sw_ops.mirror_del(w->sw, "m", NULL), 0);
	assert_int_equal(fake.taps_closed, closed);
	assert_int_equal(sw_ops.mirror_del(w->sw, "n", NULL), 0);
	assert_int_equal(fake.taps_closed, closed + 1);
	assert_int_equal(sw_ops.vf_attach(w->sw, "p2p1", 0, &tap, NULL), 0);
	strcpy(m.tap, "mon0");
	assert_int_equal(sw_ops.mirror_add(w->sw, &m, NULL), -EEXIST);
}

static void pci_addresses_follow_first_offset_and_stride(void **state)
{
	struct world *w = *state;
	struct pf_info info;

	pf_add(w, "p2p1", 256);
	pf_add(w, "p2p2", 1);
	sw_ops.pf_get(w->sw, "p2p1", &info, NULL);
	assert_string_equal(info.status.pci_slot, "0000:05:00.0");
	assert_string_equal(vf_get(w, 0).status.pci_slot, "0000:05:10.0");
	assert_string_equal(vf_get(w, 1).status.pci_slot, "0000:05:10.2");
	assert_string_equal(vf_get(w, 7).status.pci_slot, "0000:05:11.6");
	assert_string_equal(vf_get(w, 255).status.pci_slot, "0000:07:0f.6");
	sw_ops.pf_get(w->sw, "p2p2", &info, NULL);
	assert_string_equal(info.status.pci_slot, "0000:09:00.0");
}

static void pf_add_refuses_what_exists_or_cannot_be(void **state)
{
	struct world *w = *state;
	struct pf_config c = pf_config("p2p1", 2);
	char names[2][PF_NAME_LEN + 1];

	c.uplink = UPLINK_DEV;
	strcpy(c.uplink_arg, "eth9");
	assert_int_equal(sw_ops.pf_add(w->sw, &c, 0, NULL), 0);
	assert_int_equal(sw_ops.pf_add(w->sw, &c, 0, NULL), -EEXIST);
	strcpy(c.name, "p2p2");
	c.numvfs = VF_MAX + 1;
	assert_int_equal(sw_ops.pf_add(w->sw, &c, 0, NULL), -EINVAL);
	c.numvfs = 2;
	assert_int_equal(sw_ops.pf_add(w->sw, &c, 0, &w->e), -EBUSY); /* the wire is taken */
	assert_non_null(strstr(w->e.msg, "p2p1"));
	fake.open_fails = -ENODEV;
	strcpy(c.uplink_arg, "eth8");
	assert_int_equal(sw_ops.pf_add(w->sw, &c, 0, NULL), -ENODEV);
	assert_int_equal(sw_ops.pf_list(w->sw, names, 2), 1);
	assert_string_equal(names[0], "p2p1");
	assert_int_equal(pf_words(w, "name other"), -EOPNOTSUPP);
}

/* What the model says must be plugged in and numbered, against what is. */
static void model_is_consistent(struct world *w)
{
	unsigned int n_ids = 0, n_plugged = 0, ids = 0, plugged = 0;
	size_t saved = w->sw->saved.size;

	for (unsigned int i = 0; i < PFS_MAX; i++) {
		const struct sw_pf *pf = w->sw->pfs[i];

		if (!pf)
			continue;
		n_plugged += (pf->config.uplink != UPLINK_NONE) + pf->config.host_if + pf->n_svcs;
		n_ids += (pf->config.uplink != UPLINK_NONE) + pf->config.host_if + pf->n_svcs;
		n_ids += pf->config.numvfs;
		for (unsigned int k = 0; k < pf->config.numvfs; k++)
			n_plugged += pf->vfs[k].attach.kind != VF_ATTACH_NONE;
	}
	for (unsigned int i = 0; i < VEB_PORTS_MAX; i++) {
		ids += w->sw->ids[i];
		plugged += fake.plugged[i];
	}
	assert_int_equal(ids, n_ids);
	assert_int_equal(plugged, n_plugged);
	assert_int_equal(sw_state_save(w->sw, NULL), 0);
	if (!w->sw->unsaved) /* by a filter */
		assert_int_equal(w->sw->saved.size, saved); /* the file held just this */
	w->sw->unsaved = false;
}

/* One command by chance; returns what it did. */
static int random_command(struct world *w, unsigned int *seed)
{
	static const char *const macs[] = { M0, M2, M58, M59, "00:00:00:00:00:00" };
	static const char *const words[] = { "vlan 5",	  "spoofchk off", "trust on",
					     "trust off", "mac " M59,	  "mac " M2,
					     "port_id x", "max_tx_rate 7" };
	const char *pf = rand_r(seed) % 2 ? "p2p1" : "p2p2";
	unsigned int vf = (unsigned int)rand_r(seed) % 5;
	struct vf_attach a = { .kind = (uint8_t)(1 + rand_r(seed) % 2) };
	const struct vf_filter f = { .main_mac = mac(macs[rand_r(seed) % 5]) };
	struct mirror_config m = { "", "p2p1", (uint16_t)vf, MIRROR_BOTH, "p2p2", 1 };
	struct svc_config svc = { .name = "svc0" };
	struct pf_config c = pf_config(pf, (uint16_t)(rand_r(seed) % 5));
	char text[64];

	strcpy(svc.pf, pf);
	snprintf(a.tap, sizeof(a.tap), "tap%u", vf);
	snprintf(m.name, sizeof(m.name), "m%u", vf);
	c.host_if = rand_r(seed) % 2;
	c.uplink = rand_r(seed) % 2 ? UPLINK_DEV : UPLINK_NONE;
	if (c.uplink)
		snprintf(c.uplink_arg, sizeof(c.uplink_arg), "eth%u", vf);
	snprintf(text, sizeof(text), "numvfs %u host_if %s uplink %s", c.numvfs,
		 c.host_if ? "on" : "off", c.uplink ? "dev uplink_arg eth7" : "none");
	switch (rand_r(seed) % 14) {
	case 0:
		return sw_ops.pf_add(w->sw, &c, 0, NULL);
	case 1:
		return rand_r(seed) % 4 ? 0 : sw_ops.pf_del(w->sw, pf, false, NULL);
	case 2:
		return pf_words(w, text);
	case 3:
		return sw_ops.vf_attach(w->sw, pf, vf, &a, NULL);
	case 4:
		return sw_ops.vf_detach(w->sw, pf, vf, NULL);
	case 5:
		return sw_ops.vf_release(w->sw, pf, vf, NULL);
	case 6:
		return sw_ops.vf_filter(w->sw, pf, vf, rand_r(seed) % 4 ? &f : NULL, NULL);
	case 7:
		return sw_ops.svc_add(w->sw, &svc, NULL);
	case 8:
		return sw_ops.svc_del(w->sw, pf, "svc0", NULL);
	case 9:
		return sw_ops.mirror_add(w->sw, &m, NULL);
	case 10:
		return sw_ops.mirror_del(w->sw, m.name, NULL);
	default:
		return vf_words(w, vf, rand_r(seed) % 2, words[rand_r(seed) % ARRAY_LEN(words)]);
	}
}

static void commands_that_fail_anywhere_leave_nothing_behind(void **state)
{
	struct world *w = *state;
	char *real = w->sw->state, nowhere[] = "/proc/nowhere/state";
	unsigned int seed = 7, done = 0;

	pf_add(w, "p2p1", 4);
	for (unsigned int i = 0; i < 1500; i++) {
		fake.open_fails = rand_r(&seed) % 4 ? 0 : -EIO;
		w->sw->state = rand_r(&seed) % 4 ? real : nowhere;
		done += !random_command(w, &seed);
		w->sw->state = real;
		model_is_consistent(w);
	}
	assert_in_range(done, 300, 1200);
	fake.open_fails = 0;
	world_restart(w);
	model_is_consistent(w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(founding_recipe_holds_step_by_step),
		T(the_recipe_holds_though_its_guest_is_heard_last),
		T(the_recipe_ends_when_its_guest_is_seen_with_its_own_address),
		T(who_is_asked_later_is_asked_for_the_administrative_address),
		T(without_the_filter_source_the_recipe_fails),
		T(on_a_bare_switch_a_source_counts_as_a_request),
		T(groups_are_the_guests_and_all_multicast_takes_a_right),
		T(an_administrative_mac_holds_the_guest_both_ways),
		T(a_vf_without_mac_takes_its_newest_source),
		T(no_guest_takes_what_is_others_by_right),
		T(what_becomes_others_by_right_is_lost_to_whom_chose_it),
		T(a_change_judges_only_guests_whose_addresses_it_is_about),
		T(a_snapshot_costs_what_changed),
		T(allowed_addresses_are_the_vfs_without_trust),
		T(an_address_that_was_allowed_goes_with_the_list),
		T(addresses_behind_a_guest_are_learned_up_to_a_bound),
		T(what_somebody_has_by_right_is_never_learned),
		T(a_learned_address_moves_but_not_at_once),
		T(who_learns_is_asked_for_his_own_address_once),
		T(a_flow_of_new_addresses_holds_up_nobody),
		T(a_learned_address_is_no_right_without_an_own_one),
		T(learned_addresses_go_when_they_are_silent),
		T(a_software_vf_is_not_plugged_in_as_a_nics_is),
		T(settings_survive_a_restart),
		T(what_cannot_be_plugged_in_at_the_start_comes_later),
		T(accepted_addresses_are_read_from_all_versions),
		T(state_of_a_newer_version_or_damaged_is_refused),
		T(senders_wait_at_the_start_for_who_is_back),
		T(a_state_file_that_cannot_be_written_fails_the_command_whole),
		T(commands_that_fail_anywhere_leave_nothing_behind),
		T(without_memory_the_file_is_the_old_one_or_the_whole_new_one),
		T(a_change_that_is_cut_off_anywhere_never_was),
		T(a_damaged_change_before_others_is_refused),
		T(the_state_file_does_not_grow_for_ever),
		T(what_guests_teach_is_saved_once_a_tick),
		T(one_bad_word_leaves_the_whole_command_out),
		T(numvfs_changes_online_but_not_below_a_vf_in_use),
		T(link_state_follows_the_pf_unless_told_otherwise),
		T(a_deaf_wire_is_mended_while_nobody_reads_it),
		T(a_change_of_some_netdev_has_wires_looked_at_at_once),
		T(trust_changes_without_a_reset),
		T(promiscuity_is_what_the_operators_word_says),
		T(attachments_are_exclusive_and_idempotent),
		T(mtu_of_a_vf_is_never_above_the_pfs),
		T(trunk_lists_change_where_they_are),
		T(lists_of_older_state_files_are_read),
		T(unknown_unicast_follows_the_host_interface_and_a_restart),
		T(the_wires_counters_are_the_pfs_view),
		T(words_of_nics_are_refused),
		T(release_returns_everything_to_its_default),
		T(nobodys_frames_go_by_rules_he_did_not_send_them_under),
		T(mirrors_cross_pfs_and_are_refused_by_name),
		T(a_mirror_to_elsewhere_has_a_port_while_it_is_there),
		T(a_capture_lasts_as_long_as_its_client_and_its_source),
		T(a_capture_needs_no_disk),
		T(a_capture_that_cannot_begin_leaves_nothing),
		T(a_tap_of_two_mirrors_goes_with_the_last),
		T(mirrors_watch_what_their_words_say),
		T(mirror_loops_are_refused_by_whatever_detour),
		T(a_mirrors_new_words_are_in_force_and_saved),
		T(pci_addresses_follow_first_offset_and_stride),
		T(pf_add_refuses_what_exists_or_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
