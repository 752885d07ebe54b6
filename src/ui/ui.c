/* SPDX-License-Identifier: Apache-2.0 */
/* The page's files, and the feature. */
#include "ui/ui.h"

#include <string.h>
#include <unistd.h>

#include "hosts/agents.h"
#include "web/page/page.h"

static const struct {
	const char *path, *type;
	const struct page_file *file;
} files[] = {
	{ "/ui/", "text/html; charset=utf-8", &ui_html },
	{ "/ui/page.css", "text/css; charset=utf-8", &page_css },
	{ "/ui/page.js", "text/javascript; charset=utf-8", &page_js },
	{ "/ui/ui.js", "text/javascript; charset=utf-8", &ui_js },
};

static void set_headers(struct call *c)
{
	for (const char *const *h = page_headers; *h; h += 2)
		call_header(c, h[0], h[1]);
}

static int file(struct call *c)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (!strcmp(files[i].path, c->path)) {
			set_headers(c);
			return call_reply_bytes(c, files[i].file->data, files[i].file->size,
						files[i].type);
		}
	return call_fail(c, 404, NULL, "There is no such file");
}

static int d3(struct call *c)
{
	if (access(PAGE_D3, R_OK))
		return call_fail(c, 404, NULL, "There is no " PAGE_D3 ": apt install libjs-d3");
	set_headers(c);
	return call_reply_file(c, PAGE_D3, "text/javascript; charset=utf-8");
}

/* The page's links are relative, as who forwards here may have another path for it. */
static int add_slash(struct call *c)
{
	call_header(c, "Location", "ui/");
	return call_reply(c, 308, NULL);
}

static const struct route routes[] = {
	{ "GET", "/ui", add_slash, RULE_OPEN },	     { "GET", "/ui/", file, RULE_OPEN },
	{ "GET", "/ui/page.css", file, RULE_OPEN },  { "GET", "/ui/page.js", file, RULE_OPEN },
	{ "GET", "/ui/ui.js", file, RULE_OPEN },     { "GET", "/ui/d3.js", d3, RULE_OPEN },
	{ "GET", "/ui/state", ui_state, RULE_READ }, { NULL },
};
static const struct route *const all_routes[] = { routes, NULL };
static const struct wish_kind *const kinds[] = { &watch_wish, NULL };
static const struct host_feature hosts = { .kinds = kinds };
static const struct periodic periodics[] = { { 2000, watch_end }, { 0, NULL } };

const struct feature ui_feature = {
	.name = "ui",
	.service = &agents_service,
	.routes = all_routes,
	.hosts = &hosts,
	.periodics = periodics,
};
