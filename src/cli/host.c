/* SPDX-License-Identifier: Apache-2.0 */
/* `anyvf host`: the hosts of the cloud, as its admin sees them, and taken out of its use. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/host.h"

#define NOVA "/compute/v2.1"

/* What runs on a host: its hypervisor, with what is used of it; NULL: it is not known. */
static const json_t *hypervisor_of(const json_t *all, const char *host)
{
	const json_t *hv;
	size_t i;

	json_array_foreach (json_object_get(all, "hypervisors"), i, hv)
		if (!strcmp(text_of(hv, "hypervisor_hostname"), host))
			return hv;
	return NULL;
}

static int number_of(const json_t *doc, const char *name)
{
	return (int)json_integer_value(json_object_get(doc, name));
}

/* {"host", "state", "status", ...} of each. */
static int load(struct site *site, json_t **out, struct err *e)
{
	auto_of(json_decref) json_t *services = NULL, *hypervisors = NULL;
	const json_t *s;
	size_t i;
	int rc =
		cloud_ask(site, "GET", NOVA "/os-services?binary=nova-compute", NULL, &services, e);

	rc = rc ?: cloud_ask(site, "GET", NOVA "/os-hypervisors/detail", NULL, &hypervisors, e);
	*out = rc ? NULL : json_array();
	json_array_foreach (json_object_get(services, "services"), i, s) {
		const json_t *hv = hypervisor_of(hypervisors, text_of(s, "host"));

		json_array_append_new(
			*out,
			json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "host",
				  text_of(s, "host"), "state", text_of(s, "state"), "status",
				  text_of(s, "status"), "reason", text_of(s, "disabled_reason"),
				  "servers", number_of(hv, "running_vms"), "vcpus_used",
				  number_of(hv, "vcpus_used"), "vcpus", number_of(hv, "vcpus"),
				  "memory_mb_used", number_of(hv, "memory_mb_used"), "memory_mb",
				  number_of(hv, "memory_mb")));
	}
	return rc;
}

static void print(const json_t *hosts)
{
	const json_t *h;
	size_t i;

	printf("%-24s %-5s %-9s %7s %11s %15s  %s\n", "HOST", "STATE", "STATUS", "SERVERS", "VCPUS",
	       "MEMORY_MB", "REASON");
	json_array_foreach (hosts, i, h)
		printf("%-24s %-5s %-9s %7d %5d/%-5d %7d/%-7d  %s\n", text_of(h, "host"),
		       text_of(h, "state"), text_of(h, "status"), number_of(h, "servers"),
		       number_of(h, "vcpus_used"), number_of(h, "vcpus"),
		       number_of(h, "memory_mb_used"), number_of(h, "memory_mb"),
		       text_of(h, "reason"));
}

/**
 * cli_host_list() - anyvf host list [--config FILE]
 * @cli: words start behind `list`
 *
 * Return: the exit code.
 */
int cli_host_list(struct cli *cli)
{
	auto_of(json_decref) json_t *hosts = NULL;
	auto_site struct site site = { 0 };
	struct err e = { 0 };
	int rc = site_open(cli, &site);

	if (rc)
		return rc;
	if (cli_end(cli))
		return CLI_USAGE;
	if (load(&site, &hosts, &e))
		return cli_error(&e);
	if (cli->json)
		return cli_print_json(cli, hosts);
	print(hosts);
	return CLI_OK;
}

/* reason NULL: enable. */
static int set_enabled(struct site *site, const char *host, const char *reason, struct err *e)
{
	auto_of(json_decref) json_t *body =
		json_pack("{s:s, s:s}", "host", host, "binary", "nova-compute");

	if (reason && *reason)
		json_object_set_new(body, "disabled_reason", json_string(reason));
	return cloud_ask(site, "PUT",
			 !reason   ? NOVA "/os-services/enable"
			 : *reason ? NOVA "/os-services/disable-log-reason"
				   : NOVA "/os-services/disable",
			 body, NULL, e);
}

/**
 * cli_host_disable() - anyvf host disable [--config FILE] HOST [reason TEXT]
 * @cli: words start behind `disable`
 *
 * Return: the exit code.
 */
int cli_host_disable(struct cli *cli)
{
	auto_site struct site site = { 0 };
	const char *host, *reason = "";
	struct err e = { 0 };
	int rc = host_open(cli, &site, &host);

	if (rc)
		return rc;
	if (cli_accept(cli, "reason") && !(reason = cli_next(cli)))
		return cli_missing("REASON");
	if (cli_end(cli))
		return CLI_USAGE;
	return set_enabled(&site, host, reason, &e) ? cli_error(&e) : CLI_OK;
}

/**
 * cli_host_enable() - anyvf host enable [--config FILE] HOST
 * @cli: words start behind `enable`
 *
 * Return: the exit code.
 */
int cli_host_enable(struct cli *cli)
{
	auto_site struct site site = { 0 };
	const char *host;
	struct err e = { 0 };
	int rc = host_open(cli, &site, &host);

	if (rc)
		return rc;
	if (cli_end(cli))
		return CLI_USAGE;
	return set_enabled(&site, host, NULL, &e) ? cli_error(&e) : CLI_OK;
}

static int stop_server(struct site *site, const json_t *server, struct err *e)
{
	auto_of(json_decref) json_t *body = json_pack("{s:n}", "os-stop");
	char path[256];

	snprintf(path, sizeof(path), NOVA "/servers/%.100s/action", text_of(server, "id"));
	return cloud_ask(site, "POST", path, body, NULL, e);
}

/* Tells what is there, and stops what runs. */
static int empty(struct site *site, const char *host, bool stop, struct err *e)
{
	auto_of(json_decref) json_t *servers = NULL;
	const json_t *s;
	char path[512];
	size_t i;
	int rc = 0;

	if (strlen(host) > 255 || host[strcspn(host, "/?#&% ")])
		return err_set(e, -EINVAL, "\"%s\" cannot be a host's name", host);
	snprintf(path, sizeof(path), NOVA "/servers/detail?all_tenants=1&host=%s", host);
	rc = cloud_ask(site, "GET", path, NULL, &servers, e);
	json_array_foreach (json_object_get(servers, "servers"), i, s) {
		const char *status = text_of(s, "status");
		bool runs = !strcmp(status, "ACTIVE");

		if (!rc && stop && runs)
			rc = stop_server(site, s, e);
		printf("%s %-9s %s%s\n", text_of(s, "id"), status, text_of(s, "name"),
		       stop && runs && !rc ? " (stopping)" : "");
	}
	return rc;
}

/**
 * cli_host_drain() - anyvf host drain [--config FILE] HOST [--stop]
 * @cli: words start behind `drain`
 *
 * Return: the exit code.
 */
int cli_host_drain(struct cli *cli)
{
	bool stop = cli_accept(cli, "--stop");
	auto_site struct site site = { 0 };
	const char *host;
	struct err e = { 0 };
	int rc = site_open(cli, &site);

	if (rc)
		return rc;
	stop |= cli_accept(cli, "--stop");
	host = cli_next(cli);
	if (!host)
		return cli_missing("HOST");
	stop |= cli_accept(cli, "--stop");
	if (cli_end(cli))
		return CLI_USAGE;
	rc = set_enabled(&site, host, "drained", &e) ?: empty(&site, host, stop, &e);
	return rc ? cli_error(&e) : CLI_OK;
}
