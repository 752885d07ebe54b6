/* SPDX-License-Identifier: Apache-2.0 */
/* In-memory pf_ops for tests of ctl, cli and agent. */
#include "lib/fake_pf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FAKE_MAX 32 /* service ports, mirrors */

struct fake_one {
	struct pf_info info; /* config.name "": slot is free */
	struct vf_info vfs[VF_MAX];
	uint32_t by_hand[VF_MAX]; /* bits by enum vf_field written after the agent did */
};

struct fake_pfs {
	struct fake_one *pfs[PFS_MAX];
	unsigned int n_ever; /* numbers the interfaces */
	struct svc_config svcs[FAKE_MAX];
	unsigned int n_svcs;
	struct mirror_info mirrors[FAKE_MAX];
	unsigned int n_mirrors;
};

struct fake_pfs *fake_pfs_new(void)
{
	return calloc(1, sizeof(struct fake_pfs));
}

void fake_pfs_free(struct fake_pfs *f)
{
	for (unsigned int i = 0; f && i < PFS_MAX; i++)
		free(f->pfs[i]);
	free(f);
}

static struct fake_one *find(struct fake_pfs *f, const char *pf)
{
	for (unsigned int i = 0; i < PFS_MAX; i++)
		if (f->pfs[i] && !strcmp(f->pfs[i]->info.config.name, pf))
			return f->pfs[i];
	return NULL;
}

static int need_vf(struct fake_pfs *f, const char *pf, unsigned int vf, struct fake_one **out,
		   struct err *e)
{
	struct fake_one *p = find(f, pf);

	if (!p)
		return err_set(e, -ENODEV, "there is no PF %s", pf);
	if (vf >= p->info.config.numvfs)
		return err_set(e, -EINVAL, "%s has no VF %u", pf, vf);
	*out = p;
	return 0;
}

static void vf_reset(struct fake_one *p, unsigned int vf)
{
	p->vfs[vf] = (struct vf_info){ 0 };
	p->by_hand[vf] = 0;
	vf_config_default(&p->vfs[vf].config);
	snprintf(p->vfs[vf].status.pci_slot, sizeof(p->vfs[vf].status.pci_slot), "0000:05:%02x.%x",
		 (16 + vf / 4) & 255, vf % 4 * 2);
}

static int fake_add(void *ctx, const struct pf_config *want, uint32_t said, struct err *e)
{
	struct fake_pfs *f = ctx;
	static const uint8_t prefix[3] = { 2, 0xf0, 0 };
	struct fake_one *p;
	unsigned int at = 0;
	int rc = pf_config_check(want, e);

	if (rc)
		return rc;
	if (find(f, want->name))
		return err_set(e, -EEXIST, "there is a PF %s already", want->name);
	while (at < PFS_MAX && f->pfs[at])
		at++;
	if (at == PFS_MAX)
		return err_set(e, -ENOSPC, "there are %d PFs already", PFS_MAX);
	p = calloc(1, sizeof(*p));
	p->info.config = *want;
	if (mac_is_zero(&want->mac))
		mac_random(&p->info.config.mac, prefix);
	p->info.status = (struct pf_status){ .kind = "fake",
					     .ifindex = 100 + f->n_ever++,
					     .carrier = true,
					     .pci_slot = "0000:05:00.0" };
	for (unsigned int i = 0; i < VF_MAX; i++)
		vf_reset(p, i);
	f->pfs[at] = p;
	return 0;
}

static int fake_del(void *ctx, const char *pf, bool reset, struct err *e)
{
	struct fake_pfs *f = ctx;

	for (unsigned int i = 0; i < PFS_MAX; i++) {
		if (!f->pfs[i] || strcmp(f->pfs[i]->info.config.name, pf))
			continue;
		for (unsigned int v = 0; v < f->pfs[i]->info.config.numvfs; v++)
			if (f->pfs[i]->vfs[v].attach.kind != VF_ATTACH_NONE)
				return err_set(e, -EBUSY, "VF %u of %s is attached", v, pf);
		free(f->pfs[i]);
		f->pfs[i] = NULL;
		return 0;
	}
	return err_set(e, -ENODEV, "there is no PF %s", pf);
}

/* Notes who wrote what, as vf_status.overridden tells it. */
static void note_writer(struct fake_one *p, const struct vf_change *c, bool by_agent)
{
	struct vf_status *s = &p->vfs[c->vf].status;

	if (by_agent)
		p->by_hand[c->vf] &= ~c->changed;
	else
		p->by_hand[c->vf] |= c->changed;
	*s->overridden = '\0';
	for (unsigned int i = 0; vf_fields[i].word; i++) {
		size_t n = strlen(s->overridden);

		if (p->by_hand[c->vf] >> i & 1)
			snprintf(s->overridden + n, sizeof(s->overridden) - n, "%s%s", n ? "," : "",
				 vf_fields[i].word);
	}
}

