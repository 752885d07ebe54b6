/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs of service ports on a NIC's PF. They use no VF: the NIC's switch brings to the PF what the
 * VFs send to it or to all, so a netdev on the PF serves them (svcdev.h). One that goes, with its
 * namespace or the NIC, is made again as soon as it can be, whatever the PF's policy is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "hw/model.h"
#include "hw/netns.h"
#include "hw/svcdev.h"

/**
 * hw_svc_say() - A service port as people type it
 * @svc:  port
 * @out:  gets "dhcp0 vlan 100 netns box"
 * @size: of @out
 *
 * Context: any; pure.
 */
void hw_svc_say(const struct svc_config *svc, char *out, size_t size)
{
	char vlan[16] = "";

	if (svc->vlan)
		snprintf(vlan, sizeof(vlan), " vlan %u", svc->vlan);
	snprintf(out, size, "%s%s%s%s", svc->name, vlan, *svc->netns ? " netns " : "", svc->netns);
}

static struct hw_value value_of(const struct svc_config *svc, bool there)
{
	struct hw_value v = {
		.number = there, .mac = svc->mac, .vlan = svc->vlan, .mtu = svc->mtu
	};

	strcpy(v.name, svc->name);
	strcpy(v.netns, svc->netns);
	return v;
}

static int plan_svc(struct hw_plan *plan, const struct svc_config *svc, bool there, struct err *e)
{
	const struct hw_step step = { .op = HW_OP_SVC,
				      .old = value_of(svc, !there),
				      .new = value_of(svc, there) };

	return hw_plan_add(plan, &step, e);
}

static unsigned int find(const struct hw_pf *pf, const char *name)
{
	unsigned int i = 0;

	while (i < pf->wish->n_svcs && strcmp(pf->wish->svcs[i].name, name))
		i++;
	return i;
}

/* The words by themselves. */
static int words_check(const struct svc_config *want, struct err *e)
{
	int rc = *want->name ? hw_netdev_name_check(want->name, e)
			     : err_set(e, -EINVAL, "a service port needs a name");

	if (!rc && (mac_is_multicast(&want->mac) || want->vlan > 4094 ||
		    (want->mtu && (want->mtu < 68 || want->mtu > 9216))))
		rc = err_set(e, -EINVAL, "mac, vlan or mtu is out of range");
	return rc ?: *want->netns ? hw_netns_check(want->netns, e) : 0;
}

/* Beside others of the PF. */
static int others_check(const struct hw_pf *pf, const struct svc_config *want, struct err *e)
{
	const struct hw_wish *w = pf->wish;

	if (find(pf, want->name) < w->n_svcs)
		return err_set(e, -EEXIST, "the PF has a service port of that name");
	for (unsigned int i = 0; i < w->n_svcs; i++) {
		if (want->vlan && w->svcs[i].vlan == want->vlan)
			return err_set(e, -EEXIST, "the PF has a service port in VLAN %u, %s",
				       want->vlan, w->svcs[i].name);
		if (mac_equal(&w->svcs[i].mac, &want->mac))
			return err_set(e, -EADDRINUSE, "service port %s has that MAC",
				       w->svcs[i].name);
	}
	return w->n_svcs < HW_SVCS_MAX
		       ? 0
		       : err_set(e, -ENOSPC, "there are %u service ports already", HW_SVCS_MAX);
}

/* On the PF as it is. */
static int device_check(const struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
			const struct svc_config *want, struct err *e)
{
	bool to_come = hw->trial && pf->wish->fields & 1U << PF_FIELD_MTU;
	uint32_t mtu = to_come ? pf->wish->config.mtu : link->mtu;

	if (pf->caps.eswitch == HW_ESWITCH_SWITCHDEV)
		return err_set(e, -EOPNOTSUPP,
			       "its switch is in switchdev mode, and brings nothing to the PF that "
			       "no rule of tc says");
	if (want->mtu > mtu)
		return err_set(e, -EINVAL, "mtu %u is above the PF's %u", want->mtu, mtu);
	if (mac_equal(&want->mac, &link->mac))
		return err_set(e, -EADDRINUSE, "that MAC is the PF's own");
	return 0;
}

static int check(struct hw *hw, const struct hw_pf *pf, const struct hw_link *link,
		 const struct svc_config *want, struct err *e)
{
	auto_close int fd = -1;
	int rc = words_check(want, e);

	rc = rc ?: others_check(pf, want, e);
	rc = rc ?: device_check(hw, pf, link, want, e);
	if (rc)
		return rc;
	if (*want->netns && (fd = hw_netns_open(want->netns, e)) < 0)
		return fd;
	/* What has the name may go before it. */
	if (!hw->trial && hw_svc_name_is_taken(hw->rt, want->netns, want->name))
		return err_set(e, -EEXIST, "%s%s has a netdev of that name already",
			       *want->netns ? "namespace " : "this namespace", want->netns);
	return 0;
}

