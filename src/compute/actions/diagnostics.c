/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /servers/ID/diagnostics: asked of the host's agent, shown as nova/virt/libvirt/driver.py
 * does: get_diagnostics() before 2.48, get_instance_diagnostics() from then on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/iso8601.h"
#include "compute/actions/actions.h"

/* Nova's members of the newer form, null where the agent said nothing; the host's are the same. */
static const char *const cpu_words[] = { "id", "time", "utilisation", NULL };
static const char *const disk_words[] = { "read_bytes",	    "read_requests", "write_bytes",
					  "write_requests", "errors_count",  NULL };
static const char *const nic_words[] = { "mac_address", "rx_octets",  "rx_errors", "rx_drop",
					 "rx_packets",	"rx_rate",    "tx_octets", "tx_errors",
					 "tx_drop",	"tx_packets", "tx_rate",   NULL };

/* Of the older form: what follows a device's name, and the same figures' names in the newer. */
static const char *const disk_keys[][2] = {
	{ "read_req", "read_requests" },   { "read", "read_bytes" },
	{ "write_req", "write_requests" }, { "write", "write_bytes" },
	{ "errors", "errors_count" },	   { NULL },
};
static const char *const nic_keys[][2] = {
	{ "rx", "rx_octets" },
	{ "rx_packets", "rx_packets" },
	{ "rx_errors", "rx_errors" },
	{ "rx_drop", "rx_drop" },
	{ "tx", "tx_octets" },
	{ "tx_packets", "tx_packets" },
	{ "tx_errors", "tx_errors" },
	{ "tx_drop", "tx_drop" },
	{ NULL },
};

/* An agent's word is taken where it is a number, or a text. */
static json_t *scalar(const json_t *from, const char *word)
{
	json_t *value = json_object_get(from, word);

	return json_is_integer(value) || json_is_string(value) ? json_incref(value) : json_null();
}

static json_t *details(const json_t *list, const char *const words[])
{
	json_t *out = json_array(), *from;
	size_t i;

	json_array_foreach (list, i, from) {
		json_t *one = json_object();

		for (const char *const *word = words; *word; word++)
			json_object_set_new(one, *word, scalar(from, *word));
		json_array_append_new(out, one);
	}
	return out;
}

static json_t *mib(const json_t *memory, const char *word)
{
	const json_t *kib = json_object_get(memory, word);

	return json_is_integer(kib) ? json_integer(json_integer_value(kib) / 1024) : json_null();
}

static json_t *uptime(const struct call *c, const json_t *server)
{
	int64_t since;

	if (!iso8601_parse(doc_str(server, "launched_at"), &since))
		return json_null();
	return json_integer((json_int_t)(c->now_us / 1000000 - since));
}

static json_t *new_form(const struct call *c, const json_t *server, const json_t *said)
{
	const json_t *cpus = json_object_get(said, "cpus"), *disks = json_object_get(said, "disks"),
		     *nics = json_object_get(said, "nics"),
		     *memory = json_object_get(said, "memory");

	return json_pack(
		"{s:s,s:s,s:o,s:s,s:o,s:b,s:i,s:i,s:i,s:o,s:o,s:o,s:{s:o,s:o}}", "state", "running",
		"driver", "libvirt", "hypervisor", scalar(said, "hypervisor"), "hypervisor_os",
		"linux", "uptime", uptime(c, server), "config_drive", 1, "num_cpus",
		(int)json_array_size(cpus), "num_nics", (int)json_array_size(nics), "num_disks",
		(int)json_array_size(disks), "cpu_details", details(cpus, cpu_words),
		"disk_details", details(disks, disk_words), "nic_details", details(nics, nic_words),
		"memory_details", "maximum", mib(memory, "maximum"), "used", mib(memory, "actual"));
}

static void add_named(json_t *out, const json_t *list, const char *const keys[][2])
{
	json_t *from;
	char key[96];
	size_t i;

	json_array_foreach (list, i, from)
		for (size_t n = 0; keys[n][0]; n++) {
			json_t *value = json_object_get(from, keys[n][1]);

			snprintf(key, sizeof(key), "%.64s_%s", doc_str(from, "name"), keys[n][0]);
			if (json_is_integer(value))
				json_object_set(out, key, value);
		}
}

static json_t *old_form(const json_t *said)
{
	const json_t *memory = json_object_get(said, "memory");
	json_t *out = json_object(), *cpu;
	char key[48];
	size_t i;

	json_array_foreach (json_object_get(said, "cpus"), i, cpu) {
		snprintf(key, sizeof(key), "cpu%lld_time", (long long)doc_int(cpu, "id"));
		json_object_set_new(out, key, scalar(cpu, "time"));
	}
	add_named(out, json_object_get(said, "disks"), disk_keys);
	add_named(out, json_object_get(said, "nics"), nic_keys);
	json_object_set_new(out, "memory", scalar(memory, "maximum"));
	json_object_set_new(out, "memory-actual", scalar(memory, "actual"));
	json_object_set_new(out, "memory-rss", scalar(memory, "rss"));
	return out;
}

static int not_running(struct call *c, const char *power_state)
{
	return call_fail(c, 409, "InstanceInvalidState",
			 "Cannot 'get_diagnostics' instance %s while it is in power state %s",
			 c->ids[0], power_state);
}

/* Nova's word for a power state. */
static const char *power_word(const json_t *server)
{
	switch (doc_int(server, "power_state")) {
	case 1:
		return "running";
	case 3:
		return "paused";
	case 4:
		return "shutdown";
	default:
		return "pending";
	}
}

/**
 * action_diagnostics() - GET /servers/ID/diagnostics
 * @c: the call
 *
 * Return: as a handler: CALL_WAIT until the host's agent has answered; 409 for a server that does
 * not run.
 */
int action_diagnostics(struct call *c)
{
	const json_t *server = server_find(c, c->ids[0]);
	auto_of(json_decref) json_t *said = NULL;
	int rc;

	if (!server)
		return -ENOENT;
	if (!c->runs && doc_text(server, "host") && doc_int(server, "power_state") != 1)
		return not_running(c, power_word(server));
	rc = host_ask(c, "diagnostics", server, NULL, &said);
	if (rc)
		return rc;
	if (!doc_bool(said, "running"))
		return not_running(c, "shutdown");
	return call_reply(c, 200,
			  compute_minor(c) < 48 ? old_form(said) : new_form(c, server, said));
}

static const struct rfield report_rows[] = {
	{ "running", J_BOOL, R_CREATE | R_NEED },
	{ "hypervisor", J_STR, R_CREATE, .max = 16 },
	{ "cpus", J_LIST, R_CREATE },
	{ "disks", J_LIST, R_CREATE },
	{ "nics", J_LIST, R_CREATE },
	{ "memory", J_OBJ, R_CREATE },
	{ NULL },
};

static int report_diagnostics(struct call *c, const char *host, const char *id, const json_t *wish,
			      const json_t *said)
{
	return host_answered(c, host, "diagnostics", id, said);
}

const struct wish_kind diagnostics_wish = { "diagnostics", host_question, report_rows,
					    report_diagnostics };
