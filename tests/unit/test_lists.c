/* SPDX-License-Identifier: Apache-2.0 */
/* engine/cache, engine/query: walks and lists that take many turns are of one moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "api_engine.h"
#include "engine/query.h"

#define MANY 3000 /* documents: more than one turn makes */

static const struct rfield fields[] = {
	{ "id", J_STR, R_FILTER },
	{ "colour", J_STR, R_FILTER | R_INDEX },
	{ "size", J_INT, R_FILTER },
	{ NULL },
};
static const struct resource thing = {
	.one = "thing",
	.many = "things",
	.flags = RES_GLOBAL,
	.fields = fields,
};
static const struct resource *const resources[] = { &thing, NULL };
static const struct service service = { .prefix = "/t", .style = FAULT_KEYSTONE };
static const struct feature feature = { .name = "things",
					.service = &service,
					.resources = resources };
static const struct feature *const features[] = { &feature, NULL };

static int setup(void **state)
{
	return api_engine_bare(state, features);
}

static void put(struct cache *cache, unsigned int id, const char *colour, int size)
{
	char key[32];
	auto_of(json_decref) json_t *doc = NULL;
	auto_of(record_unref) struct record *rec = NULL;

	snprintf(key, sizeof(key), "/thing/%05u", id);
	if (colour)
		doc = json_pack("{s:s,s:s,s:i}", "id", key + 7, "colour", colour, "size", size);
	rec = record_of(doc);
	assert_int_equal(cache_set(cache, key, 1, rec), 0);
}

/* "00001=3 00002=7 " of a cursor's documents. */
static char *all_of(struct cursor it)
{
	struct buf out = { 0 };
	char one[32];

	buf_add(&out, "", 0, SIZE_MAX - 1);
	while (cursor_next(&it)) {
		snprintf(one, sizeof(one), "%s=%d ", doc_str(it.doc, "id"),
			 (int)doc_int(it.doc, "size"));
		buf_add(&out, one, strlen(one), SIZE_MAX - 1);
	}
	return out.data;
}

/* A step of a walk, written down; false at the end. */
static bool step(struct walk *w, struct buf *out)
{
	char one[32];
	auto_of(json_decref) json_t *doc = NULL;
	struct record *rec;
	int rc = walk_next(w, &rec);

	assert_true(rc >= 0);
	if (!rc)
		return false;
	doc = record_read(rec);
	snprintf(one, sizeof(one), "%s=%d ", doc_str(doc, "id"), (int)doc_int(doc, "size"));
	buf_add(out, one, strlen(one), SIZE_MAX - 1);
	return true;
}

static void a_walk_sees_what_there_was_when_it_began(void **state)
{
	static const char *const colours[] = { "red", "blue", NULL };
	struct api_engine *f = *state;
	struct cache *cache = f->eng->cache;

	for (unsigned int round = 0; round < 200; round++) {
		struct cursor all = cache_find(cache, &thing, NULL, NULL),
			      red = cache_find(cache, &thing, "colour", "red");
		auto_of(walk_end) struct walk *of_all = walk_begin(&all);
		auto_of(walk_end) struct walk *of_red = walk_begin(&red);
		auto_free char *all_then = all_of(all), *red_then = all_of(red);
		struct buf seen_all = { 0 }, seen_red = { 0 };
		bool more = true;

		buf_add(&seen_all, "", 0, SIZE_MAX - 1);
		buf_add(&seen_red, "", 0, SIZE_MAX - 1);
		while (more) {
			more = step(of_all, &seen_all);
			if (rand() % 2 || !more)
				more |= step(of_red, &seen_red);
			for (int n = rand() % 4; n > 0; n--)
				put(cache, (unsigned int)rand() % 40, colours[rand() % 3],
				    rand() % 10);
		}
		assert_string_equal(seen_all.data, all_then);
		assert_string_equal(seen_red.data, red_then);
		buf_fini(&seen_all);
		buf_fini(&seen_red);
	}
}

/* Starts GET /t/things?QUERY as if by HTTP. */
static struct call *ask(struct api_engine *f, const char *query, bool *ended)
{
	struct call *c = run_new(f->eng, NULL);