/**
 * hw_svc_add() - struct pf_ops.svc_add
 * @ctx:  struct hw
 * @want: the port; a zero MAC gets one chosen
 * @e:    names PF, port and what is in the way
 *
 * Return: 0, -ENODEV, -EINVAL, -EOPNOTSUPP (switchdev), -EEXIST (name or VLAN is taken),
 * -EADDRINUSE, -ENOENT (no such namespace), -ENOSPC, the kernel's errno, or that of the state file.
 * Context: control.
 */
int hw_svc_add(void *ctx, const struct svc_config *want, struct err *e)
{
	auto_free struct hw_wish *next = NULL;
	struct svc_config svc = *want;
	struct hw_plan plan = { 0 };
	const struct hw_link *link;
	struct hw *hw = ctx;
	struct hw_pf *pf = hw_find(hw, want->pf, e);
	int rc;

	if (pf)
		hw_mode_follow(hw, pf);
	rc = pf ? hw_look(hw, pf, HW_ASK_SETTINGS, &link, e) : -ENODEV;
	if (rc)
		return rc;
	if (mac_is_zero(&svc.mac))
		mac_random(&svc.mac, SVC_OUI);
	rc = check(hw, pf, link, &svc, e);
	if (rc) {
		err_prefix(e, "%s: service port %s", want->pf, want->name);
		return rc;
	}
	next = hw_wish_copy(pf, e);
	rc = next ? plan_svc(&plan, &svc, true, e) : -ENOMEM;
	if (!rc) {
		pf->svc_since[next->n_svcs] = pf->svc_netns[next->n_svcs] = 0;
		next->svcs[next->n_svcs++] = svc;
		rc = hw_change(hw, pf, &plan, &next, NULL, e);
		if (rc)
			err_prefix(e, "%s", want->pf);
	}
	hw_plan_fini(&plan);
	return rc;
}

/**
 * hw_svc_del() - struct pf_ops.svc_del
 * @ctx:  struct hw
 * @name: interface name of the port
 * @pf:   its PF
 * @e:    error text
 *
 * Return: 0, also where its netdev is gone; -ENODEV, -ENOENT, the kernel's errno, or that of the
 * state file.
 * Context: control.
 */
int hw_svc_del(void *ctx, const char *pf, const char *name, struct err *e)
{
	auto_free struct hw_wish *next = NULL;
	struct hw_plan plan = { 0 };
	struct hw *hw = ctx;
	struct hw_pf *p = hw_find(hw, pf, e);
	unsigned int i = p ? find(p, name) : 0;
	int rc;

	if (!p)
		return -ENODEV;
	if (i == p->wish->n_svcs)
		return err_set(e, -ENOENT, "%s has no service port %s", pf, name);
	next = hw_wish_copy(p, e);
	rc = next ? plan_svc(&plan, &next->svcs[i], false, e) : -ENOMEM;
	if (!rc) {
		next->svcs[i] = next->svcs[--next->n_svcs];
		rc = hw_change(hw, p, &plan, &next, NULL, e);
		if (rc)
			err_prefix(e, "%s", pf);
	}
	if (!rc) { /* they are looked at anew */
		memset(p->svc_since, 0, sizeof(p->svc_since));
		memset(p->svc_netns, 0, sizeof(p->svc_netns));
	}
	hw_plan_fini(&plan);
	return rc;
}

/**
 * hw_svc_set() - struct pf_ops.svc_set
 * @ctx:  struct hw
 * @pf:   its PF
 * @name: interface name of the port
 * @vlan: number
 * @e:    error text
 *
 * Return: 0 if it is in that VLAN; -ENODEV, -ENOENT; -EOPNOTSUPP: it would be another netdev.
 * Context: control.
 */
int hw_svc_set(void *ctx, const char *pf, const char *name, uint16_t vlan, struct err *e)
{
	struct hw_pf *p = hw_find(ctx, pf, e);
	unsigned int i = p ? find(p, name) : 0;

	if (!p)
		return -ENODEV;
	if (i == p->wish->n_svcs)
		return err_set(e, -ENOENT, "%s has no service port %s", pf, name);
	if (p->wish->svcs[i].vlan == vlan)
		return 0;
	return err_set(e, -EOPNOTSUPP,
		       "%s is a NIC's PF: a netdev of its is of one VLAN (del and add %s)", pf,
		       name);
}

/**
 * hw_svc_get() - struct pf_ops.svc_get
 * @ctx: struct hw
 * @i:   from 0 on, over all PFs
 * @out: the port; with the name that its PF has now
 *
 * Return: 0 or -ENOENT. Context: control.
 */
int hw_svc_get(void *ctx, unsigned int i, struct svc_config *out)
{
	const struct hw *hw = ctx;

	for (unsigned int k = 0; k < hw->n_pfs; k++) {
		const struct hw_pf *pf = hw->pfs[k];

		if (i < pf->wish->n_svcs) {
			*out = pf->wish->svcs[i];
			strcpy(out->pf, pf->name);
			return 0;
		}
		i -= pf->wish->n_svcs;
	}
	return -ENOENT;
}

/**
 * hw_svcs_leave() - The steps that take all service ports of a PF away
 * @pf:   PF
 * @plan: gets them
 * @e:    error text
 *
 * Return: 0 or -ENOMEM. Context: control.
 */
