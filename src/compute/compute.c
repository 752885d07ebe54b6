/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compute service: versions, microversions, and what its files share. The
 * resources and routes themselves stand in the files beside it.
 */
#include "compute/actions/actions.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "compute/words.h"

#define MIME "application/vnd.openstack.compute+json;version="

/**
 * name_key() - What stands for a name inside a store key
 * @name: as long as the API allows, any characters
 * @out:  its hash in hex
 */
void name_key(const char *name, char out[NAME_KEY_LEN])
{
	unsigned char hash[NAME_KEY_LEN / 2];

	crypto_generichash(hash, sizeof(hash), (const unsigned char *)name, strlen(name), NULL, 0);
	sodium_bin2hex(out, NAME_KEY_LEN, hash, sizeof(hash));
}

/* Before each handler. */
static int compute_begin(struct call *c)
{
	return version_begin(c) ?: words_check(c);
}

static json_t *link_to(const char *rel, const struct call *c, const char *version,
		       const char *collection, const char *id)
{
	return json_pack(
		"{s:s,s:o}", "rel", rel, "href",
		json_sprintf("%s/compute%s/%s/%s", c->opts->public_url, version, collection, id));
}

/**
 * compute_bookmark() - The links member of something referred to
 * @c:          the call
 * @collection: "flavors", "images"
 * @id:         of the thing
 *
 * Return: a new list with one bookmark.
 */
json_t *compute_bookmark(const struct call *c, const char *collection, const char *id)
{
	return json_pack("[o]", link_to("bookmark", c, "", collection, id));
}

/**
 * compute_links() - The links member of a resource of this service
 * @c:          the call
 * @collection: "servers", "flavors"
 * @id:         of the resource
 *
 * Return: a new list: self and bookmark.
 */
json_t *compute_links(const struct call *c, const char *collection, const char *id)
{
	return json_pack("[o,o]", link_to("self", c, "/v2.1", collection, id),
			 link_to("bookmark", c, "", collection, id));
}

/**
 * compute_why() - A reason that names hosts and their PFs, for who may know them
 * @c:   the call
 * @why: the reason
 *
 * Return: borrowed.
 */
const char *compute_why(const struct call *c, const struct err *why)
{
	return caller_is_admin(c) ? why->msg : "the reason is for an admin to see";
}

/**
 * compute_body() - The object inside a request's envelope
 * @c:        the call
 * @envelope: "server", "reboot"
 *
 * Return: borrowed; NULL after call_fail() with 400 when there is no such object.
 */
const json_t *compute_body(struct call *c, const char *envelope)
{
	const json_t *in = json_object_get(c->body, envelope);

	if (json_is_object(in))
		return in;
	call_fail(c, 400, "BadRequest", "Invalid input received: an object '%s' is needed",
		  envelope);
	return NULL;
}

static json_t *version_doc(const struct call *c)
{
	char max[16];

	snprintf(max, sizeof(max), "2.%d", COMPUTE_MINOR_MAX);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:[{s:s,s:o}]}", "id", "v2.1", "status", "CURRENT",
			 "version", max, "min_version", "2.1", "updated", "2013-07-23T11:33:21Z",
			 "links", "rel", "self", "href",
			 json_sprintf("%s/compute/v2.1/", c->opts->public_url));
}

/* 2.1 without microversions, which Nova still lists first, and answers as 2.1 does. */
static json_t *old_version_doc(const struct call *c)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:[{s:s,s:o}]}", "id", "v2.0", "status", "SUPPORTED",
			 "version", "", "min_version", "", "updated", "2011-01-21T11:33:21Z",
			 "links", "rel", "self", "href",
			 json_sprintf("%s/compute/v2/", c->opts->public_url));
}

static int versions_list(struct call *c)
{
	return call_reply(c, 200,
			  json_pack("{s:[o,o]}", "versions", old_version_doc(c), version_doc(c)));
}

static int reply_version(struct call *c, json_t *doc, const char *type)
{
	json_object_set_new(doc, "media-types",
			    json_pack("[{s:s,s:s}]", "base", "application/json", "type", type));
	return call_reply(c, 200, json_pack("{s:o}", "version", doc));
}

static int version_show(struct call *c)
{
	return reply_version(c, version_doc(c), MIME "2.1");
}

static int old_version_show(struct call *c)
{
	return reply_version(c, old_version_doc(c), MIME "2");
}

