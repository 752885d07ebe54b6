/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a daemon has to what a file says, by the verbs of every PF (model/pf_ops.h): what goes
 * first, so that what comes finds its names, wires and VFs free. What is the same on both sides is
 * asked of nobody: no frame of it is lost.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ctl/host.h"

#define BIT(n)	    (1U << (n))
#define UPLINK_ROWS (BIT(PF_FIELD_UPLINK) | BIT(PF_FIELD_UPLINK_ARG) | BIT(PF_FIELD_FORCE))
/* Rows of a mirror that may change while it counts on. */
#define MIRROR_LIGHT                                                                               \
	(BIT(MIRROR_FIELD_DIR) | BIT(MIRROR_FIELD_VLANS) | BIT(MIRROR_FIELD_ETHER) |               \
	 BIT(MIRROR_FIELD_PCAP) | BIT(MIRROR_FIELD_SNAP))

/* One item of both sides; NULL: it is not there. */
struct pair {
	const struct host_become *b;
	const char *pf, *name; /* its PF, its own name; of a PF both are that */
	const json_t *is, *want;
	const json_t *pf_is, *pf_want;
};

typedef int (*pair_fn)(const struct pair *p, struct err *e);

static int passed(const struct pair *p, int rc, struct err *e)
{
	if (!rc || !p->b->must)
		return rc;
	*p->b->starved |= rc == -ENOMEM;
	log_err("cannot be taken back", "pf=%s item=%s error=\"%s\"", p->pf, p->name, e->msg);
	*e = (struct err){ 0 };
	return 0;
}

/* Calls @fn for each key of either side. */
static int each(struct pair p, const json_t *is, const json_t *want, bool of_pf, pair_fn fn,
		struct err *e)
{
	int rc = 0;
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)is, key, v) {
		p.name = key;
		p.pf = of_pf ? p.pf : key;
		p.is = v;
		p.want = json_object_get(want, key);
		rc = rc ?: passed(&p, fn(&p, e), e);
	}
	json_object_foreach ((json_t *)(uintptr_t)want, key, v) {
		p.name = key;
		p.pf = of_pf ? p.pf : key;
		p.is = NULL;
		p.want = v;
		if (!json_object_get(is, key))
			rc = rc ?: passed(&p, fn(&p, e), e);
	}
	return rc;
}

static int each_pf(const struct host_become *b, pair_fn fn, struct err *e)
{
	return each((struct pair){ .b = b }, json_object_get(b->is, "pfs"),
		    json_object_get(b->want, "pfs"), false, fn, e);
}

static int each_mirror(const struct host_become *b, pair_fn fn, struct err *e)
{
	return each((struct pair){ .b = b }, json_object_get(b->is, "mirrors"),
		    json_object_get(b->want, "mirrors"), false, fn, e);
}

/* Of the PF @p, what hangs on it under @member. */
static int each_of(const struct pair *p, const char *member, pair_fn fn, struct err *e)
{
	const struct pair inner = { .b = p->b, .pf = p->name, .pf_is = p->is, .pf_want = p->want };

	return each(inner, json_object_get(p->is, member), json_object_get(p->want, member), true,
		    fn, e);
}

/* ---- mirrors ---- */

/* What differs of two mirrors, and the one that is wanted. */
static int mirror_diff(const struct pair *p, struct mirror_config *want, uint32_t *rows,
		       struct err *e)
{
	struct mirror_config is;
	int rc = host_mirror_read(p->name, p->is, &is, e)
			 ?: host_mirror_read(p->name, p->want, want, e);

	if (!rc)
		*rows = fields_diff(mirror_fields, &is, want);
	return rc;
}

/* It goes, or ends elsewhere and so goes and comes. */
static int mirror_out(const struct pair *p, struct err *e)
{
	struct mirror_config want;
	uint32_t rows = ~0U;
	int rc = p->is && p->want ? mirror_diff(p, &want, &rows, e) : 0;

	if (rc || !p->is || !(rows & ~MIRROR_LIGHT))
		return rc;
	return p->b->ops->mirror_del(p->b->ctx, p->name, e);
}

static int mirror_in(const struct pair *p, struct err *e)
{
	struct mirror_config want;
	uint32_t rows = ~0U;
	int rc;

	if (!p->want)
		return 0;
	rc = p->is ? mirror_diff(p, &want, &rows, e) : host_mirror_read(p->name, p->want, &want, e);
	if (rc || !rows)
		return rc;
	return rows & ~MIRROR_LIGHT ? p->b->ops->mirror_add(p->b->ctx, &want, e)
				    : p->b->ops->mirror_set(p->b->ctx, p->name, &want, rows, e);
}

/* ---- what hangs on PFs ---- */