int hw_svcs_leave(const struct hw_pf *pf, struct hw_plan *plan, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; !rc && i < pf->wish->n_svcs; i++)
		rc = plan_svc(plan, &pf->wish->svcs[i], false, e);
	return rc;
}

/**
 * hw_svc_is_lost() - Is a service port that is not in its namespace nowhere else either?
 * @hw: room
 * @pf: PF
 * @i:  number in its wishes
 *
 * Return: true if so. Context: control.
 */
bool hw_svc_is_lost(const struct hw *hw, const struct hw_pf *pf, unsigned int i)
{
	const struct hw_value v = value_of(&pf->wish->svcs[i], true);

	return !hw_svc_is_elsewhere(hw->rt, pf->ifindex, &v);
}

/**
 * hw_svcs_make() - Make those service ports of a PF that are not there
 * @hw: room
 * @pf: PF
 * @e:  names the first that cannot be made; the others are made all the same
 *
 * Return: 0, or as hw_svc_make(). Context: control.
 */
int hw_svcs_make(struct hw *hw, struct hw_pf *pf, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; i < pf->wish->n_svcs; i++) {
		const struct svc_config *svc = &pf->wish->svcs[i];
		const struct hw_value v = value_of(svc, true);
		struct err why = { 0 };
		int bad = hw_svc_make(hw->rt, pf->ifindex, &v, &why);

		if (bad && !rc)
			rc = err_set(e, bad, "%s: %s", svc->name, why.msg);
		if (bad || !pf->svc_since[i])
			continue;
		log_info("a service port is made again", "pf=%s port=%s", pf->name, svc->name);
		pf->svc_since[i] = 0;
	}
	return rc;
}

static bool has(const struct hw_wish *w, const struct svc_config *svc)
{
	for (unsigned int i = 0; i < w->n_svcs; i++)
		if (!fields_diff(svc_fields, &w->svcs[i], svc))
			return true;
	return false;
}

/**
 * hw_svcs_away() - Take away the service ports of wishes that a PF had, and has no more
 * @hw:  room
 * @pf:  PF, with the wishes that count
 * @was: those it had
 *
 * Context: control.
 */
void hw_svcs_away(struct hw *hw, struct hw_pf *pf, const struct hw_wish *was)
{
	struct err e = { 0 };

	for (unsigned int i = 0; i < was->n_svcs; i++) {
		const struct hw_value v = value_of(&was->svcs[i], false);

		if (!has(pf->wish, &was->svcs[i]) && hw_svc_remove(hw->rt, pf->ifindex, &v, &e))
			log_err("a service port cannot be taken away", "pf=%s port=%s error=\"%s\"",
				pf->name, was->svcs[i].name, e.msg);
	}
	memset(pf->svc_since, 0, sizeof(pf->svc_since));
	memset(pf->svc_netns, 0, sizeof(pf->svc_netns));
}

/* A number of the namespace of that name, another if it is made anew; 0: there is none. */
static uint64_t netns_number(const char *name)
{
	char path[sizeof(HW_NETNS_DIR) + 1 + VF_NAME_LEN];
	struct stat st;

	snprintf(path, sizeof(path), HW_NETNS_DIR "/%s", name);
	return stat(path, &st) ? 0 : (uint64_t)st.st_ino << 16 ^ st.st_dev ^ 1;
}

/* One port: is it there, and since when not? True: something is to be done, at once. */
static bool look(struct hw *hw, struct hw_pf *pf, unsigned int i, bool closely)
{
	const struct svc_config *svc = &pf->wish->svcs[i];
	uint64_t was = pf->svc_netns[i];
	const struct hw_value v = value_of(svc, true);
	char text[128];

	pf->svc_netns[i] = *svc->netns ? netns_number(svc->netns) : 1;
	if (!closely && pf->svc_netns[i] == was && !pf->svc_since[i])
		return false;
	if (hw_svc_is_there(hw->rt, pf->ifindex, &v)) {
		pf->svc_since[i] = 0;
		return false;
	}
	if (!pf->svc_since[i]) {
		hw_svc_say(svc, text, sizeof(text));
		log_warn("a service port is gone", "pf=%s port=\"%s\"", pf->name, text);
		pf->svc_since[i] = (uint64_t)time(NULL);
		return true;
	}
	return pf->svc_netns[i] != was;
}

/**
 * hw_svcs_look() - Which service ports of a PF are there?
 * @hw:    room
 * @pf:    PF; what is gone is owed
 * @reach: near: those whose namespace changed and by turns another, which is next to nothing
 *
 * Context: control, once a second.
 */
void hw_svcs_look(struct hw *hw, struct hw_pf *pf, enum hw_reach reach)
{
	unsigned int n = pf->wish->n_svcs, gone = 0;
	bool hurry = false;

	for (unsigned int i = 0; i < n; i++) {
		hurry |= look(hw, pf, i, reach == HW_REACH_ALL || i == pf->svc_turn % n);
		gone += pf->svc_since[i] != 0;
	}
	pf->svc_turn++;
	pf->svc_due.owed = gone != 0;
	if (hurry)
		pf->svc_due.wait_ms = pf->svc_due.tried = pf->svc_due.next_ms = 0;
}