	c->service = &service;
	c->path = strdup("/things");
	assert_int_equal(args_parse(query, &c->priv->args), 0);
	c->priv->res_handle = NULL;
	c->priv->ended = ended;
	return c;
}

static int list(struct call *c)
{
	return res_handle_list(c, &thing, false);
}

/* The ids of an answer in their order, and the call is gone. */
static char *ids_of(struct call *c)
{
	auto_of(json_decref) json_t *reply = json_loads(c->priv->text.data, 0, NULL);
	struct buf out = { 0 };
	json_t *one;
	size_t i;

	buf_add(&out, "", 0, SIZE_MAX - 1);
	json_array_foreach (json_object_get(reply, "things"), i, one) {
		buf_add(&out, doc_str(one, "id"), 5, SIZE_MAX - 1);
		buf_add(&out, " ", 1, SIZE_MAX - 1);
	}
	call_free(c);
	return out.data;
}

/* The answer to a query, through as many turns of the loop as it takes; meanwhile all is changed. */
static char *answer(struct api_engine *f, const char *query, bool change)
{
	bool ended = false;
	struct call *c = ask(f, query, &ended);

	c->priv->handle = list;
	run_call(c);
	for (unsigned int i = 0; change && i < MANY; i++)
		put(f->eng->cache, i, i % 2 ? "green" : NULL, 0);
	while (!ended)
		loop_turn(f->loop, 1000);
	return ids_of(c);
}

static void a_list_in_turns_is_of_its_first(void **state)
{
	static const char *const queries[] = { "", "sort_key=size", "colour=red", "limit=2000" };
	struct api_engine *f = *state;

	for (size_t q = 0; q < ARRAY_LEN(queries); q++) {
		auto_free char *still = NULL, *changed = NULL;

		for (unsigned int i = 0; i < MANY; i++)
			put(f->eng->cache, i, i % 3 ? "red" : "blue", (int)(i * 7919 % MANY));
		still = answer(f, queries[q], false);
		changed = answer(f, queries[q], true);
		assert_string_equal(still, changed);
	}
}

static void one_who_lists_much_lets_others_go_first(void **state)
{
	struct api_engine *f = *state;
	bool ended[2] = { false, false };
	struct call *much, *little;

	for (unsigned int i = 0; i < 10 * MANY; i++)
		put(f->eng->cache, i, "red", 0);
	much = ask(f, "", &ended[0]);
	little = ask(f, "id=00007", &ended[1]);
	much->priv->handle = little->priv->handle = list;
	run_call(much);
	assert_false(ended[0]); /* 30,000 documents are no work of one turn */
	run_call(little);
	assert_true(ended[1]);
	while (!ended[0])
		loop_turn(f->loop, 1000);
	call_free(little);
	call_free(much);
}

/* Numbers, texts that begin alike, control characters, and what is not there. */
static void a_place_in_an_order_is_a_text(void **state)
{
	static const char *const names[] = {
		"", "\1", "\1\1", "\2", "a", "a\1", "a\1b", "a\2", "ab"
	};
	struct api_engine *f = *state;
	auto_free char *up = NULL, *down = NULL;

	for (unsigned int i = 0; i < ARRAY_LEN(names); i++)
		put(f->eng->cache, 7 * i % ARRAY_LEN(names), names[7 * i % ARRAY_LEN(names)], 0);
	up = answer(f, "sort_key=colour&sort_dir=asc", false);
	down = answer(f, "sort_key=colour&sort_dir=desc", false);
	assert_string_equal(up, "00000 00001 00002 00003 00004 00005 00006 00007 00008 ");
	assert_string_equal(down, "00008 00007 00006 00005 00004 00003 00002 00001 00000 ");
	for (unsigned int i = 0; i < 4; i++)
		put(f->eng->cache, i, "", (const int[]){ -5, 12, 0, 9 }[i]);
	free(take(up));
	up = answer(f, "sort_key=size&sort_dir=asc&colour=", false);
	assert_string_equal(up, "00000 00002 00003 00001 ");
}