static int vf_detach(const struct pair *p, struct err *e)
{
	const json_t *is = json_object_get(p->is, "attach");
	const json_t *want = json_object_get(p->want, "attach");

	if (!is || (want && json_equal(is, want)))
		return 0;
	return p->b->ops->vf_detach(p->b->ctx, p->pf, (unsigned int)atoi(p->name), e);
}

static int vfs_detach(const struct pair *p, struct err *e)
{
	return p->is ? each_of(p, "vfs", vf_detach, e) : 0;
}

static int vf_attach(const struct pair *p, struct err *e)
{
	const json_t *is = json_object_get(p->is, "attach");
	const json_t *want = json_object_get(p->want, "attach");
	struct vf_attach attach = { 0 };
	int rc;

	if (!want || (is && json_equal(is, want)))
		return 0;
	rc = fields_from_json(vf_attach_fields, &attach, want, NULL, e);
	return rc
		       ?: p->b->ops->vf_attach(p->b->ctx, p->pf, (unsigned int)atoi(p->name),
					       &attach, e);
}

static int vfs_attach(const struct pair *p, struct err *e)
{
	return p->want ? each_of(p, "vfs", vf_attach, e) : 0;
}

static int svc_out(const struct pair *p, struct err *e)
{
	if (!p->is || (p->want && json_equal(p->is, p->want)))
		return 0;
	return p->b->ops->svc_del(p->b->ctx, p->pf, p->name, e);
}

static int svcs_out(const struct pair *p, struct err *e)
{
	return p->is ? each_of(p, "services", svc_out, e) : 0;
}

static int svc_in(const struct pair *p, struct err *e)
{
	struct svc_config s;
	int rc;

	if (!p->want || (p->is && json_equal(p->is, p->want)))
		return 0;
	rc = host_svc_read(p->pf, p->name, p->want, &s, e);
	return rc ?: p->b->ops->svc_add(p->b->ctx, &s, e);
}

static int svcs_in(const struct pair *p, struct err *e)
{
	return p->want ? each_of(p, "services", svc_in, e) : 0;
}

/* ---- PFs ---- */

static int pf_out(const struct pair *p, struct err *e)
{
	return p->want ? 0 : p->b->ops->pf_del(p->b->ctx, p->name, false, e);
}

/* The words of a PF that differ. */
static int pf_diff(const struct pair *p, struct host_pf *is, struct host_pf *want, uint32_t *rows,
		   struct err *e)
{
	int rc = host_pf_read(p->name, p->want, want, e);

	*rows = want->said & ~BIT(PF_FIELD_NAME);
	if (rc || !p->is)
		return rc;
	rc = host_pf_read(p->name, p->is, is, e);
	if (want->hw) /* what it does not say stays as it is */
		fields_apply(pf_fields, &want->config, &is->config,
			     ~want->said &
				     (BIT(PF_FIELD_MAC) | BIT(PF_FIELD_MTU) | BIT(PF_FIELD_UP) |
				      BIT(PF_FIELD_NUMVFS) | BIT(PF_FIELD_ESWITCH)));
	*rows = fields_diff(pf_fields, &is->config, &want->config);
	if (*rows & UPLINK_ROWS)
		*rows |= UPLINK_ROWS;
	return rc;
}

/* A wire that another PF is to have must be free before that takes it. */
static int wire_out(const struct pair *p, struct err *e)
{
	const struct pf_change none = { .changed = BIT(PF_FIELD_UPLINK) };
	struct host_pf is, want, other;
	const char *name;
	json_t *j;
	uint32_t rows;
	int rc = p->is && p->want ? pf_diff(p, &is, &want, &rows, e) : 0;

	if (rc || !p->is || !p->want || !(rows & UPLINK_ROWS) || is.config.uplink == UPLINK_NONE)
		return rc;
	json_object_foreach (json_object_get(p->b->want, "pfs"), name, j)
		if (strcmp(name, p->name) && !host_pf_read(name, j, &other, NULL) &&
		    !strcmp(other.config.uplink_arg, is.config.uplink_arg))
			return p->b->ops->pf_set(p->b->ctx, p->name, &none, e);
	return 0;
}

/* What was, or was not, asked for counts so from now on; what is done to it counts so of itself. */
static void counts(const struct pair *p, const char *pf, const char *vf, uint32_t *noted,
		   uint32_t *forgotten)
{
	*forgotten = host_unasked(p->b->want, pf, vf);
	*noted = host_unasked(p->b->is, pf, vf) & ~*forgotten;
}

/* One VF's words that differ or count otherwise, behind those that change->vfs has. */
static int vf_change(const struct pair *p, const struct pf_config *pf, unsigned int vf,
		     struct pf_change *change, struct err *e)
{
	struct vf_change *c = &change->vfs[change->n_vfs];
	struct vf_attach attach;
	struct vf_config is;
	int rc;