/* Microversions took the place of extensions, and Nova still lists them: what is served here. */
static const struct {
	const char *alias, *name;
} extensions[] = {
	{ "OS-DCF", "DiskConfig" },
	{ "OS-EXT-AZ", "ExtendedAvailabilityZone" },
	{ "OS-EXT-IMG-SIZE", "ImageSize" },
	{ "OS-EXT-IPS", "ExtendedIps" },
	{ "OS-EXT-IPS-MAC", "ExtendedIpsMac" },
	{ "OS-EXT-SRV-ATTR", "ExtendedServerAttributes" },
	{ "OS-EXT-STS", "ExtendedStatus" },
	{ "OS-FLV-DISABLED", "FlavorDisabled" },
	{ "OS-FLV-EXT-DATA", "FlavorExtraData" },
	{ "OS-SRV-USG", "ServerUsage" },
	{ "os-admin-actions", "AdminActions" },
	{ "os-aggregates", "Aggregates" },
	{ "os-attach-interfaces", "AttachInterfaces" },
	{ "os-availability-zone", "AvailabilityZone" },
	{ "os-config-drive", "ConfigDrive" },
	{ "os-console-output", "ConsoleOutput" },
	{ "os-flavor-access", "FlavorAccess" },
	{ "os-flavor-extra-specs", "FlavorExtraSpecs" },
	{ "os-flavor-manage", "FlavorManage" },
	{ "os-hypervisors", "Hypervisors" },
	{ "os-instance-actions", "InstanceActions" },
	{ "os-keypairs", "Keypairs" },
	{ "os-lock-server", "LockServer" },
	{ "os-migrations", "Migrations" },
	{ "os-multiple-create", "MultipleCreate" },
	{ "os-personality", "Personality" },
	{ "os-quota-class-sets", "QuotaClasses" },
	{ "os-quota-sets", "Quotas" },
	{ "os-security-groups", "SecurityGroups" },
	{ "os-server-diagnostics", "ServerDiagnostics" },
	{ "os-server-password", "ServerPassword" },
	{ "os-server-start-stop", "ServerStartStop" },
	{ "os-services", "Services" },
	{ "os-simple-tenant-usage", "SimpleTenantUsage" },
	{ "os-used-limits", "UsedLimits" },
	{ "os-user-data", "UserData" },
};

static json_t *extension_view(size_t i)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:[]}", "alias", extensions[i].alias, "name",
			 extensions[i].name, "description", "", "namespace",
			 "http://docs.openstack.org/compute/ext/fake_xml", "updated",
			 "2014-12-03T00:00:00Z", "links");
}

static int extensions_list(struct call *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		json_array_append_new(list, extension_view(i));
	return call_reply(c, 200, json_pack("{s:o}", "extensions", list));
}

static int extension_show(struct call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		if (!strcmp(extensions[i].alias, c->ids[0]))
			return call_reply(c, 200,
					  json_pack("{s:o}", "extension", extension_view(i)));
	return call_fail(c, 404, "ExtensionNotFound", "The resource could not be found.");
}

static const struct route own_routes[] = {
	{ "GET", "", versions_list, RULE_OPEN },
	{ "GET", "/", versions_list, RULE_OPEN },
	{ "GET", "/v2/", old_version_show, RULE_OPEN },
	{ "GET", "/v2.1", version_show, RULE_OPEN },
	{ "GET", "/v2.1/", version_show, RULE_OPEN },
	{ "GET", "/v2.1/extensions", extensions_list, RULE_READ },
	{ "GET", "/v2.1/extensions/{}", extension_show, RULE_READ },
	{ NULL },
};

/* The first that matches is taken: servers/detail is no server. */
static const struct route *const all_routes[] = {
	own_routes,	  flavor_routes, keypair_routes,   quota_routes,
	host_routes,	  boot_routes,	 list_routes,	   group_routes,
	tag_routes,	  usage_routes,	 aggregate_routes, image_proxy_routes,
	migration_routes, server_routes, action_routes,	   console_routes,
	interface_routes, NULL
};
static const struct resource *const resources[] = {
	&flavor_resource,	  &server_resource,    &server_group_resource,
	&deleted_server_resource, &migration_resource, NULL
};

static const struct periodic periodics[] = {
	{ 20000, ask_sweep }, { 600000, deleted_sweep }, { 600000, migration_sweep }, { 0, NULL }
};

static const struct service service = {
	.type = "compute",
	.name = "nova",
	.prefix = "/compute",
	.url = "/compute/v2.1",
	.style = FAULT_NOVA,
	.older = "/v2/",
	.newer = "/v2.1/",
	.begin = compute_begin,
};
const struct feature compute_feature = {
	.name = "compute",
	.service = &service,
	.resources = resources,
	.routes = all_routes,
	.absent = compute_absent,
	.tallies = quota_tallies,
	.periodics = periodics,
	.hooks = compute_hooks,
	.hosts = &compute_hosts,
};
