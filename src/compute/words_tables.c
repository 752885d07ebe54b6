/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of words.h, in the order of nova/api/openstack/compute/schemas. */
#include "compute/words.h"

#define INT32 0x7fffffff /* nova.db.constants.MAX_INT */
#define NEED  WORD_NEED
#define TEXTS(...)                                                                                 \
	.names = (const char *const[])                                                             \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}
#define MEMBERS(...)                                                                               \
	(const struct word[])                                                                      \
	{                                                                                          \
		__VA_ARGS__,                                                                       \
		{                                                                                  \
			NULL                                                                       \
		}                                                                                  \
	}
#define NAME(word, flags)                                                                          \
	{                                                                                          \
		word, W_NAME, flags, .min = 1, .max = 255                                          \
	}

/* Bodies */

#define DISK_CONFIG                                                                                \
	{                                                                                          \
		"OS-DCF:diskConfig", W_TEXT, TEXTS("AUTO", "MANUAL")                               \
	}
#define ACCESS                                                                                     \
	{ "accessIPv4", W_IPV4 },                                                                  \
	{                                                                                          \
		"accessIPv6", W_IPV6                                                               \
	}
#define DESCRIPTION                                                                                \
	{                                                                                          \
		"description", W_PLAIN, WORD_NULL, .max = 255, .since = 19                         \
	}
#define FILES                                                                                      \
	{                                                                                          \
		"personality", W_LIST,                                                             \
			.until = 56,                                                               \
			.of = MEMBERS(                                                             \
				{ "personality", W_OBJ,                                            \
				  .of = MEMBERS({ "path", W_TEXT }, { "contents", W_TEXT }) })     \
	}
#define CERTIFICATES                                                                               \
	{                                                                                          \
		"trusted_image_certificates", W_LIST, WORD_NULL,                                   \
			.min = 1, .max = 50, .since = 63,                                          \
			.of = MEMBERS({ "trusted_image_certificates", W_TEXT, .min = 1 })          \
	}
#define NICS(...)                                                                                  \
	MEMBERS({ "networks", W_OBJ,                                                               \
		  .of = MEMBERS({ "fixed_ip", W_IP }, { "port", W_UUID, WORD_NULL },               \
				__VA_ARGS__) })

static const struct word tag[] = { { "tags", W_TAG, .min = 1, .max = 60 }, { NULL } };
static const struct word uuids[] = { { "hint", W_UUID }, { NULL } };

static const struct word hints[] = {
	{ "group", W_UUID },
	{ "different_host", W_LIST, WORD_ITEM, .of = uuids },
	{ "same_host", W_LIST, WORD_ITEM, .of = uuids },
	{ "query", W_OBJ, WORD_OPEN | WORD_ITEM, .of = MEMBERS({ NULL }) },
	NAME("target_cell", 0),
	{ "different_cell", W_LIST, WORD_ITEM, .of = MEMBERS({ "different_cell", W_TEXT }) },
	{ "build_near_host_ip", W_IP },
	{ "cidr", W_TEXT },
	{ NULL },
};

static const struct word server[] = {
	NAME("name", NEED),
	{ "imageRef", W_UUID, WORD_EMPTY },
	{ "flavorRef", W_REF, NEED, .min = 1 },
	{ "adminPass", W_TEXT },
	{ "metadata", W_MAP },
	{ "networks", W_LIST, .until = 36,
	  .of = NICS({ "uuid", W_TEXT }, { "tag", W_TAG, .min = 1, .max = 60, .since = 32 }) },
	{ "networks", W_LIST, NEED, .since = 37, TEXTS("none", "auto"),
	  .of = NICS({ "uuid", W_UUID }, { "tag", W_TAG, .min = 1, .max = 60, .since = 42 }) },
	DISK_CONFIG,
	ACCESS,
	FILES,
	NAME("availability_zone", 0),
	{ "block_device_mapping", W_LIST },
	{ "block_device_mapping_v2", W_LIST },
	{ "config_drive", W_BOOL },
	NAME("key_name", 0),
	{ "min_count", W_INT, .min = 1 },
	{ "max_count", W_INT, .min = 1 },
	{ "return_reservation_id", W_BOOL },
	{ "security_groups", W_LIST,
	  .of = MEMBERS({ "security_groups", W_OBJ, .of = MEMBERS(NAME("name", 0)) }) },
	{ "user_data", W_TEXT, .max = 65535 },
	DESCRIPTION,
	{ "tags", W_LIST, .max = 50, .of = tag, .since = 52 },
	CERTIFICATES,
	{ NULL },
};

