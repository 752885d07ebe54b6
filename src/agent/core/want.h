/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Desired state: the API's documents of this host (docs/agent-api.md) as plain
 * structs. Strings point into the document, which each struct holds; those of a
 * port, of which a host has many, into a piece that has no more than they need.
 * These are the ones that several kinds read; each kind parses its own.
 */
#ifndef ANYVF_AGENT_CORE_WANT_H
#define ANYVF_AGENT_CORE_WANT_H

#include <stddef.h>

#include "base/cidr.h"
#include "base/uuid.h"
#include "model/pf.h"

#define WANT_PORTS_MAX	 32 /* ports a server */
#define WANT_IPS_MAX	 16 /* addresses a port */
#define WANT_SUBNETS_MAX 16 /* subnets a network */

/* Members of struct vf_config that the agent writes. */
#define WANT_VF_FIELDS                                                                             \
	(1U << VF_FIELD_MAC | 1U << VF_FIELD_VLAN | 1U << VF_FIELD_SPOOFCHK |                      \
	 1U << VF_FIELD_STATE | 1U << VF_FIELD_TRUST | 1U << VF_FIELD_TRUNK | 1U << VF_FIELD_MTU | \
	 1U << VF_FIELD_ALLOWED | 1U << VF_FIELD_PORT_ID | 1U << VF_FIELD_SERVER)

struct want_ip {
	struct ip address;
	const char *subnet; /* id */
};

/* A file to fetch from the image service. */
struct want_file {
	const char *id;	    /* NULL: none */
	const char *format; /* Glance's disk_format */
	const char *hash;   /* SHA-512 in hex, or MD5; "" if not known */
};

struct want_image {
	struct want_file disk;
	struct want_file kernel, ramdisk; /* without a kernel the disk boots by itself */
	const char *cmdline;		  /* property os_command_line, or NULL */
};

enum want_power { WANT_OFF, WANT_ON, WANT_PAUSED, WANT_SUSPENDED };

struct want_server {
	json_t *doc; /* owns what the pointers point to */
	uint64_t generation;
	const char *id, *name, *project_id;
	enum want_power power;
	bool deleted;
	unsigned int reboot;  /* reboots asked for since the server was made */
	unsigned int rebuild; /* times its disk was to be made anew */
	unsigned int disk;    /* number of the disk it boots from */
	int before;	      /* of the one that becomes it, and is kept; -1: none */
	unsigned int rescue;  /* number of the rescue it is in, by an image of its own; 0: none */
	unsigned int vcpus, memory_mb, disk_gb;
	struct want_image image, rescue_image;
	const char *rescue_pass;	   /* or NULL */
	const char *user_data;		   /* base64, or NULL */
	const json_t *files;		   /* {path, contents in base64}, or NULL */
	const char *admin_pass;		   /* or NULL */
	const char *key_name, *public_key; /* or NULL */
	const json_t *metadata;		   /* object */
	const char *snapshot;		   /* id of the image to be made of its disk, or NULL */
	unsigned int n_ports;
	const char *ports[WANT_PORTS_MAX]; /* ids, in order of the guest's NICs */
};

/* Bytes that structs point to, shared by copies of them. The loop's thread counts references. */
struct want_piece {
	unsigned int refs;
	_Alignas(max_align_t) char bytes[];
};

/* A piece that is laid out: twice alike, as its length is known by the first time. */
struct want_lay {
	char *to; /* NULL: it is only counted */
	size_t n;
};

struct want_port {
	struct want_piece *piece; /* has what the pointers point to */
	const char *id, *network, *pf, *pci_slot;
	const char *server; /* id, or NULL */
	unsigned int vf;
	bool macvtap, whole; /* vnic types; of a NIC alone. whole: the PF's own function */
	bool released;
	uint8_t link; /* these three of its VF's settings: enum vf_link */
	uint16_t mtu;
	struct mac mac;
	unsigned int n_ips;
	struct want_ip *ips;
};

struct want_subnet {
	const char *id;
	struct cidr cidr;
	struct ip gateway; /* version 0: none */
	bool dhcp;
	const char *ra_mode,
		*address_mode;	    /* "slaac", "dhcpv6-stateful", "dhcpv6-stateless"; or NULL */
	const json_t *dns, *routes; /* arrays: of addresses; of {destination, nexthop} */
};

struct want_net {
	json_t *doc;
	const char *id, *name, *pf;
	unsigned int vlan, mtu;
	bool dhcp; /* some subnet has DHCP */
	struct mac dhcp_mac;
	unsigned int n_dhcp_ips, n_subnets;
	struct want_ip dhcp_ips[WANT_IPS_MAX];
	struct want_subnet subnets[WANT_SUBNETS_MAX];
};

void want_doc_put(json_t **doc);
int want_bad_doc(struct err *e, const json_error_t *why);
int want_ids_check(const char *const ids[], unsigned int n, struct err *e);
const char *want_text(const json_t *obj, const char *key);
int want_ips_parse(const json_t *list, struct want_ip *ips, unsigned int *n, struct err *e);
void *want_lay(struct want_lay *lay, void *data, size_t len);
const char *want_lay_text(struct want_lay *lay, const char *text);
struct want_piece *want_piece_new(const struct want_lay *counted);
struct want_piece *want_piece_ref(struct want_piece *piece);
void want_piece_put(struct want_piece **piece);
const struct want_subnet *want_subnet_of(const struct want_net *net, const char *id);

/* A copy with a reference of its own to the document, given back by want_doc_put(). */
#define WANT_COPY(want)                                                                            \
	({                                                                                         \
		json_incref((want)->doc);                                                          \
		*(want);                                                                           \
	})

#endif
