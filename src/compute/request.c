/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What POST /servers asks for: the members of the request, checked, and the
 * flavor, image, keypair, zone, ports and networks they name. Nothing is changed
 * here; compute/boot.c carries it out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/imghdr.h"
#include "base/uuid.h"
#include "compute/boot.h"
#include "image/image.h"
#include "network/core/network.h"

#define USER_DATA_MAX 65535 /* characters of base64, as in Nova */
#define TAGS_MAX      50
#define TAG_LEN	      60 /* in bytes */
#define GIB	      (1024LL * 1024 * 1024)

static const struct rfield create_rows[] = {
	{ "name", J_STR, R_CREATE | R_NEED, .min = 1, .max = 255 },
	{ "imageRef", J_STR, R_CREATE },
	{ "flavorRef", J_ANY, R_CREATE | R_NEED },
	{ "networks", J_ANY, R_CREATE },
	{ "metadata", J_OBJ, R_CREATE, "{}" },
	{ "user_data", J_STR, R_CREATE | R_NULL, .max = USER_DATA_MAX },
	{ "config_drive", J_ANY, R_CREATE },
	{ "key_name", J_STR, R_CREATE | R_NULL },
	{ "min_count", J_INT, R_CREATE, "1", .min = 1, .max = 128 },
	{ "max_count", J_INT, R_CREATE, .min = 1, .max = 128 },
	{ "return_reservation_id", J_BOOL, R_CREATE, "false" },
	{ "security_groups", J_LIST, R_CREATE },
	{ "availability_zone", J_STR, R_CREATE | R_NULL },
	{ "accessIPv4", J_STR, R_CREATE | R_NULL, "\"\"", .valid = server_valid_access },
	{ "accessIPv6", J_STR, R_CREATE | R_NULL, "\"\"", .valid = server_valid_access },
	{ "adminPass", J_STR, R_CREATE, .min = 1, .max = 255 },
	{ "OS-DCF:diskConfig", J_STR, R_CREATE, "\"MANUAL\"",
	  .names = (const char *const[]){ "AUTO", "MANUAL", NULL } },
	{ "block_device_mapping_v2", J_LIST, R_CREATE },
	{ "description", J_STR, R_CREATE | R_NULL, .max = 255 },
	{ "tags", J_LIST, R_CREATE, "[]" },
	{ "personality", J_LIST, R_CREATE, "[]" },
	{ NULL },
};

/**
 * server_valid_access() - Check accessIPv4 or accessIPv6
 * @c:     the call
 * @field: which one; "" stands for none
 * @value: a string
 *
 * Return: 0, or after call_fail() with 400.
 */
int server_valid_access(struct call *c, const char *field, json_t **value)
{
	const char *text = json_string_value(*value);
	unsigned char bin[16];

	if (!*text || inet_pton(strstr(field, "v4") ? AF_INET : AF_INET6, text, bin) == 1)
		return 0;
	return call_fail(c, 400, "BadRequest",
			 "Invalid input for field/attribute %s. Value: %s. It is not an address",
			 field, text);
}

/**
 * server_check_name() - Whether a server may have a name
 * @c:    the call
 * @name: 1..255 characters
 *
 * Return: 0, or after call_fail() with 400: no blanks around it, no control characters.
 */
int server_check_name(struct call *c, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			len = 0;
	if (len && name[0] != ' ' && name[len - 1] != ' ')
		return 0;
	return call_fail(
		c, 400, "BadRequest",
		"Invalid input for field/attribute name. It must be printable, without blanks at "
		"its ends");
}

/**
 * server_check_metadata() - Has a server room for metadata?
 * @c:        the call
 * @metadata: object; words.c has judged its keys and values
 *
 * Return: 0, or after call_fail() with 403 for too many.
 */
