/* SPDX-License-Identifier: Apache-2.0 */
/* A server's document, checked and unpacked. What passes here is safe in paths and commands. */
#include "agent/kinds/server/server.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A sum in hex becomes part of a file's name. */
static int parse_hash(const json_t *image, const char *key, const char **out, struct err *e)
{
	const char *hash = want_text(image, key);
	size_t len = hash ? strlen(hash) : 0;

	*out = hash ? hash : "";
	if (!len || ((len == 128 || len == 32) && strspn(hash, "0123456789abcdef") == len))
		return 0;
	return err_set(e, -EINVAL, "%s \"%.60s\" is no checksum", key, hash);
}

static int parse_image(const json_t *image, struct want_image *out, struct err *e)
{
	const json_t *props = json_object_get(image, "properties");
	bool sha512 = want_text(image, "os_hash_value");
	int rc;

	*out = (struct want_image){
		.disk = { want_text(image, "id"), want_text(image, "disk_format") },
		.kernel = { want_text(image, "kernel_id"), "aki" },
		.ramdisk = { want_text(image, "ramdisk_id"), "ari" },
		.cmdline = want_text(props, "os_command_line"),
	};
	if (!out->disk.id || !out->disk.format)
		return err_set(e, -EINVAL, "the server has no image");
	rc = parse_hash(image, sha512 ? "os_hash_value" : "checksum", &out->disk.hash, e);
	rc = rc ? rc : parse_hash(image, "kernel_hash", &out->kernel.hash, e);
	rc = rc ? rc : parse_hash(image, "ramdisk_hash", &out->ramdisk.hash, e);
	return rc ? rc
		  : want_ids_check(
			    (const char *const[]){ out->disk.id, out->kernel.id, out->ramdisk.id },
			    3, e);
}

/* Whoever rescues a server may name another image; a deleted one has no use for any. */
static int parse_images(const json_t *doc, struct want_server *s, struct err *e)
{
	int rc = parse_image(json_object_get(doc, "image"), &s->image, e);

	if (rc || !s->rescue)
		return rc;
	s->rescue_pass = want_text(doc, "rescue_pass");
	return parse_image(json_object_get(doc, "rescue_image"), &s->rescue_image, e);
}

/* A number becomes part of a file's name; where there is none, it is 0. */
static int parse_number(const json_t *doc, const char *key, int *out, struct err *e)
{
	const json_t *n = json_object_get(doc, key);
	json_int_t value = json_integer_value(n);

	if ((n && !json_is_integer(n)) || value < 0 || value > INT_MAX)
		return err_set(e, -EINVAL, "%s is no number", key);
	*out = (int)value;
	return 0;
}

static int parse_disks(const json_t *doc, struct want_server *s, struct err *e)
{
	const json_t *before = json_object_get(doc, "before");
	int disk, rescue, rc = parse_number(doc, "disk", &disk, e);

	s->before = -1;
	rc = rc ?: parse_number(doc, "rescue", &rescue, e);
	if (!rc && json_is_object(before))
		rc = parse_number(before, "disk", &s->before, e);
	if (rc)
		return rc;
	s->disk = (unsigned int)disk;
	s->rescue = (unsigned int)rescue;
	return 0;
}

static int parse_power(const char *word, enum want_power *out, struct err *e)
{
	static const char *const words[] = { [WANT_OFF] = "off",
					     [WANT_ON] = "on",
					     [WANT_PAUSED] = "paused",
					     [WANT_SUSPENDED] = "suspended" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(word, words[i])) {
			*out = (enum want_power)i;
			return 0;
		}
	return err_set(e, -EINVAL, "\"%.20s\" is no state of a server", word);
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
	struct want_server s = { .deleted = false };
	const char *power;
	int on_deleted = 0, vcpus, memory_mb, disk_gb, reboot = 0, rebuild = 0, rc;
	json_t *image, *ports, *metadata = NULL;
	json_int_t generation;
	const json_t *item;
	json_error_t why;
	size_t i;

	if (json_unpack_ex(
		    doc, &why, 0, "{s:I,s:s,s:s,s:s,s:s,s?b,s?i,s:i,s:i,s:i,s:o,s?o,s:o,s?i}",
		    "generation", &generation, "id", &s.id, "name", &s.name, "project_id",
		    &s.project_id, "power", &power, "deleted", &on_deleted, "reboot", &reboot,
		    "vcpus", &vcpus, "memory_mb", &memory_mb, "disk_gb", &disk_gb, "image", &image,
		    "metadata", &metadata, "ports", &ports, "rebuild", &rebuild))
		return want_bad_doc(e, &why);
	if (vcpus < 1 || memory_mb < 1 || disk_gb < 0 || reboot < 0 || rebuild < 0 ||
	    generation < 0)
		return err_set(e, -EINVAL, "a server of %d CPUs, %d MB and %d GB", vcpus, memory_mb,
			       disk_gb);
	if (json_array_size(ports) > WANT_PORTS_MAX)
		return err_set(e, -E2BIG, "more than %u ports", WANT_PORTS_MAX);
	json_array_foreach (ports, i, item)
		s.ports[s.n_ports++] = json_string_value(item) ? json_string_value(item) : "";
	rc = parse_power(power, &s.power, e);
	if (!rc)
		rc = want_ids_check(&s.id, 1, e);
	if (!rc)
		rc = want_ids_check(s.ports, s.n_ports, e);
	if (!rc && want_text(doc, "snapshot"))
		rc = want_ids_check((const char *const[]){ want_text(doc, "snapshot") }, 1, e);
	rc = rc ?: parse_disks(doc, &s, e);
	if (!rc && !on_deleted)
		rc = parse_images(doc, &s, e);
	if (rc)
		return rc;
	s.generation = (uint64_t)generation;
	s.deleted = on_deleted;
	s.reboot = (unsigned int)reboot;
	s.rebuild = (unsigned int)rebuild;
	s.vcpus = (unsigned int)vcpus;
	s.memory_mb = (unsigned int)memory_mb;
	s.disk_gb = (unsigned int)disk_gb;
	s.user_data = want_text(doc, "user_data");
	s.admin_pass = want_text(doc, "admin_pass");
	s.files = json_object_get(doc, "files");
	s.key_name = want_text(doc, "key_name");
	s.public_key = want_text(doc, "public_key");
	s.metadata = metadata;
	s.snapshot = want_text(doc, "snapshot");
	s.doc = json_incref(doc);
	*out = s;
	return 0;
}
