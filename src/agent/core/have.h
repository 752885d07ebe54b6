/* SPDX-License-Identifier: Apache-2.0 */
/* Observed state of what several kinds look at. */
#ifndef ANYVF_AGENT_CORE_HAVE_H
#define ANYVF_AGENT_CORE_HAVE_H

#include <stdbool.h>

#include "agent/core/want.h"
#include "agent/host/virt.h"

/* How a domain has a port's VF. */
enum port_way {
	PORT_BY_VHOST,	 /* of a software PF: it connects to a socket */
	PORT_BY_HOSTDEV, /* of a NIC: its function, by VFIO */
	PORT_BY_MACVTAP, /* of a NIC: a macvtap that libvirt makes on its netdev */
};

struct port_plug {
	bool known; /* the PF was seen */
	enum port_way way;
	bool managed;	   /* hostdev: libvirt binds it to vfio-pci, and back */
	char pci_slot[16]; /* hostdev: 0000:05:10.2 */
	char netdev[16];   /* macvtap */
};

struct port_have {
	bool known;	  /* the switch has told the VF's state */
	bool lost;	  /* there has been no switch for a while, or it has no such VF */
	bool untold;	  /* the former */
	bool bound;	  /* the VF carries this port's id */
	uint32_t changed; /* bits by enum vf_field: document against the agent's last write */
	uint32_t fields;  /* bits by enum vf_field: what the agent writes, on such a PF */
	struct port_plug plug;
	bool attached;	    /* to this port's socket, or as its domain needs it */
	bool attached_else; /* to something of an operator's */
	bool connected;	    /* the domain's front end is there */
	bool in_use;	    /* its server's domain has it, or may have it */
	bool refused;	    /* a NIC's: what was tried of it is refused, time and again */
	bool spoilt;	    /* a NIC's own function: it has VFs, or is no such NIC's */
};

/* The ports whose VFs a domain has. */
struct nics {
	unsigned int n;
	char ports[WANT_PORTS_MAX][UUID_STR_LEN];
};

struct server_have {
	bool known; /* libvirt has told its domains */
	enum domain_state domain;
	bool files;		    /* its directory exists */
	bool halted;		    /* it ended by itself since it was started */
	uint64_t halted_generation; /* generation of the document then */
	bool failed;		    /* the last start failed for good */
	uint64_t failed_generation; /* generation of the document then */
	unsigned int reboot;	    /* reboots done */
	unsigned int rebuild;	    /* disks made anew */
	unsigned int disk;	    /* the disk that it was given last */
	int spare;		    /* another that is there; -1: none */
	unsigned int rescue;	    /* the rescue its domain was started in; 0: none */
	bool saved;		    /* its domain was saved, and is to be restored */
	bool rebooting;		    /* a reboot is under way */
	bool ports_ready;	    /* its VFs are set and attached */
	bool was_active;	    /* its ports were connected since it was started */
	bool copy_due;		    /* an image is to be made of its disk */
	bool littered;		    /* files of an image that nobody wants lie there */
	bool nics_known;	    /* QEMU has told ... */
	struct nics nics;	    /* ... what the domain has */
	bool surplus, missing; /* of those, VFs that are not its ports'; ports that are ready */
	unsigned int unplugs;  /* times in a row that its guest kept what is surplus, ... */
	uint64_t unplugs_generation; /* ... for this document */
};

#endif