static const struct word changed_server[] = {
	NAME("name", 0), DISK_CONFIG, ACCESS, DESCRIPTION, { NULL }
};

static const struct word rebuild[] = {
	NAME("name", 0),
	{ "imageRef", W_UUID, NEED },
	{ "adminPass", W_TEXT },
	{ "metadata", W_MAP },
	{ "preserve_ephemeral", W_BOOL },
	DISK_CONFIG,
	ACCESS,
	FILES,
	DESCRIPTION,
	{ "key_name", W_TEXT, WORD_NULL, .min = 1, .max = 255, .since = 54 },
	{ "user_data", W_TEXT, WORD_NULL, .max = 65535, .since = 57 },
	CERTIFICATES,
	{ NULL },
};

static const struct word flavor[] = {
	NAME("name", NEED),
	{ "id", W_ANY },
	{ "ram", W_INT, NEED, .min = 1, .max = INT32 },
	{ "vcpus", W_INT, NEED, .min = 1, .max = INT32 },
	{ "disk", W_INT, NEED, .max = INT32 },
	{ "OS-FLV-EXT-DATA:ephemeral", W_INT, .max = INT32 },
	{ "swap", W_INT, .max = INT32 },
	{ "rxtx_factor", W_ANY },
	{ "os-flavor-access:is_public", W_BOOL },
	{ "description", W_PLAIN, WORD_NULL, .max = 65535, .since = 55 },
	{ NULL },
};

static const struct word tenant[] = { { "tenant", W_TEXT, NEED, .min = 1, .max = 255 }, { NULL } };

static const struct word keypair[] = {
	NAME("name", NEED),
	{ "public_key", W_TEXT },
	{ "type", W_TEXT, TEXTS("ssh", "x509"), .since = 2 },
	{ "user_id", W_TEXT, .since = 10 },
	{ NULL },
};

static const struct word group[] = {
	NAME("name", NEED),
	{ "policies", W_LIST, NEED, .min = 1, .max = 1, .until = 14,
	  .of = MEMBERS({ "policies", W_TEXT, TEXTS("anti-affinity", "affinity") }) },
	{ "policies", W_LIST, NEED, .min = 1, .max = 1, .since = 15, .until = 63,
	  .of = MEMBERS(
		  { "policies", W_TEXT,
		    TEXTS("anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity") }) },
	{ "policy", W_TEXT, NEED, .since = 64,
	  TEXTS("anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity") },
	{ "rules", W_OBJ, .since = 64, .of = MEMBERS({ "max_server_per_host", W_INT, .min = 1 }) },
	{ NULL },
};

#define ZONE                                                                                       \
	{                                                                                          \
		"availability_zone", W_ZONE, WORD_NULL, .min = 1, .max = 255                       \
	}

static const struct word aggregate[] = { NAME("name", NEED), ZONE, { NULL } };
static const struct word changed_aggregate[] = { { "name", W_DISPLAY, .min = 1, .max = 255 },
						 ZONE,
						 { NULL } };
static const struct word host[] = { { "host", W_HOST, NEED, .min = 1, .max = 255 }, { NULL } };

#define QUOTA(word, ...)                                                                           \
	{                                                                                          \
		word, W_INT, .min = -1, .max = INT32, ##__VA_ARGS__                                \
	}
