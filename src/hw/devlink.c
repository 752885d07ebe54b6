/* SPDX-License-Identifier: Apache-2.0 */
#include "hw/devlink.h"

#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>

#include "hw/link.h"
#include "hw/rt.h"

const char *const hw_eswitch_names[] = {
	[HW_ESWITCH_NONE] = "none",
	[HW_ESWITCH_LEGACY] = "legacy",
	[HW_ESWITCH_SWITCHDEV] = "switchdev",
	[HW_ESWITCH_UNTOLD] = "",
};

/* A number of 16 bits in an answer of generic netlink. */
struct wanted {
	uint16_t attr, value;
	bool there;
};

static int on_answer(void *arg, const struct nlmsghdr *h, struct err *e)
{
	struct wanted *w = arg;
	const struct nlattr *a;

	mnl_attr_for_each (a, h, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(a) != w->attr || mnl_attr_validate(a, MNL_TYPE_U16) < 0)
			continue;
		w->value = mnl_attr_get_u16(a);
		w->there = true;
	}
	return 0;
}

/**
 * hw_devlink_begin() - Begin a request of generic netlink
 * @rt:     socket
 * @family: of whom
 * @cmd:    DEVLINK_CMD_...
 * @flags:  NLM_F_ACK or NLM_F_DUMP
 *
 * Return: as hw_rt_begin(). Context: the socket's thread.
 */
struct nlmsghdr *hw_devlink_begin(struct hw_rt *rt, uint16_t family, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *h = hw_rt_begin(rt, family, flags);
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	g->cmd = cmd;
	g->version = 1;
	return h;
}

/**
 * hw_devlink_open() - A socket to ask devlink by
 * @rt:     gets it, on failure as well; hw_rt_close() ends it
 * @family: gets the number to ask by
 * @e:      the kernel's words
 *
 * Return: 0; -ENOENT or -EOPNOTSUPP: this kernel has no devlink; or a negative errno. Context: any.
 */
int hw_devlink_open(struct hw_rt **rt, uint16_t *family, struct err *e)
{
	struct wanted id = { .attr = CTRL_ATTR_FAMILY_ID };
	struct nlmsghdr *h;
	int rc = hw_rt_open_bus(NETLINK_GENERIC, rt, e);

	if (rc)
		return rc;
	h = hw_devlink_begin(*rt, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, DEVLINK_GENL_NAME);
	rc = hw_rt_call(*rt, h, on_answer, &id, e);
	if (!rc && !id.there)
		rc = -EOPNOTSUPP;
	*family = id.value;
	return rc;
}

static int ask_mode(struct hw_rt *rt, uint16_t family, const char *bus, const char *device,
		    struct wanted *mode, struct err *e)
{
	struct nlmsghdr *h = hw_devlink_begin(rt, family, DEVLINK_CMD_ESWITCH_GET, NLM_F_ACK);

	mnl_attr_put_strz(h, DEVLINK_ATTR_BUS_NAME, bus);
	mnl_attr_put_strz(h, DEVLINK_ATTR_DEV_NAME, device);
	return hw_rt_call(rt, h, on_answer, mode, e);
}

/**
 * hw_eswitch_get() - The mode of a NIC's switch
 * @bus:    "pci", "netdevsim"
 * @device: its address there, shorter than a request
 * @out:    gets it; untouched on failure
 * @e:      error text
 *
 * Who may not ask (CAP_NET_ADMIN) gets HW_ESWITCH_UNTOLD, and HW_ESWITCH_NONE where there is no
 * devlink, in the kernel or the driver.
 *
 * Return: 0 or the kernel's errno. Context: any; of the caller's network namespace.
 */
int hw_eswitch_get(const char *bus, const char *device, enum hw_eswitch *out, struct err *e)
{
	struct wanted mode = { .attr = DEVLINK_ATTR_ESWITCH_MODE };
	auto_of(hw_rt_close) struct hw_rt *rt = NULL;
	struct err why = { 0 };
	uint16_t family;
	int rc = hw_devlink_open(&rt, &family, &why);

	if (!rt)
		return err_set(e, rc, "%s", why.msg);
	rc = rc ?: ask_mode(rt, family, bus, device, &mode, &why);
	if (rc == -EOPNOTSUPP || rc == -ENOENT || rc == -ENODEV)
		*out = HW_ESWITCH_NONE;
	else if (rc && rc != -EPERM)
		return err_set(e, rc, "devlink %s/%s: %s", bus, device, why.msg);
	else if (mode.there && mode.value == DEVLINK_ESWITCH_MODE_LEGACY)
		*out = HW_ESWITCH_LEGACY;
	else if (mode.there && mode.value == DEVLINK_ESWITCH_MODE_SWITCHDEV)
		*out = HW_ESWITCH_SWITCHDEV;
	else
		*out = HW_ESWITCH_UNTOLD;
	return 0;
}

/**
 * hw_eswitch_set() - Give a NIC's switch another mode
 * @bus:    "pci", "netdevsim"
 * @device: its address there, shorter than a request
 * @mode:   HW_ESWITCH_LEGACY or HW_ESWITCH_SWITCHDEV
 * @e:      the kernel's words
 *
 * Return: 0; -EOPNOTSUPP: its driver has no modes, or not this one; or the kernel's errno.
 * Context: any; of the caller's network namespace; needs CAP_NET_ADMIN.
 */
int hw_eswitch_set(const char *bus, const char *device, enum hw_eswitch mode, struct err *e)
{
	auto_of(hw_rt_close) struct hw_rt *rt = NULL;
	struct nlmsghdr *h;
	uint16_t family;
	int rc = hw_devlink_open(&rt, &family, e);

	if (rc)
		return rc;
	h = hw_devlink_begin(rt, family, DEVLINK_CMD_ESWITCH_SET, NLM_F_ACK);
	mnl_attr_put_strz(h, DEVLINK_ATTR_BUS_NAME, bus);
	mnl_attr_put_strz(h, DEVLINK_ATTR_DEV_NAME, device);
	mnl_attr_put_u16(h, DEVLINK_ATTR_ESWITCH_MODE,
			 mode == HW_ESWITCH_SWITCHDEV ? DEVLINK_ESWITCH_MODE_SWITCHDEV
						      : DEVLINK_ESWITCH_MODE_LEGACY);
	return hw_rt_call(rt, h, NULL, NULL, e);
}