int server_check_metadata(struct call *c, const json_t *metadata)
{
	int64_t limit = quota_limit(c, c->auth->project_id, QUOTA_METADATA);

	if (limit < 0 || json_object_size(metadata) <= (size_t)limit)
		return 0;
	return call_fail(c, 403, "MetadataLimitExceeded",
			 "Maximum number of metadata items exceeds %lld", (long long)limit);
}

static bool is_tag(const json_t *tag)
{
	size_t len = json_string_length(tag);

	return len && len <= TAG_LEN && !strpbrk(json_string_value(tag), "/,");
}

/**
 * server_check_tags() - Whether a server may have these tags
 * @c:    the call
 * @tags: any value, or NULL
 *
 * Return: 0, or after call_fail() with 400.
 */
int server_check_tags(struct call *c, const json_t *tags)
{
	const json_t *tag;
	size_t i;

	if (tags && (!json_is_array(tags) || json_array_size(tags) > TAGS_MAX))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute tags: a list of at most %d",
				 TAGS_MAX);
	json_array_foreach (tags, i, tag)
		if (!is_tag(tag))
			return call_fail(c, 400, "BadRequest",
					 "Invalid input for field/attribute tags: 1 to %d "
					 "characters, neither '/' nor ','",
					 TAG_LEN);
	return 0;
}

/* Extra specs that would shape the machine or choose its host, and do not here. */
static const char *const unserved[] = { "hw:",
					"hw_",
					"pci_passthrough:",
					"quota:",
					"resources",
					"trait",
					"accel:",
					"os:",
					"group_policy",
					"aggregate_instance_extra_specs:" };
/* ... but for those that ask for what is done anyway. */
static const char *const as_is[][2] = { { "hw_rng:allowed", NULL },
					{ "hw:cpu_policy", "shared" },
					{ "hw:numa_nodes", "1" },
					{ "hw:mem_page_size", "any" } };

/* A promise that is not kept is worse than a refusal. */
static int check_specs(struct call *c, const json_t *specs)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)specs, key, value) {
		bool refused = false;

		for (size_t i = 0; i < ARRAY_LEN(unserved); i++)
			refused |= !strncmp(key, unserved[i], strlen(unserved[i]));
		for (size_t i = 0; i < ARRAY_LEN(as_is); i++)
			if (!strcmp(key, as_is[i][0]) &&
			    (!as_is[i][1] || !strcmp(json_string_value(value), as_is[i][1])))
				refused = false;
		if (refused)
			return call_fail(c, 400, "BadRequest",
					 "The flavor's extra spec %s=%s is not served here.", key,
					 json_string_value(value));
	}
	return 0;
}

/**
 * boot_find_flavor() - Look up the flavor that a request names
 * @c: the call
 * @b: given is there; gets flavor
 *
 * Return: 0, or after call_fail() with 400: none, or one whose extra specs are not served.
 */
int boot_find_flavor(struct call *c, struct boot *b)
{
	const json_t *ref = json_object_get(b->given, "flavorRef");
	auto_free char *number = NULL;
	const char *id = json_string_value(ref), *slash;

	if (json_is_integer(ref) &&
	    asprintf(&number, "%lld", (long long)json_integer_value(ref)) > 0)
		id = number;
	slash = id ? strrchr(id, '/') : NULL;
	b->flavor = res_seen(c, &flavor_resource, slash ? slash + 1 : id);
	if (b->flavor)
		return check_specs(c, json_object_get(b->flavor, "extra_specs"));
	return call_fail(c, 400, "FlavorNotFound", "Flavor %s could not be found.", id ? id : "");
}

/* The image of imageRef, or of the one block device that says the same (nova boot writes both). */
static const char *image_id(struct call *c, const struct boot *b)
{
	const json_t *devices = json_object_get(b->given, "block_device_mapping_v2");
	const json_t *bdm = json_array_get(devices, 0);
	const char *ref = doc_text(b->given, "imageRef"), *slash,
		   *from = doc_text(bdm, "source_type"), *to = doc_text(bdm, "destination_type");

	if (json_array_size(devices) > 1 ||
	    (bdm && (!from || !to || strcmp(from, "image") || strcmp(to, "local")))) {
		call_fail(c, 400, "BadRequest",
			  "Block devices other than the image are not supported");
		return NULL;
	}
	if (bdm && (!ref || !*ref))
		ref = doc_text(bdm, "uuid");
	slash = ref ? strrchr(ref, '/') : NULL;
	ref = slash ? slash + 1 : ref;
	if (ref && uuid_valid(ref))
		return ref;
	call_fail(c, 400, "BadRequest", "Invalid imageRef provided.");
	return NULL;
}