#define QUOTAS(gone)                                                                               \
	QUOTA("instances"), QUOTA("cores"), QUOTA("ram"), QUOTA("metadata_items"),                 \
		QUOTA("key_pairs"), QUOTA("server_groups"), QUOTA("server_group_members"),         \
		QUOTA("floating_ips", .until = gone), QUOTA("fixed_ips", .until = gone),           \
		QUOTA("security_groups", .until = gone),                                           \
		QUOTA("security_group_rules", .until = gone), QUOTA("networks", .until = gone),    \
		QUOTA("injected_files", .until = 56),                                              \
		QUOTA("injected_file_content_bytes", .until = 56),                                 \
		QUOTA("injected_file_path_bytes", .until = 56)

static const struct word quota_set[] = { QUOTAS(35), { "force", W_BOOL }, { NULL } };
static const struct word quota_class[] = { QUOTAS(49), { NULL } };

#define REASON                                                                                     \
	{                                                                                          \
		"disabled_reason", W_TEXT, .min = 1, .max = 255                                    \
	}

static const struct word service[] = {
	{ "host", W_HOST, NEED, .min = 1, .max = 255 },
	{ "binary", W_TEXT, NEED, .min = 1, .max = 255 },
	REASON,
	{ "forced_down", W_BOOL, .since = 11 },
	{ NULL },
};
static const struct word service_by_id[] = {
	{ "status", W_TEXT, TEXTS("enabled", "disabled") },
	REASON,
	{ "forced_down", W_BOOL },
	{ NULL },
};

static const struct word interface[] = {
	{ "net_id", W_UUID },
	{ "port_id", W_UUID },
	{ "fixed_ips", W_LIST, .min = 1, .max = 1,
	  .of = MEMBERS({ "fixed_ips", W_OBJ, .of = MEMBERS({ "ip_address", W_IP, NEED }) }) },
	{ "tag", W_TAG, .min = 1, .max = 60, .since = 49 },
	{ NULL },
};

static const struct word remote_console[] = {
	{ "protocol", W_TEXT, NEED, TEXTS("vnc", "spice", "rdp", "serial", "mks") },
	{ "type", W_TEXT, NEED,
	  TEXTS("novnc", "xvpvnc", "rdp-html5", "spice-html5", "serial", "webmks") },
	{ NULL },
};

#define OBJECT(word, ...) MEMBERS({ word, W_OBJ, NEED, .of = __VA_ARGS__ })
#define ACTION(word, ...)                                                                          \
	{                                                                                          \
		"POST /v2.1/servers/{}/action", OBJECT(word, __VA_ARGS__), .envelope = word        \
	}

