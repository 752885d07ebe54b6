/* SPDX-License-Identifier: Apache-2.0 */
/* What is changed by sysfs: the number of VFs, and which driver has one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hw/nic.h"
#include "hw/sysfs.h"

#define VFIO "vfio-pci"

static int device_path(char out[PATH_MAX], const char *sys, const char *bus, const char *address,
		       struct err *e)
{
	if (!hw_sys_path(out, "%s/bus/%s/devices/%s", sys, bus, address))
		return 0;
	return err_set(e, -ENAMETOOLONG, "%s: its path is too long", address);
}

/* What the kernel's errno means here. */
static const char *numvfs_reason(int rc)
{
	switch (rc) {
	case -EBUSY:
		return "VFs are in use, by a VM or a program, or the driver is busy";
	case -ERANGE:
		return "it cannot have that many";
	case -ENOMEM:
		return "there is no memory, or there are no bus numbers, for that many";
	case -ENOENT:
		return "its driver makes no VFs";
	case -EACCES:
	case -EPERM:
		return geteuid() ? "that is for root"
				 : "its driver refuses, as igb's does where it got no MSI-X";
	default:
		return strerror(-rc);
	}
}

static int put_numvfs(const char *dir, uint32_t n)
{
	uint32_t made = HW_UNTOLD;
	char text[16];
	int rc;

	snprintf(text, sizeof(text), "%u", n);
	rc = hw_sys_put(dir, "sriov_numvfs", text);
	if (!rc)
		rc = hw_sys_number(dir, "sriov_numvfs", &made);
	return rc ? rc : made == n ? 0 : -EIO;
}

/* The kernel goes from one number to another by way of 0 alone. */
static int change_numvfs(const char *dir, const struct hw_nic *nic, uint32_t now, uint32_t n,
			 struct err *e)
{
	int rc = now ? put_numvfs(dir, 0) : 0, back;

	if (rc)
		return err_set(e, rc, "%s: its %u VFs cannot be taken away: %s", nic->address, now,
			       numvfs_reason(rc));
	rc = n ? put_numvfs(dir, n) : 0;
	if (!rc)
		return 0;
	back = put_numvfs(dir, 0) ?: now ? put_numvfs(dir, now) : 0;
	if (back)
		return err_set(e, rc, "%s: %u VFs: %s; and the %u it had do not come back: %s",
			       nic->address, n, numvfs_reason(rc), now, numvfs_reason(back));
	return err_set(e, rc, "%s: %u VFs: %s", nic->address, n, numvfs_reason(rc));
}

/**
 * hw_nic_set_numvfs() - Make VFs, or take them away
 * @sys: "/sys"
 * @nic: PF
 * @n:   how many it is to have
 * @e:   error text
 *
 * From one number to another the kernel goes through 0: all VFs are new then, with defaults. What
 * is known to be refused is refused before; where the driver refuses @n all the same, there are as
 * many as before, as new. The caller asks whether a VF is in use.
 *
 * Return: 0 (also when there are @n); -ERANGE, -EBUSY, -ENOMEM, -ENOENT, -EACCES; -EIO: the driver
 * made another number; or what else the kernel says. Context: blocks for seconds.
 */
int hw_nic_set_numvfs(const char *sys, const struct hw_nic *nic, uint32_t n, struct err *e)
{
	char dir[PATH_MAX];
	uint32_t now;
	int rc = device_path(dir, sys, nic->bus, nic->address, e);

	if (!rc && hw_sys_number(dir, "sriov_numvfs", &now))
		rc = err_set(e, -EIO, "%s: its sriov_numvfs cannot be read", nic->address);
	if (rc || now == n)
		return rc;
	if (nic->totalvfs != HW_UNTOLD && n > nic->totalvfs)
		return err_set(e, -ERANGE, "%s: %u VFs: it can have %u", nic->address, n,
			       nic->totalvfs);
	return change_numvfs(dir, nic, now, n, e);
}

/**
 * hw_nic_set_autoprobe() - Whether VFs made from now on get a driver
 * @sys: "/sys"
 * @nic: PF
 * @on:  whether
 * @e:   error text
 *
 * Return: 0; -EOPNOTSUPP: it has no such setting (netdevsim); or the kernel's errno. Context: any.
 */