/* An image as the caller sees it, active; NULL after call_fail(). */
static const json_t *active_image(struct call *c, const char *id)
{
	const json_t *image = uuid_valid(id) ? res_seen(c, &image_resource, id) : NULL;

	if (!image)
		call_fail(c, 400, "ImageNotFound", "Can not find requested image");
	else if (!doc_is(image, "status", "active"))
		call_fail(c, 400, "ImageNotActive", "Image %s is not active.", id);
	else
		return image;
	return NULL;
}

/* The image's kernel or ramdisk, named by a property: who boots must see it. */
static int find_part(struct call *c, const struct boot *b, const char *property,
		     const char *disk_format, const json_t **out)
{
	const char *id = doc_str(b->image, property);

	if (!*id)
		return 0;
	*out = active_image(c, id);
	if (!*out)
		return -EINVAL;
	if (doc_is(*out, "disk_format", disk_format))
		return 0;
	return call_fail(c, 400, "ImageUnacceptable",
			 "Image %s is unacceptable: as %s it must be of the disk format %s", id,
			 property, disk_format);
}

static int check_disk(struct call *c, const struct boot *b)
{
	int64_t disk = doc_int(b->flavor, "disk"), size = doc_int(b->image, "size");
	const char *format = doc_text(b->image, "disk_format");

	if (!format || !imghdr_driver(format))
		return call_fail(c, 400, "ImageUnacceptable",
				 "Image %s is unacceptable: servers do not boot from the disk "
				 "format %s",
				 doc_text(b->image, "id"), format ? format : "null");
	if (strcmp(format, "raw") && strcmp(format, "ami") &&
	    !json_is_integer(json_object_get(b->image, "virtual_size")))
		return call_fail(c, 400, "ImageUnacceptable",
				 "Image %s is unacceptable: its bytes are not of the format %s",
				 doc_text(b->image, "id"), format);
	size = MAX(size, doc_int(b->image, "virtual_size"));
	/* No disk of its own means as large as the image, which whoever uploads it chooses. */
	if (!disk && !caller_is_admin(c))
		return call_fail(c, 403, "BootFromVolumeRequiredForZeroDiskFlavor",
				 "Only volume-backed servers are allowed for flavors with zero "
				 "disk.");
	if (!disk || (size <= disk * GIB && doc_int(b->image, "min_disk") <= disk))
		return 0;
	return call_fail(c, 400, "FlavorDiskSmallerThanImage",
			 "Flavor's disk is too small for requested image. Flavor disk is %lld "
			 "bytes, image is %lld bytes.",
			 (long long)(disk * GIB), (long long)size);
}

/**
 * boot_check_image() - May an image run with a flavor?
 * @c: the call
 * @b: both are there
 *
 * Return: 0, or after call_fail() in Nova's words.
 */
int boot_check_image(struct call *c, const struct boot *b)
{
	if (doc_int(b->image, "min_ram") > doc_int(b->flavor, "ram"))
		return call_fail(c, 400, "FlavorMemoryTooSmall",
				 "Flavor's memory is too small for requested image.");
	return check_disk(c, b);
}

/**
 * boot_find_image() - Look up the image that a request names, with its kernel and ramdisk
 * @c: the call
 * @b: given and flavor are there; gets image, kernel, ramdisk
 *
 * Return: 0, or after call_fail() in Nova's words.
 */
