/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The difference between what is wanted and what is there, as the next step to
 * take. Pure: the agent fills the have structs from what it observes, asks for
 * a step, runs it, observes again. What is there twice is done once.
 */
#ifndef ANYVF_AGENT_CORE_PLAN_H
#define ANYVF_AGENT_CORE_PLAN_H

#include "agent/core/want.h"
#include "agent/host/virt.h"

enum port_step {
	PORT_STEP_NONE,
	PORT_STEP_BIND,	  /* write all settings; what another port left goes first */
	PORT_STEP_SET,	  /* write what the API changed since the last write */
	PORT_STEP_ATTACH, /* listen for the domain's QEMU, which starts then */
	PORT_STEP_DETACH,
	PORT_STEP_RELEASE, /* everything back to defaults */
};

struct port_have {
	bool known;	    /* the switch has told the VF's state */
	bool bound;	    /* the VF carries this port's id */
	uint32_t changed;   /* bits by enum vf_field: document against the agent's last write */
	bool attached;	    /* to this port's socket */
	bool attached_else; /* to something of an operator's */
	bool connected;	    /* the domain's front end is there */
	bool in_use;	    /* its server's domain exists, or may exist */
};

enum server_step {
	SERVER_STEP_NONE,
	SERVER_STEP_START,
	SERVER_STEP_STOP,
	SERVER_STEP_REBOOT, /* end the domain and start it anew */
	SERVER_STEP_DELETE, /* domain, disks, records */
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
	bool rebooting;		    /* a reboot is under way */
	bool ports_ready;	    /* its VFs are set and attached */
	bool was_active;	    /* its ports were connected since it was started */
};

enum net_step {
	NET_STEP_NONE,
	NET_STEP_ADD,	 /* namespace, service port, addresses */
	NET_STEP_START,	 /* dnsmasq with the current configuration */
	NET_STEP_UPDATE, /* the hosts file alone changed */
	NET_STEP_REMOVE,
};

struct net_have {
	bool known;  /* the switch has told its service ports */
	bool wanted; /* the document wants DHCP and a local port needs it */
	bool service_port;
	bool addressed; /* since the switch made the service port */
	bool running;	/* dnsmasq */
	bool conf_current, hosts_current;
	bool files; /* its directory exists */
};

enum tap_step {
	TAP_STEP_NONE,
	TAP_STEP_ADD,	 /* a mirror on the switch */
	TAP_STEP_REMOVE, /* also one that is not as it should be: it is made anew */
};

struct tap_have {
	bool known;   /* the API has told its wishes, and the switch its mirrors */
	bool ports;   /* its ports have their VFs here */
	bool surplus; /* the switch has a mirror with its name that is not wanted so */
	bool missing; /* the switch lacks a mirror of it */
};

enum port_step plan_port(const struct want_port *want, const struct port_have *have);
enum server_step plan_server(const struct want_server *want, const struct server_have *have);
enum net_step plan_net(const struct net_have *have);
enum tap_step plan_tap(const struct tap_have *have);

const char *plan_port_status(const struct want_port *want, const struct port_have *have);
const char *plan_server_status(const struct want_server *want, const struct server_have *have);
bool plan_start_again(int rc, bool begun, unsigned int starts);
int plan_power_state(const struct server_have *have);
const char *plan_net_status(const struct net_have *have);
const char *plan_tap_status(const struct tap_have *have, bool failed);

#endif