const struct words words_bodies[] = {
	{ "POST /v2.1/servers",
	  MEMBERS({ "server", W_OBJ, NEED, .of = server },
		  { "os:scheduler_hints", W_OBJ, WORD_OPEN, .of = hints },
		  { "OS-SCH-HNT:scheduler_hints", W_OBJ, WORD_OPEN, .of = hints }) },
	{ "PUT /v2.1/servers/{}", OBJECT("server", changed_server) },
	ACTION("rebuild", rebuild),
	ACTION("createImage", MEMBERS(NAME("name", NEED), { "metadata", W_MAP })),
	ACTION("reboot", MEMBERS({ "type", W_TEXT, NEED,
				   TEXTS("HARD", "Hard", "hard", "SOFT", "Soft", "soft") })),
	ACTION("os-getConsoleOutput", MEMBERS({ "length", W_INT, WORD_NULL, .min = -1 })),
	ACTION("resize", MEMBERS({ "flavorRef", W_REF, NEED, .min = 1 }, DISK_CONFIG)),
	{ "POST /v2.1/servers/{}/action",
	  MEMBERS({ "rescue", W_OBJ, NEED | WORD_NULL,
		    .of = MEMBERS({ "adminPass", W_TEXT, .min = 1, .max = 255 },
				  { "rescue_image_ref", W_UUID }) }),
	  .envelope = "rescue" },
	ACTION("os-resetState", MEMBERS({ "state", W_TEXT, NEED, TEXTS("active", "error") })),
	{ "POST /v2.1/servers/{}/action",
	  MEMBERS({ "lock", W_OBJ, NEED | WORD_NULL,
		    .of = MEMBERS({ "locked_reason", W_TEXT, .min = 1, .max = 255 }) }),
	  .envelope = "lock", .since = 73 },
	{ "POST /v2.1/servers/{}/remote-consoles", OBJECT("remote_console", remote_console) },
	{ "POST /v2.1/servers/{}/metadata", MEMBERS({ "metadata", W_MAP, NEED }) },
	{ "PUT /v2.1/servers/{}/metadata", MEMBERS({ "metadata", W_MAP, NEED }) },
	{ "PUT /v2.1/servers/{}/metadata/{}", MEMBERS({ "meta", W_MAP, NEED }) },
	{ "PUT /v2.1/servers/{}/tags", MEMBERS({ "tags", W_LIST, NEED, .max = 50, .of = tag }) },
	{ "POST /v2.1/images/{}/metadata", MEMBERS({ "metadata", W_MAP, NEED }), .until = 38 },
	{ "PUT /v2.1/images/{}/metadata", MEMBERS({ "metadata", W_MAP, NEED }), .until = 38 },
	{ "PUT /v2.1/images/{}/metadata/{}", MEMBERS({ "meta", W_MAP, NEED }), .until = 38 },
	{ "POST /v2.1/servers/{}/os-interface",
	  MEMBERS({ "interfaceAttachment", W_OBJ, .of = interface }) },
	{ "POST /v2.1/flavors", OBJECT("flavor", flavor) },
	{ "PUT /v2.1/flavors/{}",
	  OBJECT("flavor", MEMBERS({ "description", W_PLAIN, NEED | WORD_NULL, .max = 65535 })),
	  .since = 55 },
	{ "POST /v2.1/flavors/{}/os-extra_specs", MEMBERS({ "extra_specs", W_ANY, NEED }) },
	{ "POST /v2.1/flavors/{}/action", OBJECT("addTenantAccess", tenant),
	  .envelope = "addTenantAccess" },
	{ "POST /v2.1/flavors/{}/action", OBJECT("removeTenantAccess", tenant),
	  .envelope = "removeTenantAccess" },
	{ "POST /v2.1/os-keypairs", OBJECT("keypair", keypair) },
	{ "POST /v2.1/os-server-groups", OBJECT("server_group", group) },
	{ "POST /v2.1/os-aggregates", OBJECT("aggregate", aggregate) },
	{ "PUT /v2.1/os-aggregates/{}", OBJECT("aggregate", changed_aggregate) },
	{ "POST /v2.1/os-aggregates/{}/action", OBJECT("add_host", host), .envelope = "add_host" },
	{ "POST /v2.1/os-aggregates/{}/action", OBJECT("remove_host", host),
	  .envelope = "remove_host" },
	{ "POST /v2.1/os-aggregates/{}/action",
	  OBJECT("set_metadata", MEMBERS({ "metadata", W_ANY, NEED })),
	  .envelope = "set_metadata" },
	{ "PUT /v2.1/os-quota-sets/{}", OBJECT("quota_set", quota_set) },
	{ "PUT /v2.1/os-quota-class-sets/{}", OBJECT("quota_class_set", quota_class) },
	{ "PUT /v2.1/os-services/enable", service, .until = 52 },
	{ "PUT /v2.1/os-services/disable", service, .until = 52 },
	{ "PUT /v2.1/os-services/disable-log-reason", service, .until = 52 },
	{ "PUT /v2.1/os-services/force-down", service, .until = 52 },
	{ "PUT /v2.1/os-services/{}", service_by_id, .since = 53 },
	{ NULL },
};

/* Parameters of lists. What a table does not have is passed over, unless it is strict. */

#define PAGED                                                                                      \
	{ "limit", W_INT },                                                                        \
	{                                                                                          \
		"marker", W_TEXT                                                                   \
	}
#define PATTERN(word)                                                                              \
	{                                                                                          \
		word, W_PATTERN                                                                    \
	}

