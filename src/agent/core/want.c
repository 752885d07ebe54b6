/* SPDX-License-Identifier: Apache-2.0 */
/* The API's documents, checked and unpacked. What passes here is safe in paths and commands. */
#include "agent/core/want.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int bad_doc(struct err *e, const json_error_t *why)
{
	return err_set(e, -EINVAL, "document: %s", why->text);
}

/* Ids become file, domain and namespace names: nothing but a UUID may pass. */
static int check_ids(const char *const ids[], unsigned int n, struct err *e)
{
	for (unsigned int i = 0; i < n; i++)
		if (ids[i] && !uuid_valid(ids[i]))
			return err_set(e, -EINVAL, "\"%.60s\" is no UUID", ids[i]);
	return 0;
}

static const char *optional(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text && *text ? text : NULL;
}

static int parse_ips(const json_t *list, struct want_ip *ips, unsigned int *n, struct err *e)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) > WANT_IPS_MAX)
		return err_set(e, -E2BIG, "more than %u addresses", WANT_IPS_MAX);
	json_array_foreach (list, i, item) {
		const char *address = optional(item, "ip_address");
		int rc = address ? ip_parse(address, &ips[i].address, e)
				 : err_set(e, -EINVAL, "an address is missing");

		if (rc)
			return rc;
		ips[i].subnet = optional(item, "subnet_id");
	}
	*n = (unsigned int)i;
	return 0;
}

/* A sum in hex becomes part of a file's name. */
static int parse_hash(const json_t *image, const char *key, const char **out, struct err *e)
{
	const char *hash = optional(image, key);
	size_t len = hash ? strlen(hash) : 0;

	*out = hash ? hash : "";
	if (!len || ((len == 128 || len == 32) && strspn(hash, "0123456789abcdef") == len))
		return 0;
	return err_set(e, -EINVAL, "%s \"%.60s\" is no checksum", key, hash);
}

static int parse_image(const json_t *image, struct want_image *out, struct err *e)
{
	const json_t *props = json_object_get(image, "properties");
	bool sha512 = optional(image, "os_hash_value");
	int rc;

	*out = (struct want_image){
		.disk = { optional(image, "id"), optional(image, "disk_format") },
		.kernel = { optional(image, "kernel_id"), "aki" },
		.ramdisk = { optional(image, "ramdisk_id"), "ari" },
		.cmdline = optional(props, "os_command_line"),
	};
	if (!out->disk.id || !out->disk.format)
		return err_set(e, -EINVAL, "the server has no image");
	rc = parse_hash(image, sha512 ? "os_hash_value" : "checksum", &out->disk.hash, e);
	rc = rc ? rc : parse_hash(image, "kernel_hash", &out->kernel.hash, e);
	rc = rc ? rc : parse_hash(image, "ramdisk_hash", &out->ramdisk.hash, e);
	return rc ? rc
		  : check_ids(
			    (const char *const[]){ out->disk.id, out->kernel.id, out->ramdisk.id },
			    3, e);
}

/**
 * want_server_parse() - A server's document as a struct
 * @doc: the document; @out takes a reference of its own
 * @out: gets the server, given back with want_doc_put(&out->doc); untouched on failure
 * @e:   what is wrong with the document, may be NULL
 *
 * Return: 0, -EINVAL or -E2BIG. Context: any thread; the document is never changed.
 */