/* All characters, by themselves and among others, numbers, and what holds others. */
static const struct rfield coat_fields[] = {
	{ "id", J_STR, R_FILTER },     { "colour", J_STR, 0 },
	{ "secret", J_STR, R_SECRET }, { "hidden", J_STR, R_HIDDEN },
	{ "made", J_STR, R_VIRTUAL },  { "pockets", J_LIST, 0, "[ 1, {\"a\": 2} ]" },
	{ "torn", J_STR, R_OMIT },     { "worn", J_BOOL, R_OMIT, "false" },
	{ "buttons", J_INT, 0 },       { NULL },
};
static const struct resource coat = {
	.one = "coat",
	.many = "coats",
	.flags = RES_TENANT | RES_TIMES | RES_REVISION,
	.fields = coat_fields,
};

/* From the text as from the document: whatever is missing, and in whatever order. */
static void what_is_kept_is_printed_as_it_is_shown(void **state)
{
	static const char *const members[] = {
		"\"id\":\"x\"",
		"\"colour\":\"r\\\"\u20acd\"",
		"\"secret\":\"s\"",
		"\"hidden\":\"h\"",
		"\"pockets\":[{\"a\":\",\"}]",
		"\"torn\":null",
		"\"worn\":true",
		"\"buttons\":7",
		"\"project_id\":\"p\"",
		"\"created_at\":\"now\"",
		"\"revision_number\":3",
		"\"nobody\":\"knows\"",
	};
	struct api_engine *f = *state;
	struct call *c = ask(f, "", &(bool){ false });

	for (unsigned int round = 0; round < 500; round++) {
		struct query q = { .c = c,
				   .r = &coat,
				   .schema = schema_of(f->eng->schemas, &coat) };
		auto_of(json_decref) json_t *doc = NULL, *shown = NULL;
		auto_of(record_unref) struct record *rec = NULL;
		auto_free char *want = NULL;
		struct buf text = { 0 };

		buf_add(&text, "{", 1, SIZE_MAX - 1);
		for (unsigned int i = 0, at = (unsigned int)rand(); i < ARRAY_LEN(members); i++) {
			const char *one =
				members[(round % 2 ? i * 5 + at : i) % ARRAY_LEN(members)];

			buf_add(&text, ",", text.len > 1 && rand() % 4, SIZE_MAX - 1);
			if (text.len == 1 || text.data[text.len - 1] == ',')
				buf_add(&text, one, strlen(one), SIZE_MAX - 1);
		}
		buf_add(&text, "}", 1, SIZE_MAX - 1);
		doc = json_loads(text.data, 0, NULL);
		rec = record_of_text(text.data, text.len);
		shown = res_show(c, &coat, doc);
		want = json_dumps(shown, JSON_COMPACT);
		assert_int_equal(print_kept(&q, rec), 0);
		assert_string_equal(q.text.data, want);
		buf_fini(&q.text);
		buf_fini(&text);
	}
	call_free(c);
}

static void what_is_printed_is_as_jansson_has_it(void **state)
{
	auto_of(json_decref) json_t *all =
		json_pack("[{},[],{s:s,s:[n,b,b]},f,i,I,s]", "a\"\n", "b\\/", "c", 1, 0, 0.1, -7,
			  (json_int_t)INT64_MIN, "\u20ac \U0001f600 \x7f");
	auto_free char *want = NULL;
	struct buf have = { 0 };

	assert_non_null(all);
	for (char c = 1; c < 127; c++) {
		json_array_append_new(all, json_stringn(&c, 1));
		json_array_append_new(all, json_sprintf("x%c%cy", c, c));
	}
	want = json_dumps(all, JSON_COMPACT);
	assert_int_equal(print_json(&have, all), 0);
	assert_string_equal(have.data, want);
	buf_fini(&have);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_walk_sees_what_there_was_when_it_began, setup,
						api_engine_end),
		cmocka_unit_test_setup_teardown(a_list_in_turns_is_of_its_first, setup,
						api_engine_end),
		cmocka_unit_test_setup_teardown(one_who_lists_much_lets_others_go_first, setup,
						api_engine_end),
		cmocka_unit_test_setup_teardown(what_is_kept_is_printed_as_it_is_shown, setup,
						api_engine_end),
		cmocka_unit_test(what_is_printed_is_as_jansson_has_it),
		cmocka_unit_test_setup_teardown(a_place_in_an_order_is_a_text, setup,
						api_engine_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
