/* SPDX-License-Identifier: Apache-2.0 */
/* Functions with SR-IOV as sysfs tells them; what is missing or makes no sense is "untold". */
#include "hw/nic.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "hw/sysfs.h"

#define CLASS_NIC    0x02
#define CLASS_BRIDGE 0x06

static const char *const buses[] = { "pci", "netdevsim" };

static int device_path(char out[PATH_MAX], const char *sys, const char *bus, const char *address)
{
	return hw_sys_path(out, "%s/bus/%s/devices/%s", sys, bus, address);
}

static uint32_t number_of(const char *dir, const char *name)
{
	uint32_t n = HW_UNTOLD;

	hw_sys_number(dir, name, &n);
	return n;
}

/* Unlike its neighbours it is in hex without a 0x. */
static uint32_t vf_device_of(const char *dir)
{
	char text[16], *end;
	unsigned long n;

	if (hw_sys_word(dir, "sriov_vf_device", text, sizeof(text)) ||
	    !isxdigit((unsigned char)*text))
		return HW_UNTOLD;
	n = strtoul(text, &end, 16);
	return *end || n > UINT16_MAX ? HW_UNTOLD : (uint32_t)n;
}

static uint32_t group_of(const char *dir)
{
	char name[16], *end;
	unsigned long n;

	if (hw_sys_target(dir, "iommu_group", name, sizeof(name)))
		return HW_UNTOLD;
	n = strtoul(name, &end, 10);
	return *end || n >= HW_UNTOLD ? HW_UNTOLD : (uint32_t)n;
}