int boot_find_image(struct call *c, struct boot *b)
{
	const char *id = image_id(c, b);
	int rc;

	b->image = id ? active_image(c, id) : NULL;
	if (!b->image)
		return -EINVAL;
	rc = boot_check_image(c, b);
	rc = rc ? rc : find_part(c, b, "kernel_id", "aki", &b->kernel);
	return rc ? rc : find_part(c, b, "ramdisk_id", "ari", &b->ramdisk);
}

static int find_key(struct call *c, struct boot *b)
{
	const char *name = doc_text(b->given, "key_name");

	if (!name)
		return 0;
	b->key = keypair_of(c, c->auth->user_id, name);
	return b->key ? 0 : call_fail(c, 400, "KeypairNotFound", "Invalid key_name provided.");
}

static int add_port(struct call *c, struct boot *b, const char *id)
{
	const json_t *port = port_own(c, id);

	if (!port)
		return call_fail(c, 400, "PortNotFound", "Port id %s could not be found.", id);
	if (*doc_str(port, "device_id"))
		return call_fail(c, 409, "PortInUse", "Port %s is still in use.", id);
	for (unsigned int i = 0; i < b->n_nics; i++)
		if (b->nics[i].port == port)
			return call_fail(c, 400, "BadRequest",
					 "Port %s is given twice; a port is of one server once",
					 id);
	b->nics[b->n_nics++].port = port;
	return 0;
}

static int add_network(struct call *c, struct boot *b, const char *id, const char *fixed_ip)
{
	const json_t *net = res_seen(c, &network_resource, id);

	if (!net)
		return call_fail(c, 400, "NetworkNotFound", "Network %s could not be found.",
				 id ? id : "");
	if (!res_count(c, &subnet_resource, "network_id", id))
		return call_fail(c, 400, "NetworkRequiresSubnet",
				 "Network %s requires a subnet in order to boot instances on.", id);
	b->nics[b->n_nics].net = net;
	b->nics[b->n_nics++].fixed_ip = fixed_ip;
	return 0;
}

static int add_nic(struct call *c, struct boot *b, const json_t *row)
{
	const json_t *port = json_object_get(row, "port"), *uuid = json_object_get(row, "uuid");
	const char *id = json_string_value(json_is_string(port) ? port : uuid);

	if (!json_is_object(row) || !id || !uuid_valid(id))
		return call_fail(
			c, 400, "BadRequest",
			"Invalid input for field/attribute networks: each needs a port or a uuid");
	if (json_object_get(row, "tag"))
		return call_fail(c, 400, "BadRequest",
				 "Tags of network devices are not served here.");
	if (b->n_nics == NICS_MAX)
		return call_fail(c, 400, "BadRequest", "A server has at most %d networks",
				 NICS_MAX);
	if (json_is_string(port))
		return add_port(c, b, id);
	return add_network(c, b, id, doc_text(row, "fixed_ip"));
}

/**
 * networks_usable() - How many networks a server of the caller's may have unnamed; 2 for more
 * @c:   the call
 * @one: gets one of them, borrowed; untouched when there is none
 */
unsigned int networks_usable(struct call *c, const json_t **one)
{
	struct cursor it = res_list(c, &network_resource, NULL, NULL);
	unsigned int n = 0;

	while (n < 2 && cursor_next(&it))
		if (caller_is_in(c, doc_str(it.doc, "project_id")) ||
		    network_is_shared(c, it.doc)) {
			*one = it.doc;
			n++;
		}
	return n;
}

/* Nothing said: the one network the project can use, if it is one; none is no fault. */
static int add_only_network(struct call *c, struct boot *b)
{
	const json_t *net = NULL;
	unsigned int n = networks_usable(c, &net);

	if (n > 1)
		return call_fail(c, 409, "NetworkAmbiguous",
				 "Multiple possible networks found, use a Network ID to be more "
				 "specific.");
	return n ? add_network(c, b, doc_text(net, "id"), NULL) : 0;
}

