/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/anyvf/anyvf.conf. All daemons share the file, so all keys stand in one table here: what is
 * not in it is a typing error and is refused with its line. anyvf.conf(5) describes the same rows.
 */
#include "base/conf.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

struct conf_key {
	const char *section; /* "pf." stands for any [pf.NAME] */
	const char *key;
	const char *fallback; /* value when the file does not say */
};

static const struct conf_key conf_keys[] = {
	{ "host", "name", "" }, /* "": the machine's host name */
	{ "host", "state_dir", "/var/lib/anyvf" },
	{ "host", "log_dir", "/var/log/anyvf" },
	{ "switch", "cores", "" }, /* "": one worker, on any */
	{ "switch", "poll", "adaptive" },
	{ "switch", "huge", "off" },
	{ "switch", "user", "anyvf" }, /* of the process that maps guests' memory */
	{ "switch", "privileged", "off" }, /* DPDK uplink drivers that need root */
	{ "switch", "uplinks", "" },    /* eth1 bond*; "": any but the default route's */
	{ "switch", "taps", "*" },      /* names that taps may have */
	{ "switch", "adopt_taps", "" }, /* taps of others that may be used */
	{ "switch", "mirror_dirs", "" }, /* "": LOG_DIR/mirrors */
	{ "switch", "socket_dirs", "" }, /* beside RUN_DIR/vhost */
	{ "switch", "vhost_users", "" }, /* front ends beside root and libvirt-qemu */
	{ "pf.", "kind", "sw" },     /* sw | hw: the PF of the NIC of that name */
	{ "pf.", "uplink", "none" }, /* none | dev NETDEV [force] | dpdk DEVARGS */
	{ "pf.", "numvfs", "8" },
	{ "pf.", "host_if", "off" },
	{ "pf.", "mode", "veb" },
	{ "pf.", "mtu", "1500" },
	{ "pf.", "mac", "" },
	{ "pf.", "unknown_unicast", "uplink" },
	{ "sriov", "physical_device_mappings", "" }, /* physnet1:p2p1,physnet2:p2p2 */
	{ "network", "flat_networks", "*" },
	{ "network", "network_vlan_ranges", "" }, /* physnet1:100:199,physnet2 */
	{ "network", "global_physnet_mtu", "1500" },
	{ "taas", "collectors", "" }, /* 192.0.2.0/24,2001:db8::/64; "": none for members */
	{ "api", "listen", "127.0.0.1:5000" },
	{ "api", "user", "anyvf-api" }, /* root: stay root */
	{ "api", "tls_certificate", "" }, /* "": plain HTTP */
	{ "api", "tls_key", "" },
	{ "api", "tls_client_ca", "" }, /* agents need a certificate of it */
	{ "api", "plain_http", "off" }, /* beyond this machine */
	{ "api", "public_url", "" }, /* "": https://LISTEN or http://LISTEN */
	{ "api", "replica_url", "" }, /* for other replicas; "": https://LISTEN or http://LISTEN */
	{ "api", "store", "" },	     /* "": sqlite:STATE_DIR/api/api.db */
	{ "api", "store_ca", "" }, /* etcd's; "": the system's */
	{ "api", "store_certificate", "" }, /* to show etcd */
	{ "api", "store_key", "" },
	{ "api", "store_keys", "/etc/anyvf/store.keys" }, /* documents in etcd are sealed; or off */
	{ "api", "openrc", "/etc/anyvf/openrc" },
	{ "api", "token_hours", "12" },
	{ "api", "audit_log", "log" }, /* a file, or the daemon's log */
	{ "api", "client_timeout_s", "60" }, /* a request must be here in that time */
	{ "api", "metrics", "" }, /* loopback's ADDRESS:PORT or a path; "": none */
	{ "api", "heartbeat_s", "auto" }, /* hosts' agents report so often; three missed: dead */
	{ "quotas", "network", "100" }, /* of a project without its own; -1: any number */
	{ "quotas", "subnet", "100" },
	{ "quotas", "subnetpool", "100" },
	{ "quotas", "address_scope", "100" },
	{ "quotas", "rbac_policy", "100" },
	{ "quotas", "port", "500" },
	{ "quotas", "security_group", "10" },
	{ "quotas", "security_group_rule", "100" },
	{ "quotas", "tap_service", "100" },
	{ "quotas", "tap_flow", "500" },
	{ "quotas", "tap_mirror", "100" },
	{ "image", "directory", "" }, /* "": STATE_DIR/api/images */
	{ "image", "quota_images", "200" }, /* of a project; -1: any number, as below */
	{ "image", "quota_gb", "500" },
	{ "image", "quota_properties", "128" }, /* of an image */
	{ "agent", "user", "" }, /* "": anyvf-agent for qemu:///system, else as it was started */
	{ "agent", "api", "" }, /* URL[, URL ...]; "": conf_api_url() */
	{ "agent", "ca_file", "" }, /* "": the system's */
	{ "agent", "client_certificate", "" },
	{ "agent", "client_key", "" },
	{ "agent", "credentials", "/etc/anyvf/agent.json" },
	{ "agent", "libvirt_uri", "qemu:///system" },
	{ "agent", "rx_filter", "on" },
	{ "agent", "kvm", "auto" },
	{ "agent", "metrics", "" }, /* loopback's ADDRESS:PORT or a path; "": none */
};

