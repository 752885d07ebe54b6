/* SPDX-License-Identifier: Apache-2.0 */
/* A server as libvirt's domain XML. Pure. */
#ifndef ANYVF_AGENT_KINDS_SERVER_DOMXML_H
#define ANYVF_AGENT_KINDS_SERVER_DOMXML_H

#include "agent/core/have.h"
#include "agent/core/want.h"

struct domxml_port {
	const char *id; /* port id */
	struct mac mac;
	unsigned int mtu;   /* told to the guest when it is not 1500 */
	const char *socket; /* the switch listens there, QEMU comes again after a restart of it */
	enum port_way way;
	const char *pci_slot; /* hostdev: 0000:05:10.2 */
	bool managed;	      /* hostdev: libvirt binds it to vfio-pci */
	const char *netdev;   /* macvtap */
};

struct domxml_disk {
	const char *path;		/* qcow2 file */
	const char *base, *base_driver; /* what it lies on, and how that is read */
};

struct domxml {
	const struct want_server *server;
	bool kvm;	      /* else TCG */
	bool no_msix;	      /* QEMU < 8 under TCG: MSI-X on vhost-user crashes it */
	const char *emulator; /* NULL: libvirt's choice */
	const char *kernel, *initrd, *cmdline; /* kernel NULL: the disk boots */
	unsigned int n_disks;
	const struct domxml_disk *disks; /* vda and so on */
	const char *drive;		 /* config drive, ISO file */
	const char *console;		 /* file that gets what the serial console says */
	unsigned int n_ports;
	const struct domxml_port *ports;
};

char *domxml_build(const struct domxml *d);
char *domxml_build_port(const struct domxml_port *p);

#endif