int want_server_parse(json_t *doc, struct want_server *out, struct err *e)
{
	struct want_server s = { .on = false };
	const char *power;
	int on_deleted = 0, vcpus, memory_mb, disk_gb, reboot = 0, rc;
	json_t *image, *ports, *metadata = NULL;
	json_int_t generation;
	const json_t *item;
	json_error_t why;
	size_t i;

	if (json_unpack_ex(doc, &why, 0, "{s:I,s:s,s:s,s:s,s:s,s?b,s?i,s:i,s:i,s:i,s:o,s?o,s:o}",
			   "generation", &generation, "id", &s.id, "name", &s.name, "project_id",
			   &s.project_id, "power", &power, "deleted", &on_deleted, "reboot",
			   &reboot, "vcpus", &vcpus, "memory_mb", &memory_mb, "disk_gb", &disk_gb,
			   "image", &image, "metadata", &metadata, "ports", &ports))
		return bad_doc(e, &why);
	if (vcpus < 1 || memory_mb < 1 || disk_gb < 0 || reboot < 0 || generation < 0)
		return err_set(e, -EINVAL, "a server of %d CPUs, %d MB and %d GB", vcpus, memory_mb,
			       disk_gb);
	if (json_array_size(ports) > WANT_PORTS_MAX)
		return err_set(e, -E2BIG, "more than %u ports", WANT_PORTS_MAX);
	json_array_foreach (ports, i, item)
		s.ports[s.n_ports++] = json_string_value(item) ? json_string_value(item) : "";
	rc = check_ids(&s.id, 1, e);
	if (!rc)
		rc = check_ids(s.ports, s.n_ports, e);
	if (!rc && !on_deleted)
		rc = parse_image(image, &s.image, e);
	if (rc)
		return rc;
	s.generation = (uint64_t)generation;
	s.on = !strcmp(power, "on");
	s.deleted = on_deleted;
	s.reboot = (unsigned int)reboot;
	s.vcpus = (unsigned int)vcpus;
	s.memory_mb = (unsigned int)memory_mb;
	s.disk_gb = (unsigned int)disk_gb;
	s.user_data = optional(doc, "user_data");
	s.key_name = optional(doc, "key_name");
	s.public_key = optional(doc, "public_key");
	s.metadata = metadata;
	s.doc = json_incref(doc);
	*out = s;
	return 0;
}

/* The VF's settings: the words of vf_fields[] that the document has under the same names. */
static int parse_vf_config(const json_t *doc, struct vf_config *out, struct err *e)
{
	auto_of(json_decref) json_t *set = json_object();
	uint32_t changed = 0;
	int rc;

	if (!set)
		return -ENOMEM;
	for (unsigned int i = 0; i < VF_FIELD_N; i++) {
		json_t *value = json_object_get(doc, vf_fields[i].word);

		if (value && (WANT_VF_FIELDS & 1U << i) && i != VF_FIELD_SERVER)
			json_object_set(set, vf_fields[i].word, value);
	}
	vf_config_default(out);
	rc = fields_from_json(vf_fields, out, set, &changed, e);
	return rc ? rc : vf_config_check(out, changed, e);
}

/**
 * want_port_parse() - A port's document as a struct
 * @doc: the document; @out takes a reference of its own
 * @out: gets the port, given back with want_doc_put(&out->doc); untouched on failure
 * @e:   what is wrong with the document, may be NULL
 *
 * Return: 0, -EINVAL or -E2BIG. Context: any thread.
 */
int want_port_parse(json_t *doc, struct want_port *out, struct err *e)
{
	struct want_port p = { .vf = 0 };
	json_int_t generation;
	json_t *ips = NULL;
	int released = 0, vf, rc;
	json_error_t why;

	if (json_unpack_ex(doc, &why, 0, "{s:I,s:s,s:s,s:s,s:i,s?b,s?o}", "generation", &generation,
			   "id", &p.id, "network", &p.network, "pf", &p.pf, "vf", &vf, "released",
			   &released, "fixed_ips", &ips))
		return bad_doc(e, &why);
	p.server = optional(doc, "server");
	p.pci_slot = optional(doc, "pci_slot");
	rc = check_ids((const char *const[]){ p.id, p.network, p.server }, 3, e);
	if (!rc && (vf < 0 || vf >= VF_MAX || strlen(p.pf) > PF_NAME_LEN))
		rc = err_set(e, -EINVAL, "VF %d of %.40s cannot be", vf, p.pf);
	if (!rc)
		rc = parse_vf_config(doc, &p.config, e);
	if (!rc)
		rc = parse_ips(ips, p.ips, &p.n_ips, e);
	if (rc)
		return rc;
	memcpy(p.config.port_id, p.id, UUID_STR_LEN);
	p.generation = (uint64_t)generation;
	p.vf = (unsigned int)vf;
	p.released = released;
	p.doc = json_incref(doc);
	*out = p;
	return 0;
}