static int find_networks(struct call *c, struct boot *b)
{
	const json_t *networks = json_object_get(b->given, "networks"), *row;
	const char *word = json_string_value(networks);
	size_t i;
	int rc = 0;

	if (!networks || json_is_null(networks)) {
		if (compute_minor(c) >= 37)
			return call_fail(c, 400, "BadRequest", "'networks' is a required property");
		return add_only_network(c, b);
	}
	if (word && compute_minor(c) >= 37 && !strcmp(word, "none"))
		return 0;
	if (word && compute_minor(c) >= 37 && !strcmp(word, "auto"))
		return add_only_network(c, b);
	if (!json_is_array(networks))
		return call_fail(c, 400, "BadRequest",
				 "Invalid input for field/attribute networks: a list is needed");
	json_array_foreach (networks, i, row)
		if (!rc)
			rc = add_nic(c, b, row);
	return rc ? rc : json_array_size(networks) ? 0 : add_only_network(c, b);
}

/**
 * boot_groups() - The security groups a boot names
 * @c:   the call
 * @b:   the boot
 * @ids: list that gets their ids, for ports that are made; or NULL: only check
 *
 * Return: 0, or after call_fail() with 400 for a name the project does not have.
 */
int boot_groups(struct call *c, const struct boot *b, json_t **ids)
{
	const json_t *group;
	size_t i;

	json_array_foreach (json_object_get(b->given, "security_groups"), i, group) {
		const char *name = doc_text(group, "name");
		const json_t *found = name ? groups_named(c, name) : NULL;

		if (!found && (!name || strcmp(name, "default")))
			return call_fail(c, 400, "SecurityGroupNotFound",
					 "Security group %s not found.", name ? name : "");
		if (found && ids)
			json_array_append(*ids, json_object_get(found, "id"));
	}
	return 0;
}

static int check_given(struct call *c, const struct boot *b)
{
	int rc = server_check_name(c, doc_text(b->given, "name"));

	if (!rc)
		rc = server_check_tags(c, json_object_get(b->given, "tags"));
	if (!rc)
		rc = server_check_metadata(c, json_object_get(b->given, "metadata"));
	if (!rc)
		rc = boot_check_user_data(c, doc_text(b->given, "user_data"));
	if (!rc)
		rc = boot_check_files(c, json_object_get(b->given, "personality"));
	return rc ? rc : boot_groups(c, b, NULL);
}

static int find_count(struct call *c, struct boot *b)
{
	int64_t min = doc_int(b->given, "min_count"), max = doc_int(b->given, "max_count");

	max = MAX(max, min);
	if (json_is_integer(json_object_get(b->given, "max_count")) &&
	    doc_int(b->given, "max_count") < min)
		return call_fail(c, 400, "BadRequest", "min_count must be <= max_count");
	for (unsigned int i = 0; max > 1 && i < b->n_nics; i++)
		if (b->nics[i].port || b->nics[i].fixed_ip)
			return call_fail(
				c, 400, "MultiplePortsNotApplicable",
				"Unable to launch multiple instances with a single configured port "
				"ID or fixed IP. Please launch your instances one by one.");
	b->count = (unsigned int)max;
	return quota_check_servers(c, b->flavor, b->count);
}

/**
 * boot_read() - Check a request and look up all it names
 * @c:   the call
 * @in:  the object inside its envelope
 * @b:   zeroed; filled in. The caller frees b->given, also on failure
 *
 * Return: 0, or after call_fail() in Nova's words.
 */
int boot_read(struct call *c, const json_t *in, struct boot *b)
{
	int rc = fields_accept(c, create_rows, in, false, &b->given);

	if (!rc)
		rc = check_given(c, b);
	if (!rc)
		rc = boot_find_flavor(c, b);
	if (!rc)
		rc = boot_find_image(c, b);
	if (!rc)
		rc = find_key(c, b);
	if (!rc)
		rc = boot_zone(c, b);
	if (!rc)
		rc = find_networks(c, b);
	return rc ? rc : find_count(c, b);
}