static const struct word servers_list[] = {
	PATTERN("kernel_id"),
	PATTERN("ramdisk_id"),
	PATTERN("hostname"),
	PATTERN("key_name"),
	PATTERN("power_state"),
	PATTERN("node"),
	PATTERN("flavor"),
	PATTERN("reservation_id"),
	PATTERN("launched_at"),
	PATTERN("terminated_at"),
	PATTERN("availability_zone"),
	PATTERN("name"),
	PATTERN("display_name"),
	PATTERN("description"),
	PATTERN("display_description"),
	PATTERN("locked_by"),
	PATTERN("root_device_name"),
	PATTERN("config_drive"),
	PATTERN("access_ip_v4"),
	PATTERN("access_ip_v6"),
	PATTERN("auto_disk_config"),
	PATTERN("progress"),
	PATTERN("ip"),
	PATTERN("ip6"),
	PATTERN("created_at"),
	{ "tags", W_PATTERN, .since = 26 },
	{ "tags-any", W_PATTERN, .since = 26 },
	{ "not-tags", W_PATTERN, .since = 26 },
	{ "not-tags-any", W_PATTERN, .since = 26 },
	{ "changes-since", W_TIME },
	{ "changes-before", W_TIME, .since = 66 },
	PAGED,
	{ NULL },
};

static const struct word flavors_list[] = {
	PAGED,
	{ "sort_key", W_TEXT,
	  TEXTS("created_at", "description", "disabled", "ephemeral_gb", "flavorid", "id",
		"is_public", "memory_mb", "name", "root_gb", "rxtx_factor", "swap", "updated_at",
		"vcpu_weight", "vcpus") },
	{ "sort_dir", W_TEXT, TEXTS("asc", "desc") },
	{ NULL },
};

static const struct word paged[] = { PAGED, { NULL } };
static const struct word images_list[] = {
	PAGED, { "page_size", W_INT }, { "offset", W_INT }, { NULL }
};
static const struct word offset[] = { { "limit", W_INT }, { "offset", W_INT }, { NULL } };
static const struct word with_servers[] = { { "with_servers", W_BOOL }, { NULL } };
static const struct word hypervisors_list[] = {
	PAGED,
	{ "hypervisor_hostname_pattern", W_HOST, .min = 1, .max = 255 },
	{ "with_servers", W_BOOL },
	{ NULL },
};
static const struct word actions_list[] = {
	PAGED, { "changes-since", W_TIME }, { "changes-before", W_TIME, .since = 66 }, { NULL }
};
static const struct word migrations_list[] = {
	PAGED,
	{ "hidden", W_TEXT },
	{ "host", W_TEXT },
	{ "instance_uuid", W_TEXT },
	{ "source_compute", W_TEXT },
	{ "status", W_TEXT },
	{ "migration_type", W_TEXT },
	{ "changes-since", W_TIME },
	{ "changes-before", W_TIME, .since = 66 },
	{ NULL },
};

const struct words words_queries[] = {
	{ "GET /v2.1/servers", servers_list },
	{ "GET /v2.1/servers/detail", servers_list },
	{ "GET /v2.1/servers/{}/os-instance-actions", actions_list, .strict = true, .since = 58 },
	{ "GET /v2.1/os-migrations", migrations_list, .strict = true, .since = 59 },
	{ "GET /v2.1/images", images_list, .until = 35 },
	{ "GET /v2.1/images/detail", images_list, .until = 35 },
	{ "GET /v2.1/flavors", flavors_list },
	{ "GET /v2.1/flavors/detail", flavors_list },
	{ "GET /v2.1/os-keypairs", paged, .since = 35 },
	{ "GET /v2.1/os-server-groups", offset },
	{ "GET /v2.1/os-security-groups", offset, .until = 35 },
	{ "GET /v2.1/os-hypervisors", paged, .since = 33, .until = 52 },
	{ "GET /v2.1/os-hypervisors/detail", paged, .since = 33, .until = 52 },
	{ "GET /v2.1/os-hypervisors", hypervisors_list, .strict = true, .since = 53 },
	{ "GET /v2.1/os-hypervisors/detail", hypervisors_list, .strict = true, .since = 53 },
	{ "GET /v2.1/os-hypervisors/{}", with_servers, .strict = true, .since = 53 },
	{ "GET /v2.1/os-simple-tenant-usage", paged, .since = 40 },
	{ "GET /v2.1/os-simple-tenant-usage/{}", paged, .since = 40 },
	{ NULL },
};
