/* SPDX-License-Identifier: Apache-2.0 */
/* What a browser's request says of itself, a line each, and behind an empty one what it asks to change. */
#include <assert.h>
#include <string.h>

#include "web/change.h"
#include "web/door.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct door door = { .token = "0123456789abcdef0123456789abcdef",
				  .session = "fedcba9876543210fedcba9876543210",
				  .write = true,
				  .port = 9742,
				  .address = "[::1]" };

/* The next line, or NULL. */
static char *line(char **at)
{
	char *text = strsep(at, "\n");

	return text && *text ? text : NULL;
}

static void plan(const char *text)
{
	json_t *ask = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct feed *f = feed_new(true);
	struct change c = { 0 };

	assert(f);
	feed_begin(f);
	feed_put(f, 0, "vf/p2p1/3", json_pack("{s:{s:s}}", "config", "state", "auto"));
	feed_end(f);
	if (!change_plan(ask, f, &c, NULL)) {
		assert(c.line && c.was);
		for (unsigned int i = 0; c.words[i]; i++)
			assert(*c.words[i] && *c.words[i] != '-');
	}
	change_fini(&c);
	json_decref(ask);
	feed_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = strndup((const char *)data, size);
	char *at = text;
	struct door_ask ask;
	struct door_verdict v;

	assert(text);
	ask.method = line(&at) ?: "GET";
	ask.target = line(&at) ?: "/";
	ask.host = line(&at);
	ask.origin = line(&at);
	ask.cookie = line(&at);
	ask.type = line(&at);
	ask.key = line(&at);
	door_judge(&door, &ask, &v);
	if (v.status == 200) {
		assert(v.enters ? strstr(ask.target, door.token) != NULL
				: strstr(ask.cookie, door.session) != NULL);
		assert(strchr(ask.host, ':') && v.route < DOOR_ROUTES);
	}
	plan(at ?: "");
	return 0;
}