struct conf_row {
	char section[64], key[64], value[512];
	struct conf_row *next;
};

struct conf {
	struct conf_row *rows; /* in order of the file */
	struct conf_row **tail;
	struct err why;	       /* the first complaint */
	FILE *file;	       /* while reading */
	int line;	       /* while reading: number of the line read last, from 1 */
	bool line_ended;
};

static const struct conf_key *key_find(const char *section, const char *key)
{
	for (const struct conf_key *k = conf_keys; k < conf_keys + ARRAY_LEN(conf_keys); k++) {
		bool family = k->section[strlen(k->section) - 1] == '.';
		bool here = family ? !strncmp(section, k->section, strlen(k->section)) &&
					     section[strlen(k->section)] :
				     !strcmp(section, k->section);

		if (here && !strcmp(key, k->key))
			return k;
	}
	return NULL;
}

/* Debian's libinih does not tell its handler the line, so we count them as it reads. */
static char *read_line(char *out, int size, void *user)
{
	struct conf *c = user;
	char *got = fgets(out, size, c->file);

	c->line += got && c->line_ended;
	c->line_ended = got && strchr(got, '\n');
	return got;
}

static int on_row(void *user, const char *section, const char *key, const char *value)
{
	struct conf *c = user;
	struct conf_row *row;

	if (!key_find(section, key))
		err_set(&c->why, -EINVAL, "line %d: unknown key \"%s\" in [%s]", c->line, key,
			section);
	else if (strlen(value) >= sizeof(row->value) || strlen(section) >= sizeof(row->section))
		err_set(&c->why, -EINVAL, "line %d: value of \"%s\" is too long", c->line, key);
	if (c->why.msg[0])
		return 0;
	row = calloc(1, sizeof(*row));
	if (!row)
		return 0;
	strcpy(row->section, section);
	strcpy(row->key, key);
	strcpy(row->value, value);
	*c->tail = row;
	c->tail = &row->next;
	return 1;
}

/**
 * conf_open() - Read the configuration
 * @path: file; a missing one is an empty one
 * @out:  the configuration, freed with conf_free()
 * @e:    error text with path and line, may be NULL
 *
 * Return: 0, -EINVAL (syntax, unknown key), -ENOMEM, or what open() says.
 */