static int parse_subnet(const json_t *doc, struct want_subnet *out, struct err *e)
{
	const char *cidr = optional(doc, "cidr"), *gateway = optional(doc, "gateway_ip");
	int rc;

	*out = (struct want_subnet){
		.id = optional(doc, "id"),
		.dhcp = json_is_true(json_object_get(doc, "enable_dhcp")),
		.ra_mode = optional(doc, "ipv6_ra_mode"),
		.address_mode = optional(doc, "ipv6_address_mode"),
		.dns = json_object_get(doc, "dns_nameservers"),
		.routes = json_object_get(doc, "host_routes"),
	};
	if (!out->id || !cidr)
		return err_set(e, -EINVAL, "a subnet lacks its id or cidr");
	rc = check_ids(&out->id, 1, e);
	if (!rc)
		rc = cidr_parse(cidr, &out->cidr, e);
	return !rc && gateway ? ip_parse(gateway, &out->gateway, e) : rc;
}

static int parse_subnets(const json_t *list, struct want_net *net, struct err *e)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) > WANT_SUBNETS_MAX)
		return err_set(e, -E2BIG, "more than %u subnets", WANT_SUBNETS_MAX);
	json_array_foreach (list, i, item) {
		int rc = parse_subnet(item, &net->subnets[i], e);

		if (rc)
			return rc;
	}
	net->n_subnets = (unsigned int)i;
	return 0;
}

static int parse_dhcp(const json_t *dhcp, struct want_net *net, struct err *e)
{
	const char *mac = optional(dhcp, "mac");
	int rc;

	if (!json_is_object(dhcp))
		return 0;
	net->dhcp = true;
	rc = mac ? mac_parse(mac, &net->dhcp_mac, e) : err_set(e, -EINVAL, "dhcp lacks its mac");
	return rc ? rc
		  : parse_ips(json_object_get(dhcp, "fixed_ips"), net->dhcp_ips, &net->n_dhcp_ips,
			      e);
}

/**
 * want_net_parse() - A network's document as a struct
 * @doc: the document; @out takes a reference of its own
 * @out: gets the network, given back with want_doc_put(&out->doc); untouched on failure
 * @e:   what is wrong with the document, may be NULL
 *
 * Return: 0, -EINVAL or -E2BIG. Context: any thread.
 */
int want_net_parse(json_t *doc, struct want_net *out, struct err *e)
{
	struct want_net n = { .vlan = 0 };
	json_int_t generation;
	int vlan, mtu, rc;
	json_error_t why;

	if (json_unpack_ex(doc, &why, 0, "{s:I,s:s,s:s,s:s,s:i,s:i}", "generation", &generation,
			   "id", &n.id, "name", &n.name, "pf", &n.pf, "vlan", &vlan, "mtu", &mtu))
		return bad_doc(e, &why);
	rc = check_ids(&n.id, 1, e);
	if (!rc &&
	    (vlan < 0 || vlan > 4094 || mtu < 68 || mtu > 9216 || strlen(n.pf) > PF_NAME_LEN))
		rc = err_set(e, -EINVAL, "VLAN %d with MTU %d on %.40s cannot be", vlan, mtu, n.pf);
	if (!rc)
		rc = parse_dhcp(json_object_get(doc, "dhcp"), &n, e);
	if (!rc)
		rc = parse_subnets(json_object_get(doc, "subnets"), &n, e);
	if (rc)
		return rc;
	n.generation = (uint64_t)generation;
	n.vlan = (unsigned int)vlan;
	n.mtu = (unsigned int)mtu;
	n.doc = json_incref(doc);
	*out = n;
	return 0;
}

/* TAAS speaks as the VM does, and so do we: IN is what it receives. */
static const char *const tap_directions[] = { "IN", "OUT", "BOTH" };
static_assert(ARRAY_LEN(tap_directions) == WANT_LEGS, "a leg a direction");