/* "pf0vf3", "c1pf0sf88": the port's name of a netdev that stands for a VF in switchdev mode. */
static bool is_representor(const char *dir)
{
	char port[32], unit[3];
	unsigned int pf, n;
	const char *at = port;
	int len = 0;

	if (hw_sys_word(dir, "phys_port_name", port, sizeof(port)))
		return false;
	if (sscanf(at, "c%u%n", &n, &len) == 1)
		at += len;
	return sscanf(at, "pf%u%2[vsf]%u", &pf, unit, &n) == 3;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct hw_netdev *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static int take_netdev(void *arg, const char *dir, const char *name)
{
	struct hw_netdev dev = { 0 };
	struct hw_netdevs *to = arg;
	char path[PATH_MAX];
	uint32_t ifindex;

	if (strlen(name) >= sizeof(dev.name) || hw_sys_path(path, "%s/%s", dir, name))
		return 0;
	ifindex = number_of(path, "ifindex");
	if (!ifindex || ifindex > INT_MAX)
		return 0;
	if (is_representor(path)) {
		to->n_representors++;
		return 0;
	}
	strcpy(dev.name, name);
	dev.ifindex = (int)ifindex;
	if (to->n < HW_NETDEVS_MAX)
		to->list[to->n++] = dev;
	return 0;
}

/* virtio's netdevs hang on a device of their own below the function. */
static int take_virtio(void *arg, const char *dir, const char *name)
{
	char path[PATH_MAX];

	if (!strncmp(name, "virtio", 6) && !hw_sys_path(path, "%s/%s/net", dir, name))
		hw_sys_each(path, take_netdev, arg);
	return 0;
}

static void take_netdevs(const char *dir, struct hw_netdevs *out)
{
	char path[PATH_MAX];

	if (!hw_sys_path(path, "%s/net", dir))
		hw_sys_each(path, take_netdev, out);
	if (!out->n)
		hw_sys_each(dir, take_virtio, out);
	qsort(out->list, out->n, sizeof(out->list[0]), by_ifindex);
}

/* Why a function cannot serve as a PF, of what sysfs tells. */
static void judge(struct hw_nic *nic)
{
	struct err *why = &nic->why;

	if (!strcmp(nic->bus, "pci") && nic->class == HW_UNTOLD)
		err_set(why, -EINVAL, "its PCI class cannot be read");
	else if (nic->class != HW_UNTOLD && nic->class >> 16 != CLASS_NIC)
		err_set(why, -EINVAL, "it is no NIC: its PCI class is 0x%06x", nic->class);
	else if (!strcmp(nic->bus, "pci") && nic->totalvfs == HW_UNTOLD)
		err_set(why, -EINVAL, "its sriov_totalvfs is no number");
	else if (!nic->totalvfs)
		err_set(why, -EINVAL, "its sriov_totalvfs is 0: firmware or driver allow no VF");
	else if (nic->numvfs == HW_UNTOLD)
		err_set(why, -EINVAL, "its sriov_numvfs is no number");
	else if (!*nic->driver)
		err_set(why, -EINVAL, "no driver is bound to it");
	else if (!nic->netdevs.n)
		err_set(why, -EINVAL,
			"it has no netdev here: that is in another network namespace, or %s makes "
			"none",
			nic->driver);
}

/* -ENODEV: there is no such device, or it has no SR-IOV. */
static int read_nic(const char *sys, const char *bus, const char *address, struct hw_nic *out)
{
	bool pci = !strcmp(bus, "pci");
	struct hw_nic nic = { 0 };
	char dir[PATH_MAX], file[PATH_MAX];

	if (strlen(address) > HW_ADDRESS_LEN || device_path(dir, sys, bus, address) ||
	    hw_sys_path(file, "%s/%s", dir, pci ? "sriov_totalvfs" : "sriov_numvfs") ||
	    access(file, F_OK))
		return -ENODEV;
	strcpy(nic.address, address);
	strcpy(nic.bus, bus);
	hw_sys_target(dir, "driver", nic.driver, sizeof(nic.driver));
	nic.vendor = number_of(dir, "vendor");
	nic.device = number_of(dir, "device");
	nic.class = number_of(dir, "class");
	nic.vf_device = vf_device_of(dir);
	nic.totalvfs = number_of(dir, "sriov_totalvfs");
	nic.numvfs = number_of(dir, "sriov_numvfs");
	nic.autoprobe = number_of(dir, "sriov_drivers_autoprobe");
	nic.group = group_of(dir);
	nic.node = number_of(dir, "numa_node");
	take_netdevs(dir, &nic.netdevs);
	judge(&nic);
	*out = nic;
	return 0;
}

struct listing {
	const char *sys, *bus;
	struct hw_nic *nics; /* array of n, room for more */
	size_t n, room;
};

static int add_nic(void *arg, const char *dir, const char *name)
{
	struct listing *l = arg;
	struct hw_nic nic;

	if (read_nic(l->sys, l->bus, name, &nic))
		return 0;
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 8;
		struct hw_nic *more = realloc(l->nics, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->nics = more;
		l->room = room;
	}
	l->nics[l->n++] = nic;
	return 0;
}

/* PCI before netdevsim, and there 2 before 10. */
static int by_address(const void *a, const void *b)
{
	const struct hw_nic *x = a, *y = b;
	int c = strcmp(y->bus, x->bus);

	return c ? c : strverscmp(x->address, y->address);
}

/**
 * hw_nic_list() - All functions of the host that have SR-IOV
 * @sys: "/sys"
 * @out: gets them, by address; the caller's to free. Also those that are no NIC, or cannot serve
 * @n:   gets how many
 * @e:   error text
 *
 * Return: 0; -ENOENT: there is no sysfs; or -ENOMEM. Context: any; no privilege needed.
 */
int hw_nic_list(const char *sys, struct hw_nic **out, size_t *n, struct err *e)
{
	struct listing l = { .sys = sys };
	char dir[PATH_MAX];
	int rc = 0;

	if (hw_sys_path(dir, "%s/bus", sys) || access(dir, F_OK))
		return err_set(e, -ENOENT, "there is no sysfs at %s", sys);
	for (unsigned int i = 0; i < ARRAY_LEN(buses) && rc != -ENOMEM; i++) {
		l.bus = buses[i];
		if (!hw_sys_path(dir, "%s/bus/%s/devices", sys, l.bus))
			rc = hw_sys_each(dir, add_nic, &l); /* a host may lack a bus */
	}
	if (rc == -ENOMEM) {
		free(l.nics);
		return err_set(e, rc, "out of memory");
	}
	if (l.n)
		qsort(l.nics, l.n, sizeof(l.nics[0]), by_address);
	*out = l.nics;
	*n = l.n;
	return 0;
}

/* Of a VF: whose it is. */
static int not_vf(const char *dir, const char *name, struct err *e)
{
	char pf[HW_ADDRESS_LEN + 1];

	if (hw_sys_target(dir, "physfn", pf, sizeof(pf)))
		return err_set(e, -ENODEV, "%s has no SR-IOV", name);
	return err_set(e, -ENODEV, "%s is a VF of %s, no PF", name, pf);
}

static int find_function(const char *sys, const char *name, const char *address, struct hw_nic *out,
			 struct err *e)
{
	char dir[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_LEN(buses); i++) {
		if (!read_nic(sys, buses[i], address, out))
			return 0;
		if (!device_path(dir, sys, buses[i], address) && !access(dir, F_OK))
			return not_vf(dir, name, e);
	}
	return -ENOENT;
}

/* The function is what the netdev's device is, or (virtio) what that hangs on. */
static int find_netdev(const char *sys, const char *name, struct hw_nic *out, struct err *e)
{
	char dir[PATH_MAX], real[PATH_MAX];

	if (hw_sys_path(dir, "%s/class/net/%s", sys, name) || access(dir, F_OK))
		return err_set(e, -ENOENT, "there is no netdev and no device %s", name);
	if (hw_sys_path(dir, "%s/class/net/%s/device", sys, name) || !realpath(dir, real))
		return err_set(e, -ENODEV, "%s belongs to no device: it has no SR-IOV", name);
	for (unsigned int i = 0; i < 2; i++) {
		char *last = strrchr(real, '/');
		int rc = last ? find_function(sys, name, last + 1, out, e) : -ENOENT;

		if (rc != -ENOENT)
			return rc;
		if (last)
			*last = '\0';
	}
	return err_set(e, -ENODEV, "%s has no SR-IOV", name);
}

/**
 * hw_nic_find() - One function with SR-IOV
 * @sys:  "/sys"
 * @name: of a netdev of it, or its address
 * @out:  gets it; it may be one that cannot serve (why)
 * @e:    error text
 *
 * Return: 0; -ENOENT: there is no such thing; -ENODEV: it has no SR-IOV, or is a VF. Context: any.
 */
int hw_nic_find(const char *sys, const char *name, struct hw_nic *out, struct err *e)
{
	int rc;

	if (!*name || *name == '.' || strchr(name, '/') || strlen(name) > HW_ADDRESS_LEN)
		return err_set(e, -ENOENT, "\"%.40s\" is no netdev and no device", name);
	rc = find_function(sys, name, name, out, e);
	return rc == -ENOENT ? find_netdev(sys, name, out, e) : rc;
}

struct neighbours {
	const char *self;
	char *other; /* HW_ADDRESS_LEN + 1 */
};

/* VFIO does not mind a bridge in a group. */
static int take_neighbour(void *arg, const char *dir, const char *name)
{
	struct neighbours *n = arg;
	char path[PATH_MAX];
	uint32_t class;

	if (!strcmp(name, n->self) || hw_sys_path(path, "%s/%s", dir, name))
		return 0;
	class = number_of(path, "class");
	if (class == HW_UNTOLD || class >> 16 != CLASS_BRIDGE)
		snprintf(n->other, HW_ADDRESS_LEN + 1, "%s", name);
	return 0;
}

static void read_vf(const char *dir, const char *address, struct hw_vf_dev *out)
{
	struct hw_vf_dev dev = { 0 };
	struct neighbours group = { address, dev.shared };
	char path[PATH_MAX];

	strcpy(dev.address, address);
	hw_sys_target(dir, "driver", dev.driver, sizeof(dev.driver));
	hw_sys_word(dir, "driver_override", dev.override, sizeof(dev.override));
	if (!strcmp(dev.override, "(null)")) /* as the kernel prints that there is none */
		*dev.override = '\0';
	dev.group = group_of(dir);
	if (dev.group != HW_UNTOLD && !hw_sys_path(path, "%s/iommu_group/devices", dir))
		hw_sys_each(path, take_neighbour, &group);
	take_netdevs(dir, &dev.netdevs);
	*out = dev;
}

/**
 * hw_nic_vf() - What sysfs tells of a VF
 * @sys: "/sys"
 * @nic: its PF
 * @vf:  number
 * @out: gets it; of a netdevsim's VF nothing but that it is there
 * @e:   error text
 *
 * Return: 0, or -ENOENT: there is no such VF. Context: any.
 */
int hw_nic_vf(const char *sys, const struct hw_nic *nic, unsigned int vf, struct hw_vf_dev *out,
	      struct err *e)
{
	char dir[PATH_MAX], link[24], address[HW_ADDRESS_LEN + 1];
	uint32_t numvfs;

	if (device_path(dir, sys, nic->bus, nic->address))
		return err_set(e, -ENAMETOOLONG, "%s: its path is too long", nic->address);
	numvfs = number_of(dir, "sriov_numvfs");
	snprintf(link, sizeof(link), "virtfn%u", vf);
	if (numvfs == HW_UNTOLD || vf >= numvfs)
		return err_set(e, -ENOENT, "%s has no VF %u", nic->address, vf);
	if (strcmp(nic->bus, "pci")) {
		*out = (struct hw_vf_dev){ .group = HW_UNTOLD };
		return 0;
	}
	if (hw_sys_target(dir, link, address, sizeof(address)) ||
	    device_path(dir, sys, "pci", address))
		return err_set(e, -ENOENT, "%s has no VF %u: its link %s leads nowhere",
			       nic->address, vf, link);
	read_vf(dir, address, out);
	return 0;
}