int conf_open(const char *path, struct conf **out, struct err *e)
{
	auto_of(conf_free) struct conf *c = calloc(1, sizeof(*c));
	int line;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	c->tail = &c->rows;
	c->line_ended = true;
	c->file = fopen(path, "re");
	if (!c->file && errno != ENOENT)
		return err_errno(e, "%s", path);
	if (c->file) {
		line = ini_parse_stream(read_line, c, on_row, c);
		fclose(c->file);
		if (c->why.msg[0])
			return err_set(e, -EINVAL, "%s: %s", path, c->why.msg);
		if (line)
			return err_set(e, -EINVAL, "%s: line %d: not \"key = value\"", path, line);
	}
	*out = take(c);
	return 0;
}

/**
 * conf_free() - Free a configuration
 * @conf: may be NULL; strings it gave out end with it
 */
void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	while (conf->rows) {
		struct conf_row *row = take(conf->rows);

		conf->rows = row->next;
		free(row);
	}
	free(conf);
}

/**
 * conf_get() - Value of a key
 * @conf:    configuration
 * @section: "api", or "pf.p2p1"
 * @key:     key; asserts that the table has it
 *
 * Return: the last value in the file, else the table's; owned by @conf or static.
 */
const char *conf_get(const struct conf *conf, const char *section, const char *key)
{
	const struct conf_key *k = key_find(section, key);
	const char *value;

	assert(k);
	value = k->fallback;
	for (const struct conf_row *r = conf->rows; r; r = r->next)
		if (!strcmp(r->section, section) && !strcmp(r->key, key))
			value = r->value;
	return value;
}

/**
 * conf_said() - Whether the file has a key
 * @conf:    configuration
 * @section: as in conf_get()
 * @key:     likewise
 *
 * Return: false where conf_get() answers the table's value.
 */
bool conf_said(const struct conf *conf, const char *section, const char *key)
{
	for (const struct conf_row *r = conf->rows; r; r = r->next)
		if (!strcmp(r->section, section) && !strcmp(r->key, key))
			return true;
	return false;
}

/**
 * conf_bool() - Value of an on/off key
 * @conf:    configuration
 * @section: as in conf_get()
 * @key:     as in conf_get()
 *
 * Return: true for on, true, yes and 1.
 */
bool conf_bool(const struct conf *conf, const char *section, const char *key)
{
	const char *v = conf_get(conf, section, key);

	return !strcmp(v, "on") || !strcmp(v, "true") || !strcmp(v, "yes") || !strcmp(v, "1");
}

/**
 * conf_api_url() - Where programs of this installation reach the API
 * @conf: configuration
 * @i:    which of the API's replicas, from 0
 * @out:  of the list [agent] api, else the listener
 * @size: bytes of @out
 *
 * Return: false past the last, @out is "" then.
 */
bool conf_api_url(const struct conf *conf, unsigned int i, char *out, size_t size)
{
	const char *url = conf_get(conf, "agent", "api");
	size_t len;

	*out = '\0';
	if (!*url) {
		if (!i)
			snprintf(out, size, "%s://%s",
				 *conf_get(conf, "api", "tls_key") ? "https" : "http",
				 conf_get(conf, "api", "listen"));
		return !i;
	}
	url += strspn(url, ", \t");
	for (; i && *url; i--) {
		url += strcspn(url, ", \t");
		url += strspn(url, ", \t");
	}
	len = strcspn(url, ", \t");
	snprintf(out, size, "%.*s", (int)(len && url[len - 1] == '/' ? len - 1 : len), url);
	return len;
}

/**
 * conf_instance() - Names of repeated sections
 * @conf:   configuration
 * @family: "pf" for [pf.NAME]
 * @i:      which, from 0, in order of the file
 *
 * Return: NAME, or NULL past the last.
 */
const char *conf_instance(const struct conf *conf, const char *family, unsigned int i)
{
	size_t n = strlen(family);

	for (const struct conf_row *r = conf->rows; r; r = r->next) {
		bool seen = false;

		if (strncmp(r->section, family, n) || r->section[n] != '.')
			continue;
		for (const struct conf_row *b = conf->rows; b != r && !seen; b = b->next)
			seen = !strcmp(b->section, r->section);
		if (!seen && !i--)
			return r->section + n + 1;
	}
	return NULL;
}
