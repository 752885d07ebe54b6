/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest finds on its config drive: files and user data of a boot. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "compute/boot.h"

/* Is it base64? *size: of what it says, in bytes. */
static int read_base64(const char *text, size_t *size)
{
	size_t len = strlen(text);
	auto_free uint8_t *bin = malloc(len + 1);

	if (!bin)
		return -ENOMEM;
	return sodium_base642bin(bin, len, text, len, "\r\n", size, NULL,
				 sodium_base64_VARIANT_ORIGINAL)
		       ? -EINVAL
		       : 0;
}

/**
 * boot_check_files() - Judge `personality`: files that the config drive carries
 * @c:     the call
 * @files: a list, or NULL
 *
 * Return: 0, or after call_fail(): 400, 403.
 */
int boot_check_files(struct call *c, const json_t *files)
{
	int64_t n_max = quota_limit(c, c->auth->project_id, QUOTA_FILES);
	int64_t size_max = quota_limit(c, c->auth->project_id, QUOTA_FILE_SIZE);
	const json_t *file;
	size_t i, size;

	if (n_max >= 0 && json_array_size(files) > (size_t)n_max)
		return call_fail(c, 403, "OnsetFileLimitExceeded",
				 "Personality file limit exceeded.");
	json_array_foreach (files, i, file) {
		const char *path = doc_str(file, "path"), *text = doc_text(file, "contents");

		if (!*path || strlen(path) > 255 || !text || json_object_size(file) != 2 ||
		    read_base64(text, &size))
			return call_fail(c, 400, "BadRequest",
					 "Invalid input for field/attribute personality: each has "
					 "a path of 1 to 255 characters and contents in base64");
		if (size_max >= 0 && size > (size_t)size_max)
			return call_fail(c, 403, "OnsetFileContentLimitExceeded",
					 "Personality file content exceeds maximum of %lld bytes.",
					 (long long)size_max);
	}
	return 0;
}

/**
 * boot_check_user_data() - Judge what a guest is to read at boot
 * @c:    the call
 * @text: base64, or NULL
 *
 * Return: 0, or after call_fail() with 400.
 */
int boot_check_user_data(struct call *c, const char *text)
{
	size_t size;

	if (!text || !*text || !read_base64(text, &size))
		return 0;
	return call_fail(c, 400, "InstanceUserDataMalformed",
			 "User data needs to be valid base 64.");
}