static int fake_set(void *ctx, const char *pf, const struct pf_change *change, struct err *e)
{
	struct fake_one *p = find(ctx, pf);
	auto_free struct vf_config *next = NULL;
	struct pf_config want;
	int rc;

	if (!p)
		return err_set(e, -ENODEV, "there is no PF %s", pf);
	want = p->info.config;
	fields_apply(pf_fields, &want, &change->want, change->changed);
	rc = pf_config_check(&want, e);
	for (unsigned int i = want.numvfs; !rc && i < p->info.config.numvfs; i++)
		if (p->vfs[i].attach.kind != VF_ATTACH_NONE)
			rc = err_set(e, -EBUSY, "VF %u of %s is attached", i, pf);
	next = calloc(VF_MAX, sizeof(*next));
	for (unsigned int i = 0; i < VF_MAX; i++)
		next[i] = p->vfs[i].config;
	for (unsigned int i = 0; !rc && i < change->n_vfs; i++) {
		const struct vf_change *c = &change->vfs[i];

		if (c->vf >= want.numvfs)
			return err_set(e, -EINVAL, "%s has no VF %u", pf, c->vf);
		rc = vf_change_apply(&next[c->vf], c, &want, &next[c->vf], e);
	}
	if (rc)
		return rc;
	p->info.config = want;
	for (unsigned int i = 0; i < VF_MAX; i++)
		p->vfs[i].config = next[i];
	for (unsigned int i = 0; i < change->n_vfs; i++)
		note_writer(p, &change->vfs[i], change->by_agent);
	for (unsigned int i = want.numvfs; i < VF_MAX; i++)
		vf_reset(p, i);
	return 0;
}

static int fake_list(void *ctx, char (*out)[PF_NAME_LEN + 1], unsigned int max)
{
	struct fake_pfs *f = ctx;
	unsigned int n = 0;

	for (unsigned int i = 0; i < PFS_MAX; i++)
		if (f->pfs[i] && n++ < max)
			strcpy(out[n - 1], f->pfs[i]->info.config.name);
	return (int)n;
}

static int fake_get(void *ctx, const char *pf, struct pf_info *out, struct err *e)
{
	struct fake_one *p = find(ctx, pf);

	if (!p)
		return err_set(e, -ENODEV, "there is no PF %s", pf);
	*out = p->info;
	return 0;
}

static int fake_vf_get(void *ctx, const char *pf, unsigned int vf, struct vf_info *out,
		       struct err *e)
{
	struct fake_one *p;
	int rc = need_vf(ctx, pf, vf, &p, e);

	if (rc)
		return rc;
	*out = p->vfs[vf];
	out->status.mtu = vf_mtu(&out->config, &p->info.config);
	return 0;
}

static int fake_vf_drops(void *ctx, const char *pf, unsigned int vf, struct vf_drop out[DROP_N],
			 struct err *e)
{
	struct fake_one *p;
	int rc = need_vf(ctx, pf, vf, &p, e);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < DROP_N; i++)
		out[i] = (struct vf_drop){ .count = p->vfs[vf].stats.drops[i] };
	return 0;
}

static int fake_attach(void *ctx, const char *pf, unsigned int vf, const struct vf_attach *want,
		       struct err *e)
{
	struct fake_one *p;
	int rc = need_vf(ctx, pf, vf, &p, e);

	if (rc)
		return rc;
	if (p->vfs[vf].attach.kind != VF_ATTACH_NONE)
		return err_set(e, -EBUSY, "VF %u of %s is attached already", vf, pf);
	if (want->kind == VF_ATTACH_TAP && !*want->tap)
		return err_set(e, -EINVAL, "a tap needs a name");
	p->vfs[vf].attach = *want;
	if (want->kind == VF_ATTACH_VHOST && !*want->socket)
		snprintf(p->vfs[vf].attach.socket, sizeof(p->vfs[vf].attach.socket),
			 "/run/fake/vhost/%.15s-%u/sock", pf, vf);
	return 0;
}

static int fake_detach(void *ctx, const char *pf, unsigned int vf, struct err *e)
{
	struct fake_one *p;
	int rc = need_vf(ctx, pf, vf, &p, e);

	if (rc)
		return rc;
	if (p->vfs[vf].attach.kind == VF_ATTACH_NONE)
		return err_set(e, -ENOENT, "VF %u of %s is not attached", vf, pf);
	p->vfs[vf].attach = (struct vf_attach){ 0 };
	return 0;
}

static int fake_release(void *ctx, const char *pf, unsigned int vf, struct err *e)
{
	struct fake_one *p;
	int rc = need_vf(ctx, pf, vf, &p, e);

	if (!rc)
		vf_reset(p, vf);
	return rc;
}

static int fake_filter(void *ctx, const char *pf, unsigned int vf, const struct vf_filter *filter,
		       struct err *e)
{
	struct fake_one *p;
	int rc = need_vf(ctx, pf, vf, &p, e);

