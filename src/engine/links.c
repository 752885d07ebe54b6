/* SPDX-License-Identifier: Apache-2.0 */
/* What stands beside a list: the URLs of its other pages, as each service tells them. */
#include <stdio.h>
#include <string.h>

#include "engine/query.h"

#define URL_BASE_LEN 400

/* base PATH?ARGS; marker: of another page, "": of the first or last, NULL: as it was asked for. */
static json_t *page_link(const struct call *c, const char *base, const char *marker, bool reverse)
{
	const struct args *args = &c->priv->args;
	const char *sep = "?";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *link;

	if (!out)
		return NULL;
	fprintf(out, "%s%s", base, c->path);
	for (unsigned int i = 0; i < args->n; i++) {
		auto_free char *name = url_encode(args->all[i].name);
		auto_free char *value = url_encode(args->all[i].value);

		if (marker && (!strcmp(args->all[i].name, "marker") ||
			       !strcmp(args->all[i].name, "page_reverse")))
			continue;
		fprintf(out, "%s%s=%s", sep, name ? name : "", value ? value : "");
		sep = "&";
	}
	if (marker && *marker)
		fprintf(out, "%smarker=%s%s", sep, marker, reverse ? "&" : "");
	if (reverse)
		fprintf(out, "%spage_reverse=True", marker && *marker ? "" : sep);
	fclose(out);
	link = json_string(text);
	free(text);
	return link;
}

static void base_of(const struct call *c, char base[URL_BASE_LEN])
{
	snprintf(base, URL_BASE_LEN, "%s%s", c->opts->public_url, c->service->prefix);
}

/**
 * call_next_link() - The URL of the page behind this one, of a list that a handler makes itself
 * @c:      the call
 * @marker: the last of this page
 *
 * Return: string; NULL without memory.
 */
json_t *call_next_link(const struct call *c, const char *marker)
{
	char base[URL_BASE_LEN];

	base_of(c, base);
	return page_link(c, base, marker, false);
}

/* The page behind its last document, or before its first; an empty one has neither. */
static json_t *link_from(const struct query *q, const char *base, bool back)
{
	auto_of(json_decref) json_t *doc = q->n ? record_read(q->docs[back ? 0 : q->n - 1]) : NULL;

	return page_link(q->c, base, doc ? res_id(doc) : "", back);
}

static json_t *marker_link(const struct query *q, const char *base, const char *rel)
{
	return json_pack("{s:s,s:o}", "rel", rel, "href",
			 link_from(q, base, !strcmp(rel, "previous")));
}

/**
 * query_links() - What stands behind the documents of a list's page
 * @q: the query, its page complete
 *
 * Return: a new object, maybe empty; NULL without memory.
 */
json_t *query_links(const struct query *q)
{
	bool full = q->limit >= 0 && q->n >= (size_t)q->limit && q->n;
	char base[URL_BASE_LEN], name[80];
	json_t *reply = json_object(), *links = NULL;

	base_of(q->c, base);
	snprintf(name, sizeof(name), "%s_links", q->r->many);
	switch (q->c->service->style) {
	case FAULT_NEUTRON:
		links = q->limit > 0 ? json_array() : NULL;
		if (links && (full || q->reverse))
			json_array_append_new(links, marker_link(q, base, "next"));
		if (links && (full || !q->reverse))
			json_array_append_new(links, marker_link(q, base, "previous"));
		break;
	case FAULT_NOVA:
		if (full && q->more)
			links = json_pack("[o]", marker_link(q, base, "next"));
		break;
	case FAULT_GLANCE:
		json_object_set_new(reply, "first", page_link(q->c, "", "", false));
		json_object_set_new(reply, "schema", json_string("/v2/schemas/images"));
		if (full && q->more)
			json_object_set_new(reply, "next", link_from(q, "", false));
		break;
	case FAULT_KEYSTONE:
		if (q->more) /* as with Keystone's list_limit: there is more, ask closer */
			json_object_set_new(reply, "truncated", json_true());
		json_object_set_new(reply, "links",
				    json_pack("{s:n,s:o,s:n}", "next", "self",
					      page_link(q->c, base, NULL, false), "previous"));
		break;
	case FAULT_PLAIN:
		break;
	}
	if (links)
		json_object_set_new(reply, name, links);
	return reply;
}