int hw_nic_set_autoprobe(const char *sys, const struct hw_nic *nic, bool on, struct err *e)
{
	char dir[PATH_MAX];
	int rc = device_path(dir, sys, nic->bus, nic->address, e);

	if (rc || nic->autoprobe == on)
		return rc;
	if (nic->autoprobe == HW_UNTOLD)
		return err_set(e, -EOPNOTSUPP, "%s has no sriov_drivers_autoprobe", nic->address);
	rc = hw_sys_put(dir, "sriov_drivers_autoprobe", on ? "1" : "0");
	return rc ? err_set(e, rc, "%s: sriov_drivers_autoprobe: %s", nic->address, strerror(-rc))
		  : 0;
}

/**
 * hw_vf_is_open() - Has a VM, or another program, opened a VF's function?
 * @sys: "/sys"
 * @dev: VF
 *
 * vfio-pci enables it for that alone.
 *
 * Return: true if so. Context: any.
 */
bool hw_vf_is_open(const char *sys, const struct hw_vf_dev *dev)
{
	char dir[PATH_MAX];
	uint32_t n = 0;

	return !strcmp(dev->driver, VFIO) && !device_path(dir, sys, "pci", dev->address, NULL) &&
	       !hw_sys_number(dir, "enable", &n) && n;
}

/* Give a VF to a driver ("": to any) by way of none; @probe: otherwise it stays without. */
static int give(const char *sys, const char *dir, const char *address, const char *driver,
		bool probe)
{
	char path[PATH_MAX];
	int rc = hw_sys_put(dir, "driver_override", *driver ? driver : "\n");

	if (!rc && !hw_sys_path(path, "%s/driver", dir) && !access(path, F_OK))
		rc = hw_sys_put(path, "unbind", address);
	if (!rc && probe && !hw_sys_path(path, "%s/bus/pci", sys))
		rc = hw_sys_put(path, "drivers_probe", address);
	return rc;
}

/**
 * hw_vf_may_bind() - Could a driver have a VF?
 * @sys:    "/sys"
 * @dev:    VF
 * @driver: by name
 * @e:      error text
 *
 * Return: 0; -ENOENT: no such driver; for vfio-pci -ENODEV: no IOMMU, -EBUSY: it shares its group.
 * Context: any.
 */
int hw_vf_may_bind(const char *sys, const struct hw_vf_dev *dev, const char *driver, struct err *e)
{
	char path[PATH_MAX];

	if (!*driver || strchr(driver, '/') || strlen(driver) > HW_DRIVER_LEN ||
	    hw_sys_path(path, "%s/bus/pci/drivers/%s", sys, driver) || access(path, F_OK))
		return err_set(e, -ENOENT, "there is no driver %.48s (try: modprobe %.48s)", driver,
			       driver);
	if (strcmp(driver, VFIO))
		return 0;
	if (dev->group == HW_UNTOLD)
		return err_set(e, -ENODEV, "it has no IOMMU group: the IOMMU is off");
	if (*dev->shared)
		return err_set(e, -EBUSY, "its IOMMU group %u has %s in it, too", dev->group,
			       dev->shared);
	return 0;
}

static int change_driver(const char *sys, const struct hw_nic *nic, unsigned int vf,
			 const struct hw_vf_dev *old, const char *driver, struct err *e)
{
	struct hw_vf_dev now;
	char dir[PATH_MAX];
	int rc = device_path(dir, sys, "pci", old->address, e);

	if (!rc && hw_vf_is_open(sys, old))
		return err_set(e, -EBUSY, "a VM or a program has it, by %s", old->driver);
	if (!rc)
		rc = give(sys, dir, old->address, driver ?: "", true);
	if (!rc && driver && !(rc = hw_nic_vf(sys, nic, vf, &now, e)) && strcmp(now.driver, driver))
		rc = -EIO;
	if (!rc)
		return 0;
	give(sys, dir, old->address, old->override, *old->driver);
	return err_set(e, rc, "%s does not take %s: %s", driver ?: "its driver", old->address,
		       rc == -EIO ? "see the kernel's log" : strerror(-rc));
}

