/* SPDX-License-Identifier: Apache-2.0 */
/* What a server finds on its config drive; genisoimage writes the ISO. */
#include "agent/kinds/server/drive.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/host/root.h"
#include "base/file.h"

#define ISO_TIMEOUT_MS 30000

/* As Nova's sanitize_hostname(): letters, digits, dashes, dots; blanks become dashes. */
static void hostname_of(const char *name, char out[64])
{
	size_t n = 0;

	for (const char *p = name; *p && n < 63; p++) {
		if (isalnum((unsigned char)*p) || *p == '-' || *p == '.')
			out[n++] = (char)tolower((unsigned char)*p);
		else if (*p == ' ' || *p == '_')
			out[n++] = '-';
	}
	out[n] = '\0';
	if (!out[strspn(out, "-.")])
		strcpy(out, "server");
}

/* Where a guest finds the files, and where it shall put them, as Nova writes it. */
static json_t *file_list(const json_t *files)
{
	json_t *list = json_array(), *file;
	size_t i;

	json_array_foreach (files, i, file)
		json_array_append_new(list, json_pack("{s:o,s:O*}", "content_path",
						      json_sprintf("/content/%04zu", i), "path",
						      json_object_get(file, "path")));
	return list;
}

/**
 * drive_meta_data() - openstack/latest/meta_data.json
 * @s: server
 *
 * Return: a new object, or NULL when out of memory.
 */
json_t *drive_meta_data(const struct want_server *s)
{
	char host[64];
	json_t *meta;

	hostname_of(s->name, host);
	meta = json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:O*,s:[]}", "uuid", s->id, "name", s->name,
			 "hostname", host, "project_id", s->project_id, "launch_index", 0,
			 "availability_zone", "nova", "meta", s->metadata, "devices");
	if (meta && s->admin_pass)
		json_object_set_new(meta, "admin_pass", json_string(s->admin_pass));
	if (meta && json_array_size(s->files))
		json_object_set_new(meta, "files", file_list(s->files));
	if (meta && s->key_name && s->public_key)
		json_object_set_new(meta, "public_keys",
				    json_pack("{s:s}", s->key_name, s->public_key));
	return meta;
}

/* One entry of "networks": an address by DHCP, or in full where the subnet has none. */
static json_t *network_entry(const struct want_port *p, const struct want_net *net, unsigned int i)
{
	const struct want_subnet *sub = want_subnet_of(net, p->ips[i].subnet);
	bool v6 = p->ips[i].address.version == 6;
	char id[32], address[IP_STR_LEN], gateway[IP_STR_LEN];
	json_t *entry;

	snprintf(id, sizeof(id), "network%u", i);
	entry = json_pack("{s:s,s:s+,s:s}", "id", id, "link", "tap", p->id, "network_id",
			  p->network);
	if (!entry)
		return NULL;
	if (!sub || sub->dhcp) {
		json_object_set_new(entry, "type", json_string(v6 ? "ipv6_dhcp" : "ipv4_dhcp"));
		return entry;
	}
	json_object_set_new(entry, "type", json_string(v6 ? "ipv6" : "ipv4"));
	json_object_set_new(entry, "ip_address",
			    json_string(ip_format(&p->ips[i].address, address)));
	json_object_set_new(entry, "prefix_length", json_integer(sub->cidr.len));
	if (sub->gateway.version)
		json_object_set_new(entry, "gateway",
				    json_string(ip_format(&sub->gateway, gateway)));
	return entry;
}

/**
 * drive_network_data() - openstack/latest/network_data.json
 * @ports:   the server's ports, in order
 * @n_ports: how many
 * @nets:    the network of each port; an entry may be NULL when it is not known
 *
 * Return: a new object, or NULL when out of memory.
 */
json_t *drive_network_data(const struct want_port *const *ports, unsigned int n_ports,
			   const struct want_net *const *nets)
{
	json_t *links = json_array(), *networks = json_array();

	for (unsigned int i = 0; i < n_ports; i++) {
		const struct want_port *p = ports[i];
		char mac[MAC_STR_LEN];

		json_array_append_new(links, json_pack("{s:s+,s:s,s:s,s:i,s:s}", "id", "tap", p->id,
						       "type", "phy", "ethernet_mac_address",
						       mac_format(&p->mac, mac), "mtu",
						       p->mtu ? p->mtu : 1500, "vif_id", p->id));
		for (unsigned int k = 0; k < p->n_ips; k++)
			json_array_append_new(networks, network_entry(p, nets[i], k));
	}
	return json_pack("{s:o,s:o,s:[]}", "links", links, "networks", networks, "services");
}

