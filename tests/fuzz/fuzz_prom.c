/* SPDX-License-Identifier: Apache-2.0 */
/* A name that somebody gave to something, as the value of a label; and what a scraper says it accepts. */
#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/prom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a scraper reads between the quotes at @at, which it leaves behind the closing one. */
static size_t unescape(const char **at, char *out)
{
	size_t n = 0;

	for (; **at != '"'; (*at)++) {
		assert(**at && **at != '\n');
		if (**at == '\\') {
			(*at)++;
			assert(**at == '\\' || **at == '"' || **at == 'n');
			out[n++] = **at == 'n' ? '\n' : **at;
		} else {
			out[n++] = **at;
		}
	}
	(*at)++;
	return n;
}

/* One line, its label's value as it was, but where it was no UTF-8. */
static void check(const char *page, const char *value)
{
	static char read[PROM_LABELS_MAX];
	const char *at = strstr(page, "\nx{");
	json_t *utf8;
	size_t n;

	assert(at);
	at += 3;
	if (!strncmp(at, "v=\"", 3)) { /* else it is too long, and left out */
		at += 3;
		n = unescape(&at, read);
		utf8 = json_stringn(read, n);
		assert(utf8);
		json_decref(utf8);
		utf8 = json_string(value);
		assert(!utf8 || (n == strlen(value) && !memcmp(read, value, n)));
		json_decref(utf8);
		assert(*at++ == ',');
	}
	assert(!strcmp(at, "last=\"1\"} 7\n# EOF\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *value = strndup((const char *)data, size);
	struct prom p = { .open = true };
	struct prom_labels l;

	assert(value);
	prom_labels_none(&l);
	prom_label(&l, "v", value);
	assert(l.len == strlen(l.text));
	prom_label(&l, "last", "1");
	if (l.len + 32 > PROM_LABELS_MAX) /* no room for both */
		return 0;
	prom_family(&p, "x", PROM_GAUGE, "help");
	prom_put(&p, l.text, "", 7);
	assert(!prom_end(&p));
	check(p.text.data, value);
	buf_fini(&p.text);
	(void)prom_accepts_open(value);
	return 0;
}