	if (rc)
		return rc;
	p->vfs[vf].status.filter_known = filter;
	p->vfs[vf].status.n_mcasts = filter ? filter->n_mcasts : 0;
	p->vfs[vf].status.n_accepted = filter && !mac_is_zero(&filter->main_mac);
	if (filter)
		p->vfs[vf].status.accepted[0] = filter->main_mac;
	return 0;
}

static int fake_svc_add(void *ctx, const struct svc_config *want, struct err *e)
{
	struct fake_pfs *f = ctx;

	if (!find(f, want->pf))
		return err_set(e, -ENODEV, "there is no PF %s", want->pf);
	for (unsigned int i = 0; i < f->n_svcs; i++)
		if (!strcmp(f->svcs[i].name, want->name))
			return err_set(e, -EEXIST, "there is a service port %s", want->name);
	if (f->n_svcs == FAKE_MAX)
		return err_set(e, -ENOSPC, "too many service ports");
	f->svcs[f->n_svcs++] = *want;
	return 0;
}

static int fake_svc_del(void *ctx, const char *pf, const char *name, struct err *e)
{
	struct fake_pfs *f = ctx;

	for (unsigned int i = 0; i < f->n_svcs; i++) {
		if (strcmp(f->svcs[i].name, name) || strcmp(f->svcs[i].pf, pf))
			continue;
		f->svcs[i] = f->svcs[--f->n_svcs];
		return 0;
	}
	return err_set(e, -ENOENT, "%s has no service port %s", pf, name);
}

static int fake_svc_get(void *ctx, unsigned int i, struct svc_config *out)
{
	struct fake_pfs *f = ctx;

	if (i >= f->n_svcs)
		return -ENOENT;
	*out = f->svcs[i];
	return 0;
}

static int fake_mirror_add(void *ctx, const struct mirror_config *want, struct err *e)
{
	struct fake_pfs *f = ctx;
	struct fake_one *p;
	int rc = need_vf(f, want->from_pf, want->from == MIRROR_FROM_VF ? want->from_vf : 0, &p, e);

	if (!rc)
		rc = need_vf(f, want->to_pf, want->to_vf, &p, e);
	for (unsigned int i = 0; !rc && i < f->n_mirrors; i++)
		if (!strcmp(f->mirrors[i].config.name, want->name))
			rc = err_set(e, -EEXIST, "there is a mirror %s already", want->name);
	if (!rc && f->n_mirrors == FAKE_MAX)
		rc = err_set(e, -ENOSPC, "too many mirrors");
	if (!rc)
		f->mirrors[f->n_mirrors++] = (struct mirror_info){ .config = *want };
	return rc;
}

static int fake_mirror_set(void *ctx, const char *name, const struct mirror_config *want,
			   uint32_t changed, struct err *e)
{
	struct fake_pfs *f = ctx;

	for (unsigned int i = 0; i < f->n_mirrors; i++)
		if (!strcmp(f->mirrors[i].config.name, name))
			return mirror_config_apply(&f->mirrors[i].config, want,
						   changed & ~(1U << MIRROR_FIELD_NAME),
						   &f->mirrors[i].config, e);
	return err_set(e, -ENOENT, "there is no mirror %s", name);
}

static int fake_mirror_del(void *ctx, const char *name, struct err *e)
{
	struct fake_pfs *f = ctx;

	for (unsigned int i = 0; i < f->n_mirrors; i++) {
		if (strcmp(f->mirrors[i].config.name, name))
			continue;
		f->mirrors[i] = f->mirrors[--f->n_mirrors];
		return 0;
	}
	return err_set(e, -ENOENT, "there is no mirror %s", name);
}

static int fake_mirror_get(void *ctx, unsigned int i, struct mirror_info *out)
{
	struct fake_pfs *f = ctx;

	if (i >= f->n_mirrors)
		return -ENOENT;
	*out = f->mirrors[i];
	return 0;
}

struct vf_info *fake_vf(struct fake_pfs *f, const char *pf, unsigned int vf)
{
	struct fake_one *p;

	return need_vf(f, pf, vf, &p, NULL) ? NULL : &p->vfs[vf];
}

struct pf_info *fake_pf(struct fake_pfs *f, const char *pf)
{
	struct fake_one *p = find(f, pf);

	return p ? &p->info : NULL;
}

const struct pf_ops fake_pf_ops = {
	.kind = "fake",
	.pf_add = fake_add,
	.pf_del = fake_del,
	.pf_set = fake_set,
	.pf_list = fake_list,
	.pf_get = fake_get,
	.vf_get = fake_vf_get,
	.vf_drops = fake_vf_drops,
	.vf_attach = fake_attach,
	.vf_detach = fake_detach,
	.vf_release = fake_release,
	.vf_filter = fake_filter,
	.svc_add = fake_svc_add,
	.svc_del = fake_svc_del,
	.svc_get = fake_svc_get,
	.mirror_add = fake_mirror_add,
	.mirror_set = fake_mirror_set,
	.mirror_del = fake_mirror_del,
	.mirror_get = fake_mirror_get,
};