static int base64_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/**
 * drive_user_data() - The bytes of a server's user data
 * @base64: as the API keeps it (RFC 4648); line breaks are passed over
 * @out:    gets the bytes and a NUL behind them, the caller's to free
 * @size:   bytes without that NUL
 * @e:      error text, may be NULL
 *
 * Return: 0, -EINVAL or -ENOMEM. Pure.
 */
int drive_user_data(const char *base64, char **out, size_t *size, struct err *e)
{
	auto_free char *bytes = malloc(strlen(base64) / 4 * 3 + 4);
	unsigned int word = 0, n_bits = 0;
	const char *p = base64;
	size_t n = 0;

	if (!bytes)
		return err_set(e, -ENOMEM, "out of memory");
	for (; *p && *p != '='; p++) {
		int value = base64_value(*p);

		if (value < 0 && isspace((unsigned char)*p))
			continue;
		if (value < 0)
			return err_set(e, -EINVAL, "user data is not base64");
		word = word << 6 | (unsigned int)value;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			bytes[n++] = (char)(word >> n_bits);
		}
	}
	if (p[strspn(p, "= \t\r\n")])
		return err_set(e, -EINVAL, "user data is not base64");
	bytes[n] = '\0';
	*size = n;
	*out = take(bytes);
	return 0;
}

static int put_file(const char *dir, const char *name, const void *data, size_t size, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/openstack/%s", dir, name);
	return file_replace(path, data, size, 0644, e);
}

static int put_json(const char *dir, const char *name, json_t *doc, struct err *e)
{
	auto_of(json_decref) json_t *owned = doc;
	auto_free char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;

	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	return put_file(dir, name, text, strlen(text), e);
}

/* content/0000 and so on: the files of the server's boot. */
static int put_files(const char *dir, const json_t *files, struct err *e)
{
	char path[PATH_MAX], name[32];
	const json_t *file;
	size_t i, size;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/openstack/content", dir);
	if (json_array_size(files))
		rc = file_mkdirs(path, 0755, e);
	json_array_foreach (files, i, file) {
		const char *text = json_string_value(json_object_get(file, "contents"));
		auto_free char *bytes = NULL;

		snprintf(name, sizeof(name), "content/%04zu", i);
		if (!rc)
			rc = drive_user_data(text ? text : "", &bytes, &size, e);
		if (!rc)
			rc = put_file(dir, name, bytes, size, e);
	}
	return rc;
}

/*
 * genisoimage, as in Nova, reads the directory it is handed, and prints the ISO. (xorriso's threads
 * crash in one of some thousand runs.)
 */
static int write_iso(const char *dir, const char *iso, struct err *e)
{
	static const char *const argv[] = { "genisoimage",
					    "-quiet",
					    "-V",
					    "config-2",
					    "-J",
					    "-r",
					    "-graft-points",
					    "/openstack=/proc/self/fd/3/openstack",
					    NULL };
	auto_close int in = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int out = open(iso, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	const int fds[] = { in, out };
	const struct sandbox sandbox = { .memory = 1U << 30,
					 .file_size = 64U << 20,
					 .cpu_s = 30,
					 .fds = fds,
					 .n_fds = 2,
					 .print = true };

	if (in < 0 || out < 0)
		return err_errno(e, "%s", in < 0 ? dir : iso);
	return root_tool(argv, &sandbox, ISO_TIMEOUT_MS, e);
}

/**
 * drive_make() - Write a server's config drive
 * @s:       server
 * @ports:   its ports, in order
 * @n_ports: how many
 * @nets:    the network of each port, or NULL
 * @dir:     directory for the files; made, and left for the next time
 * @iso:     path of the ISO; replaced
 * @e:       error text, may be NULL
 *
 * Return: 0 or a negative errno. Context: blocks; not in the loop.
 */
int drive_make(const struct want_server *s, const struct want_port *const *ports,
	       unsigned int n_ports, const struct want_net *const *nets, const char *dir,
	       const char *iso, struct err *e)
{
	auto_free char *user_data = NULL;
	char path[PATH_MAX];
	size_t size = 0;
	int rc;

	snprintf(path, sizeof(path), "%s/openstack/latest", dir);
	rc = file_mkdirs(path, 0755, e);
	if (!rc)
		rc = put_json(dir, "latest/meta_data.json", drive_meta_data(s), e);
	if (!rc)
		rc = put_json(dir, "latest/network_data.json",
			      drive_network_data(ports, n_ports, nets), e);
	if (!rc && s->user_data)
		rc = drive_user_data(s->user_data, &user_data, &size, e);
	if (!rc && user_data)
		rc = put_file(dir, "latest/user_data", user_data, size, e);
	if (!rc)
		rc = put_files(dir, s->files, e);
	unlink(iso);
	return rc ? rc : write_iso(dir, iso, e);
}
