/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/copy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/vlan.h"
#include "hw/mirror_by.h"
#include "hw/sysfs.h"

#define PREF_FIRST 41000 /* of our rules; the VF that they copy to is added */

static const struct {
	unsigned int bit;
	const char *name;
} files[] = {
	{ HW_MIRROR_FILE_IN, "ingress_mirror" },
	{ HW_MIRROR_FILE_OUT, "egress_mirror" },
	{ HW_MIRROR_FILE_VLAN, "vlan_mirror" },
};

struct wanted {
	unsigned int vf;
	struct hw_netdev *out;
};

/* hw_sys_fn: the netdev whose port is "pf0vf3"; "c1pf0vf3" is of another machine. 1 ends it. */
static int take_port(void *arg, const char *dir, const char *name)
{
	const struct wanted *w = arg;
	char path[PATH_MAX], port[32];
	unsigned int pf, vf;
	uint32_t ifindex;
	int len = 0;

	if (strlen(name) >= sizeof(w->out->name) || hw_sys_path(path, "%s/%s", dir, name) ||
	    hw_sys_word(path, "phys_port_name", port, sizeof(port)) ||
	    hw_sys_number(path, "ifindex", &ifindex) || !ifindex || ifindex > INT_MAX)
		return 0;
	if (sscanf(port, "pf%uvf%u%n", &pf, &vf, &len) != 2 || port[len] || vf != w->vf)
		return 0;
	strcpy(w->out->name, name);
	w->out->ifindex = (int)ifindex;
	return 1;
}

/**
 * hw_copy_representor() - The netdev that stands for a VF in switchdev mode
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  number
 * @out: gets it
 *
 * Return: true if there is one here. Context: any.
 */
bool hw_copy_representor(const char *sys, const struct hw_nic *nic, unsigned int vf,
			 struct hw_netdev *out)
{
	struct wanted w = { vf, out };
	char path[PATH_MAX];

	return !hw_sys_path(path, "%s/bus/%s/devices/%s/net", sys, nic->bus, nic->address) &&
	       hw_sys_each(path, take_port, &w) == 1;
}

static int vf_dir(char out[PATH_MAX], const char *sys, const struct hw_nic *nic, unsigned int vf)
{
	return hw_sys_path(out, "%s/bus/%s/devices/%s/sriov/%u", sys, nic->bus, nic->address, vf);
}

/**
 * hw_copy_files() - Which files for mirrors a NIC's driver has
 * @sys:  "/sys"
 * @nic:  PF
 * @from: VF that is watched
 * @to:   VF that gets copies
 *
 * Return: HW_MIRROR_FILE_... Context: any.
 */
unsigned int hw_copy_files(const char *sys, const struct hw_nic *nic, unsigned int from,
			   unsigned int to)
{
	char dir[PATH_MAX], file[PATH_MAX];
	unsigned int have = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(files); i++)
		if (!vf_dir(dir, sys, nic, files[i].bit == HW_MIRROR_FILE_VLAN ? to : from) &&
		    !hw_sys_path(file, "%s/%s", dir, files[i].name) && !access(file, F_OK))
			have |= files[i].bit;
	return have;
}

/* A VF's representor, or -ENODEV. */
static int representor(const char *sys, const struct hw_nic *nic, unsigned int vf,
		       struct hw_netdev *out, struct err *e)
{
	if (hw_copy_representor(sys, nic, vf, out))
		return 0;
	return err_set(e, -ENODEV, "no netdev stands for vf %u", vf);
}

/**
 * hw_copy_clsact() - Give a VF's representor a place for rules, or take it away
 * @rt:  socket
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  number
 * @on:  whether
 * @e:   the kernel's words
 *
 * Return: 0; -ENODEV; or the kernel's errno. Context: control.
 */
int hw_copy_clsact(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		   bool on, struct err *e)
{
	struct hw_netdev dev;

	if (!on && !hw_copy_representor(sys, nic, vf, &dev))
		return 0;
	return representor(sys, nic, vf, &dev, e) ?: hw_tc_clsact_set(rt, dev.ifindex, on, e);
}

/**
 * hw_copy_clsact_is() - Has a VF's representor a place for rules?
 * @rt:  socket
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  number
 *
 * Return: true if so. Context: control.
 */
bool hw_copy_clsact_is(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf)
{
	struct hw_netdev dev;
	bool is = false;

	return hw_copy_representor(sys, nic, vf, &dev) &&
	       !hw_tc_clsact_is(rt, dev.ifindex, &is, NULL) && is;
}

static void rule_of(const struct hw_netdev *from, const struct hw_netdev *peer,
		    const struct hw_value *to, struct hw_tc_copy *out)
{
	*out = (struct hw_tc_copy){ .from = from->ifindex,
				    .to = peer->ifindex,
				    .egress = to->dir == MIRROR_IN,
				    .pref = (uint16_t)(PREF_FIRST + to->peer) };
}