static int parse_flow(const json_t *doc, struct want_tap *t, struct err *e)
{
	const char *word = optional(doc, "direction"), *vlans = optional(doc, "vlan_filter");

	t->port = optional(doc, "port");
	if (!t->port)
		return err_set(e, -EINVAL, "port is no id");
	for (uint8_t i = MIRROR_IN; i <= MIRROR_BOTH; i++)
		if (word && !strcmp(word, tap_directions[i]))
			t->legs[MIRROR_BOTH] = (struct want_leg){ true, i };
	if (!t->legs[MIRROR_BOTH].wanted)
		return err_set(e, -EINVAL, "\"%.20s\" is no direction", word ? word : "");
	return vlans ? vlan_set_parse(vlans, &t->vlans, e) : 0;
}

/* Two directions with one tunnel id are one mirror. */
static int parse_mirror(const json_t *doc, struct want_tap *t, struct err *e)
{
	const json_t *directions = json_object_get(doc, "directions");
	const char *type = optional(doc, "mirror_type");
	struct want_leg *in = &t->legs[MIRROR_IN], *out = &t->legs[MIRROR_OUT];

	t->remote = optional(doc, "remote_ip");
	t->by_admin = json_is_true(json_object_get(doc, "by_admin"));
	t->to = type && !strcmp(type, "gre") ? MIRROR_TO_GRE : MIRROR_TO_ERSPAN;
	if (!t->remote || strlen(t->remote) > MIRROR_ADDR_LEN || !type ||
	    (t->to == MIRROR_TO_ERSPAN && strcmp(type, "erspanv1")))
		return err_set(e, -EINVAL, "remote_ip or mirror_type is missing or unknown");
	for (uint8_t i = MIRROR_IN; i <= MIRROR_OUT; i++) {
		const json_t *id = json_object_get(directions, tap_directions[i]);
		json_int_t n = json_integer_value(id);

		if (id && (!json_is_integer(id) || n < 0 || n > UINT32_MAX))
			return err_set(e, -EINVAL, "%s has no tunnel id", tap_directions[i]);
		if (id)
			t->legs[i] = (struct want_leg){ true, i, (uint32_t)n };
	}
	if (!in->wanted && !out->wanted)
		return err_set(e, -EINVAL, "directions are missing");
	if (in->wanted && out->wanted && in->id == out->id) {
		t->legs[MIRROR_BOTH] = (struct want_leg){ true, MIRROR_BOTH, in->id };
		in->wanted = out->wanted = false;
	}
	return 0;
}

/**
 * want_tap_parse() - The document of a tap flow or tap mirror as a struct
 * @doc: the document; @out takes a reference of its own
 * @out: gets the tap, given back with want_doc_put(&out->doc); untouched on failure
 * @e:   what is wrong with the document, may be NULL
 *
 * Return: 0, -EINVAL or -ERANGE. Context: any thread.
 */
int want_tap_parse(json_t *doc, struct want_tap *out, struct err *e)
{
	struct want_tap t = { .to = MIRROR_TO_VF };
	json_int_t generation;
	json_error_t why;
	int rc;

	if (json_unpack_ex(doc, &why, 0, "{s:I,s:s,s:s}", "generation", &generation, "id", &t.id,
			   "source_port", &t.source))
		return bad_doc(e, &why);
	rc = json_object_get(doc, "mirror_type") ? parse_mirror(doc, &t, e)
						 : parse_flow(doc, &t, e);
	if (!rc)
		rc = check_ids((const char *const[]){ t.id, t.source, t.port }, 3, e);
	if (rc)
		return rc;
	t.generation = (uint64_t)generation;
	t.doc = json_incref(doc);
	*out = t;
	return 0;
}

/**
 * want_tap_judge() - Judge by this host's configuration where a tap's frames may go
 * @t:      parsed; `refused` is set
 * @listed: the collectors this host allows
 *
 * Context: any thread.
 */
void want_tap_judge(struct want_tap *t, const struct collectors *listed)
{
	struct err e = { 0 };
	struct ip ip;

	if (t->remote && !ip_parse(t->remote, &ip, &e))
		collector_judge(listed, &ip, t->by_admin, &e);
	snprintf(t->refused, sizeof(t->refused), "%.255s", e.msg);
}

/**
 * want_doc_put() - Give a parsed document back
 * @doc: the struct's document; NULL afterwards, and with it the struct's strings are gone
 */
void want_doc_put(json_t **doc)
{
	json_decref(*doc);
	*doc = NULL;
}