/**
 * hw_vf_bind() - Give a VF to a driver
 * @sys:    "/sys"
 * @nic:    its PF
 * @vf:     number
 * @driver: by name ("vfio-pci"), by driver_override, so that no other takes it; NULL: back to what
 *          the kernel does of itself, which is nothing where the PF's autoprobe is off
 * @e:      error text, which names PF and VF
 *
 * For vfio-pci the VF has to be alone in its IOMMU group. If the driver does not take it, it is
 * given back to the one it had. From vfio-pci it is not taken while a program has it open: the
 * kernel would ask the VM for it, and wait for however long that takes.
 *
 * Return: 0 (also when it is so); -ENOENT: no such VF, or driver; -EOPNOTSUPP: no PCI function;
 * -ENODEV: no IOMMU; -EBUSY: it shares its group, or a VM has it; -EIO: the driver does not take
 * it; or the kernel's errno. Context: blocks; needs root.
 */
int hw_vf_bind(const char *sys, const struct hw_nic *nic, unsigned int vf, const char *driver,
	       struct err *e)
{
	struct hw_vf_dev old;
	int rc = hw_nic_vf(sys, nic, vf, &old, e);

	if (rc)
		return rc;
	if (driver ? !strcmp(old.driver, driver) && !strcmp(old.override, driver) : !*old.override)
		return 0;
	if (!*old.address)
		rc = err_set(e, -EOPNOTSUPP, "it is no PCI function: no driver can have it");
	else if (driver)
		rc = hw_vf_may_bind(sys, &old, driver, e);
	if (!rc)
		rc = change_driver(sys, nic, vf, &old, driver, e);
	if (rc)
		err_prefix(e, "%s vf %u", nic->address, vf);
	return rc;
}

/**
 * hw_vf_probe() - Give a VF the driver that the kernel has for it, or take that away
 * @sys: "/sys"
 * @nic: its PF; where its VFs get no driver of themselves, this one does
 * @vf:  number
 * @on:  whether it is to have one
 * @e:   error text, which names PF and VF
 *
 * Return: 0 (also when it is so, or has another driver); -ENOENT: no such VF; -EOPNOTSUPP: no PCI
 * function; -ENODEV: the kernel has no driver for it; -EBUSY: a VM has it; or the kernel's errno.
 * Context: blocks; needs root.
 */
int hw_vf_probe(const char *sys, const struct hw_nic *nic, unsigned int vf, bool on, struct err *e)
{
	struct hw_vf_dev dev;
	char dir[PATH_MAX], path[PATH_MAX];
	int rc = hw_nic_vf(sys, nic, vf, &dev, e);

	if (rc || on == !!*dev.driver)
		return rc;
	rc = *dev.address ? device_path(dir, sys, "pci", dev.address, e)
			  : err_set(e, -EOPNOTSUPP, "it is no PCI function: no driver can have it");
	if (!rc && hw_vf_is_open(sys, &dev))
		rc = err_set(e, -EBUSY, "a VM or a program has it, by %s", dev.driver);
	if (!rc && on)
		rc = hw_nic_set_autoprobe(sys, nic, true, e);
	if (!rc) {
		rc = on ? hw_sys_path(path, "%s/bus/pci", sys)
			: hw_sys_path(path, "%s/driver", dir);
		rc = rc ?: hw_sys_put(path, on ? "drivers_probe" : "unbind", dev.address);
		if (on && !nic->autoprobe) {
			struct hw_nic now = *nic;

			now.autoprobe = 1;
			rc = hw_nic_set_autoprobe(sys, &now, false, e) ?: rc;
		}
		if (rc)
			rc = err_set(e, rc, "%s: %s", on ? "its driver" : dev.driver,
				     strerror(-rc));
	}
	if (!rc && on && !hw_nic_vf(sys, nic, vf, &dev, e) && !*dev.driver)
		rc = err_set(e, -ENODEV, "the kernel has no driver for it (is its module loaded?)");
	if (rc)
		err_prefix(e, "%s vf %u", nic->address, vf);
	return rc;
}