/**
 * hw_copy_rule() - A rule that copies a VF's frames to another, or none
 * @rt:       socket
 * @sys:      "/sys"
 * @nic:      their PF
 * @vf:       the one that is watched
 * @to:       number: whether; peer and dir
 * @software: the host's CPU is to do it
 * @e:        the kernel's words
 *
 * Return: 0; -ENODEV; -EEXIST: somebody else has a rule at its place; or the kernel's errno.
 * Context: control.
 */
int hw_copy_rule(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		 const struct hw_value *to, bool software, struct err *e)
{
	struct hw_netdev from, peer = { .ifindex = 0 };
	struct hw_tc_told told;
	struct hw_tc_copy rule;
	int rc;

	if (!to->number && !hw_copy_representor(sys, nic, vf, &from))
		return 0; /* the rule is gone with it */
	rc = representor(sys, nic, vf, &from, e);
	if (!rc && to->number)
		rc = representor(sys, nic, to->peer, &peer, e);
	if (rc)
		return rc;
	rule_of(&from, &peer, to, &rule);
	rule.software = software;
	if (!to->number)
		return hw_tc_copy_del(rt, &rule, e);
	rc = hw_tc_copy_look(rt, &rule, &told, e);
	if (rc || told.there)
		return rc;
	rc = hw_tc_copy_add(rt, &rule, e);
	if (rc)
		err_prefix(e, "%s of %s", rule.egress ? "egress" : "ingress", from.name);
	return rc;
}

/**
 * hw_copy_rule_look() - What the kernel has of such a rule
 * @rt:  socket
 * @sys: "/sys"
 * @nic: their PF
 * @vf:  the one that is watched
 * @to:  peer and dir
 * @out: gets it
 * @e:   the kernel's words
 *
 * Return: 0, also where there is none; -ENODEV; or the kernel's errno. Context: control.
 */
int hw_copy_rule_look(struct hw_rt *rt, const char *sys, const struct hw_nic *nic, unsigned int vf,
		      const struct hw_value *to, struct hw_tc_told *out, struct err *e)
{
	struct hw_netdev from, peer;
	struct hw_tc_copy rule;
	int rc = representor(sys, nic, vf, &from, e);

	rc = rc ?: representor(sys, nic, to->peer, &peer, e);
	if (rc)
		return rc;
	rule_of(&from, &peer, to, &rule);
	return hw_tc_copy_look(rt, &rule, out, e);
}

static const char *name_of(uint8_t bit)
{
	for (unsigned int i = 0; i < ARRAY_LEN(files); i++)
		if (files[i].bit == bit)
			return files[i].name;
	return NULL;
}

/**
 * hw_copy_file() - A VF's mirror by a file of the vendor's, or none
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  the one that is watched; of a VLAN: that gets copies
 * @to:  number: whether; peer; dir: which file
 * @e:   names the file
 *
 * Return: 0, also where there is none to take away; or the driver's errno. Context: control.
 */
int hw_copy_file(const char *sys, const struct hw_nic *nic, unsigned int vf,
		 const struct hw_value *to, struct err *e)
{
	const char *name = name_of(to->dir);
	struct hw_file_told told;
	char dir[PATH_MAX], text[16];
	int rc = name && !vf_dir(dir, sys, nic, vf) ? 0 : -EINVAL;

	if (rc)
		return err_set(e, rc, "no file for a mirror");
	rc = hw_copy_file_look(sys, nic, vf, to, &told, NULL);
	if (to->number ? !rc && told.there : rc == -ENOENT || (!rc && told.known && !told.there))
		return 0;
	snprintf(text, sizeof(text), "%s %u", to->number ? "add" : "rem", to->peer);
	rc = hw_sys_put(dir, name, text);
	return rc ? err_set(e, rc, "\"%s\" to sriov/%u/%s: %s", text, vf, name, strerror(-rc)) : 0;
}

/**
 * hw_copy_file_look() - What such a file tells
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  as hw_copy_file()
 * @to:  peer; dir: which file
 * @out: gets it
 * @e:   names the file
 *
 * It holds a list of numbers and ranges, or "off", or nothing.
 *
 * Return: 0; -ENOENT: there is no such file; or a negative errno. Context: control.
 */
int hw_copy_file_look(const char *sys, const struct hw_nic *nic, unsigned int vf,
		      const struct hw_value *to, struct hw_file_told *out, struct err *e)
{
	const char *name = name_of(to->dir);
	struct hw_file_told told = { .there = false };
	char dir[PATH_MAX], text[256];
	struct vlan_set list;
	int rc = name && !vf_dir(dir, sys, nic, vf) ? 0 : -EINVAL;

	rc = rc ?: hw_sys_word(dir, name, text, sizeof(text));
	if (rc == -EINVAL && name) { /* nothing in it, or more than is read */
		*out = told;
		return 0;
	}
	if (rc)
		return err_set(e, rc, "sriov/%u/%s: %s", vf, name ?: "", strerror(-rc));
	snprintf(told.says, sizeof(told.says), "%.60s", text);
	told.known = true;
	told.there = to->peer < VLAN_N && !vlan_set_parse(text, &list, NULL) &&
		     vlan_set_has(&list, to->peer);
	*out = told;
	return 0;
}