	counts(p, p->pf, p->name, &c->noted, &c->forgotten);
	if (!(c->noted | c->forgotten) && (p->is == p->want || json_equal(p->is, p->want)))
		return 0;
	rc = host_vf_read(p->want, pf, vf, &c->want, &attach, e);
	vf_config_default(&is);
	if (!rc && p->is)
		rc = host_vf_read(p->is, pf, vf, &is, &attach, e);
	if (rc)
		return rc;
	c->vf = vf;
	c->changed = fields_diff(vf_fields, &is, &c->want);
	change->n_vfs += !!(c->changed | c->noted | c->forgotten);
	return 0;
}

/* @number: of VFs that there are afterwards; those above go with what they are. */
static int vf_changes(const struct pair *p, const struct pf_config *pf, unsigned int number,
		      struct pf_change *change, struct err *e)
{
	const json_t *is = json_object_get(p->is, "vfs"), *want = json_object_get(p->want, "vfs");
	struct pf_config any = *pf;
	int rc = 0;

	any.numvfs = VF_MAX;
	for (unsigned int vf = 0; !rc && vf < number; vf++) {
		struct pair one = *p;
		char key[12];

		snprintf(key, sizeof(key), "%u", vf);
		one.name = key;
		one.is = json_object_get(is, key);
		one.want = json_object_get(want, key);
		rc = vf_change(&one, &any, vf, change, e);
	}
	return rc;
}

/*
 * Words of a PF that are a change of their own, before the rest: those that it is added with, and
 * the mode of a NIC's switch and the number of VFs where by them goes which groups there can be, or
 * which words VFs have.
 */
static uint32_t ahead(const struct pair *p, const struct host_pf *want, uint32_t changed)
{
	const uint32_t own = BIT(PF_FIELD_NUMVFS) | BIT(PF_FIELD_ESWITCH) | BIT(PF_FIELD_FORCE);
	bool groups = changed & BIT(PF_FIELD_GROUPS) && *want->config.groups;
	bool apart = changed & BIT(PF_FIELD_ESWITCH) || (groups && changed & own);

	if (!p->is)
		return apart ? changed & ~BIT(PF_FIELD_GROUPS) : changed;
	return apart ? changed & own : 0;
}

/* All words of a PF and its VFs that differ, in one change or two. */
static int pf_in(const struct pair *p, struct err *e)
{
	auto_free struct vf_change *vfs = calloc(VF_MAX, sizeof(*vfs));
	struct pf_change change = { .vfs = vfs }, first = { 0 };
	struct host_pf is, want;
	unsigned int number;
	int rc;

	if (!p->want)
		return 0;
	if (!vfs)
		return err_set(e, -ENOMEM, "out of memory");
	rc = pf_diff(p, &is, &want, &change.changed, e);
	if (rc)
		return rc;
	/* A NIC whose number is not said has as many as it has. */
	number = want.hw && !(want.said & BIT(PF_FIELD_NUMVFS)) ? VF_MAX : want.config.numvfs;
	rc = vf_changes(p, &want.config, number, &change, e);
	if (rc)
		return rc;
	counts(p, p->name, NULL, &change.noted, &change.forgotten);
	if (want.hw && p->is && p->b->force && change.changed & BIT(PF_FIELD_NUMVFS))
		change.changed |= BIT(PF_FIELD_FORCE);
	change.want = first.want = want.config;
	first.changed = ahead(p, &want, change.changed);
	change.changed &= ~first.changed;
	if (!p->is)
		rc = p->b->ops->pf_add(p->b->ctx, &want.config, first.changed, e);
	else if (first.changed)
		rc = p->b->ops->pf_set(p->b->ctx, p->name, &first, e);
	if (rc || !(change.changed | change.noted | change.forgotten | change.n_vfs))
		return rc;
	return p->b->ops->pf_set(p->b->ctx, p->name, &change, e);
}

/**
 * host_become() - Make of what a daemon has what a file says
 * @b: both, and how
 * @e: names what was refused
 *
 * What was refused ends it, and what was done before stays done: the caller goes back. A change
 * that is to be gone back to passes over what is refused (@b->must), logs it, and answers 0.
 *
 * Return: 0, -ENOMEM, or as the verb that refused.
 * Context: the verbs'.
 */
int host_become(const struct host_become *b, struct err *e)
{
	int rc = each_mirror(b, mirror_out, e);

	rc = rc ?: each_pf(b, vfs_detach, e);
	rc = rc ?: each_pf(b, svcs_out, e);
	rc = rc ?: each_pf(b, pf_out, e);
	rc = rc ?: each_pf(b, wire_out, e);
	rc = rc ?: each_pf(b, pf_in, e);
	rc = rc ?: each_pf(b, svcs_in, e);
	rc = rc ?: each_pf(b, vfs_attach, e);
	return rc ?: each_mirror(b, mirror_in, e);
}
