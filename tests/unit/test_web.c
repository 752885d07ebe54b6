/* SPDX-License-Identifier: Apache-2.0 */
/* web: who may ask for what, what is told by revision, which lines the page can have run, and asking by lines. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "web/change.h"
#include "web/door.h"
#include "web/pipe.h"

#define TOKEN	"0123456789abcdef0123456789abcdef"
#define SESSION "fedcba9876543210fedcba9876543210"
#define COOKIE	"anyvf-web-9742=" SESSION
#define HERE	"127.0.0.1:9742"
#define JSON	"application/json"

static struct door door(bool used, bool write)
{
	return (struct door){ .token = TOKEN,
			      .session = SESSION,
			      .used = used,
			      .write = write,
			      .port = 9742,
			      .address = "127.0.0.1" };
}

static unsigned int judged(const struct door *d, const struct door_ask *ask)
{
	struct door_verdict v;

	door_judge(d, ask, &v);
	assert_true(v.status == 200 ? v.route < DOOR_ROUTES : v.why != NULL);
	return v.status;
}

/* What each route answers to who asks so: for one that shows, and one that changes. */
static const struct {
	const char *host, *origin, *cookie, *type;
	bool write;
	unsigned int shows, changes;
} asked[] = {
	{ HERE, "http://" HERE, COOKIE, JSON, true, 200, 200 },
	{ "localhost:9742", "http://localhost:9742", COOKIE, JSON, true, 200, 200 },
	{ HERE, NULL, COOKIE, NULL, false, 200, 403 },
	{ HERE, "http://" HERE, COOKIE, JSON, false, 200, 403 },
	{ HERE, NULL, COOKIE, JSON, true, 200, 403 }, /* a form of an old browser */
	{ HERE, "http://" HERE, COOKIE, "text/plain", true, 200, 415 },
	{ HERE, "http://" HERE, COOKIE, NULL, true, 200, 415 },
	{ HERE, "http://" HERE, "a=b; " COOKIE "; c=d", JSON, true, 200, 200 },
	/* other names, other sites */
	{ NULL, NULL, COOKIE, JSON, true, 403, 403 },
	{ "evil.example:9742", NULL, COOKIE, JSON, true, 403, 403 },
	{ "127.0.0.1", NULL, COOKIE, JSON, true, 403, 403 },
	{ "127.0.0.1:9743", NULL, COOKIE, JSON, true, 403, 403 },
	{ "127.0.0.1:97420", NULL, COOKIE, JSON, true, 403, 403 },
	{ HERE, "http://evil.example", COOKIE, JSON, true, 403, 403 },
	{ HERE, "https://" HERE, COOKIE, JSON, true, 403, 403 },
	{ HERE, "null", COOKIE, JSON, true, 403, 403 },
	{ HERE, "", COOKIE, JSON, true, 403, 403 },
	/* no session */
	{ HERE, "http://" HERE, NULL, JSON, true, 403, 403 },
	{ HERE, "http://" HERE, "", JSON, true, 403, 403 },
	{ HERE, "http://" HERE, "anyvf-web-9742=", JSON, true, 403, 403 },
	{ HERE, "http://" HERE, "anyvf-web-9742=" TOKEN, JSON, true, 403, 403 },
	{ HERE, "http://" HERE, COOKIE "0", JSON, true, 403, 403 },
	{ HERE, "http://" HERE, "anyvf-web-9741=" SESSION, JSON, true, 403, 403 },
	{ HERE, "http://" HERE, "x" COOKIE, JSON, true, 403, 403 },
};

static void every_route_is_for_the_session_on_this_page_alone(void **state)
{
	const char *method, *path;
	unsigned int n = 0;

	for (; door_route_at(n, &method, &path); n++) {
		bool changes = !strcmp(method, "POST");

		for (unsigned int i = 0; i < ARRAY_LEN(asked); i++) {
			struct door d = door(true, asked[i].write);
			struct door_ask ask = {
				method,		 path,		asked[i].host, asked[i].origin,
				asked[i].cookie, asked[i].type, TOKEN
			};
			unsigned int want = changes ? asked[i].changes : asked[i].shows;

			assert_int_equal(judged(&d, &ask), want);
			ask.method = changes ? "GET" : "POST";
			assert_int_equal(judged(&d, &ask), asked[i].shows == 403 ? 403 : 405);
			ask.target = "/nothing";
			assert_int_equal(judged(&d, &ask), asked[i].shows == 403 ? 403 : 404);
		}
	}
	assert_int_equal(n, DOOR_ROUTES);
}

static void a_cookie_that_went_to_another_port_tells_nothing(void **state)
{
	static const char *const keys[] = { NULL, "", SESSION, TOKEN "0" };
	struct door d = door(true, true);
	const char *method, *path;
	unsigned int n_told = 0;

	for (unsigned int i = 0; door_route_at(i, &method, &path); i++) {
		struct door_ask ask = { method, path, HERE, "http://" HERE, COOKIE, JSON, TOKEN };
		bool told = i >= DOOR_STATE; /* what stands before it are files */

		assert_int_equal(judged(&d, &ask), 200);
		for (unsigned int k = 0; k < ARRAY_LEN(keys); k++) {
			ask.key = keys[k];
			assert_int_equal(judged(&d, &ask), told ? 403 : 200);
		}
		n_told += told;
	}
	assert_int_equal(n_told, 3);
}

static void the_token_opens_the_page_and_once(void **state)
{
	struct door d = door(false, true);
	struct door_ask ask = { "GET", "/?token=" TOKEN, HERE, NULL, NULL, NULL };
	struct door_verdict v;
	const char *method, *path;

	door_judge(&d, &ask, &v);
	assert_true(v.status == 200 && v.enters && v.route == DOOR_PAGE);
	for (unsigned int i = 0; door_route_at(i, &method, &path); i++) {
		char target[96];

		snprintf(target, sizeof(target), "%s?token=" TOKEN, path);
		ask = (struct door_ask){ method, target, HERE, "http://" HERE, NULL, JSON };
		assert_int_equal(judged(&d, &ask), strcmp(path, "/") ? 403 : 200);
	}
	ask = (struct door_ask){ "POST", "/?token=" TOKEN, HERE, "http://" HERE, NULL, JSON };
	assert_int_equal(judged(&d, &ask), 405);
	ask = (struct door_ask){ "GET", "/?token=" TOKEN, "evil.example", NULL, NULL, NULL };
	assert_int_equal(judged(&d, &ask), 403);
	ask.host = HERE;
	for (unsigned int i = 0; i < 3; i++) {
		static const char *const wrong[] = { "/?token=" SESSION,
						     "/?token=", "/?token=" TOKEN "&x" };

		ask.target = wrong[i];
		assert_int_equal(judged(&d, &ask), 403);
	}
	d.used = true;
	ask.target = "/?token=" TOKEN;
	assert_int_equal(judged(&d, &ask), 403);
	ask.cookie = COOKIE; /* a page that is loaded again */
	door_judge(&d, &ask, &v);
	assert_true(v.status == 200 && !v.enters);
}

static void secrets_are_never_the_same(void **state)
{
	struct door a = { .port = 1 }, b = { .port = 1 };

	door_init(&a);
	door_init(&b);
	assert_int_equal(strlen(a.token), DOOR_SECRET_LEN);
	assert_string_not_equal(a.token, a.session);
	assert_string_not_equal(a.token, b.token);
	assert_string_not_equal(a.session, b.session);
}

/* A round that tells these, "key=number"; NULL ends. */
static void round_of(struct feed *f, const char *const told[])
{
	feed_begin(f);
	for (; *told; told++) {
		char key[32];
		int n = 0;

		sscanf(*told, "%31[^=]=%d", key, &n);
		assert_int_equal(feed_put(f, 0, key, json_integer(n)), 0);
	}
	feed_end(f);
}

#define ROUND(f, ...) round_of(f, (const char *const[]){ __VA_ARGS__, NULL })

static void assert_told(const struct feed *f, uint64_t after, const char *want)
{
	auto_free char *text = feed_text(f, after);

	assert_string_equal(text, want);
}

static void who_saw_a_revision_is_told_the_difference(void **state)
{
	auto_of(feed_free) struct feed *f = feed_new(false);

	ROUND(f, "a=1", "b=2");
	assert_told(f, 0,
		    "{\"revision\":1,\"whole\":true,\"write\":false,\"items\":{\"a\":1,\"b\":2}}");
	ROUND(f, "a=1", "b=2");
	assert_int_equal(feed_revision(f), 1);
	ROUND(f, "a=1", "b=3");
	assert_told(f, 1, "{\"revision\":2,\"whole\":false,\"write\":false,\"items\":{\"b\":3}}");
	ROUND(f, "b=3", "c=4");
	assert_told(f, 1,
		    "{\"revision\":3,\"whole\":false,\"write\":false,\"items\":{\"a\":null,\"b\":3,"
		    "\"c\":4}}");
	assert_told(f, 3, "{\"revision\":3,\"whole\":false,\"write\":false,\"items\":{}}");
	assert_told(f, 99,
		    "{\"revision\":3,\"whole\":true,\"write\":false,\"items\":{\"b\":3,\"c\":4}}");
	assert_null(feed_get(f, "a"));
	ROUND(f, "a=1", "b=3", "c=4", "a=7"); /* the first is believed */
	assert_int_equal(json_integer_value(feed_get(f, "a")), 1);
	feed_begin(f);
	feed_keep_all(f, 1);
	feed_keep(f, "b");
	feed_end(f);
	assert_told(f, 0, "{\"revision\":5,\"whole\":true,\"write\":false,\"items\":{\"b\":3}}");
	feed_begin(f);
	feed_keep_all(f, 0);
	feed_end(f);
	assert_int_equal(feed_revision(f), 5);
}

static void what_went_is_not_remembered_for_ever(void **state)
{
	auto_of(feed_free) struct feed *f = feed_new(true);
	char key[32];

	ROUND(f, "a=1");
	for (unsigned int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "k%u=1", i);
		ROUND(f, "a=1", key);
	}
	assert_int_equal(feed_revision(f), 3001);
	assert_told(f, 1,
		    "{\"revision\":3001,\"whole\":true,\"write\":true,\"items\":{\"a\":1,\"k2999\":"
		    "1}}");
	assert_told(f, 3000,
		    "{\"revision\":3001,\"whole\":false,\"write\":true,\"items\":{\"k2998\":null,"
		    "\"k2999\":1}}");
}

static const char *good(const char *word)
{
	static const char *const all[] = { "pf",    "p2p1", "vf",  "3",	 "state", "disable",
					   "mbit",  "250",  "tap", "t0", "netns", "ns1",
					   "name",  "m",    "dir", "in", "to_pf", "p2p2",
					   "to_vf", "4",    NULL };

	for (unsigned int i = 0; all[i]; i += 2)
		if (!strcmp(all[i], word))
			return all[i + 1];
	fail();
	return NULL;
}

/* The words of a line that are to be filled in; those given are, and @want is the line then. */
static json_t *request(const char *name, const char *line, char want[256])
{
	json_t *ask = json_pack("{s:s}", "change", name);
	char word[16];
	int n = 0;

	strcpy(want, "anyvf");
	for (; *line; line += n + (line[n] == ' ')) {
		n = (int)strcspn(line, " ");
		snprintf(word, sizeof(word), "%.*s", n - 2, line + 1);
		if (*line == '{')
			json_object_set_new(ask, word, json_string(good(word)));
		sprintf(want + strlen(want), " %.*s", *line == '{' ? (int)strlen(good(word)) : n,
			*line == '{' ? good(word) : line);
	}
	return ask;
}

static int planned(const json_t *ask, const struct feed *f)
{
	struct change c = { 0 };
	struct err e = { 0 };
	int rc = change_plan(ask, f, &c, &e);

	assert_true(!rc == !*e.msg);
	change_fini(&c);
	return rc;
}

/* Each of its words in turn is not there, or cannot be; and one is too many. */
static void assert_words_are_judged(json_t *ask, const struct feed *f)
{
	static const char *const bad[] = { "", "-j", "--help" };
	auto_of(json_decref) json_t *all = json_copy(ask);
	const char *word;
	json_t *value;

	json_object_foreach (all, word, value) {
		json_object_del(ask, word);
		assert_int_equal(planned(ask, f), -EINVAL);
		json_object_set_new(ask, word, json_integer(3));
		assert_int_equal(planned(ask, f), -EINVAL);
		for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
			json_object_set_new(ask, word, json_string(bad[i]));
			assert_int_equal(planned(ask, f), -EINVAL);
		}
		json_object_set(ask, word, value);
	}
	json_object_set_new(ask, "more", json_string("x"));
	assert_int_equal(planned(ask, f), -EINVAL);
}

static struct feed *feed_of_a_vf(void)
{
	struct feed *f = feed_new(true);

	feed_begin(f);
	feed_put(f, 0, "vf/p2p1/3",
		 json_pack("{s:{s:s,s:i},s:{s:s,s:s,s:s,s:b}}", "config", "state", "auto",
			   "max_tx_rate", 7, "attach", "kind", "tap", "tap", "t9", "netns", "",
			   "client", 0));
	feed_put(f, 0, "mirror/m",
		 json_pack("{s:s,s:i,s:i}", "name", "m", "from_vf", 0, "mirrored", 99));
	feed_end(f);
	return f;
}

static void every_change_is_its_line(void **state)
{
	static const char *const was[] = { "auto",
					   "7",
					   "kind tap, tap t9",
					   "kind tap, tap t9",
					   "kind tap, tap t9",
					   "kind tap, tap t9",
					   "name m, from_vf 0",
					   "name m, from_vf 0",
					   "name m, from_vf 0" };
	auto_of(feed_free) struct feed *f = feed_of_a_vf();
	const char *name, *line;
	char want[256];

	for (unsigned int i = 0; (name = change_at(i, &line)); i++) {
		auto_of(json_decref) json_t *ask = request(name, line, want);
		struct change c = { 0 };

		assert_int_equal(change_plan(ask, f, &c, NULL), 0);
		assert_string_equal(c.line, want);
		assert_string_equal(c.was, was[i]);
		change_fini(&c);
		assert_words_are_judged(ask, f);
	}
}

static void words_stay_one_word_for_a_shell(void **state)
{
	auto_of(feed_free) struct feed *f = feed_of_a_vf();
	auto_of(json_decref) json_t *ask =
		json_pack("{s:s,s:s}", "change", "mirror-del", "name", "it's; $(rm) \"\n<b>");
	struct change c = { 0 };

	assert_int_equal(change_plan(ask, f, &c, NULL), 0);
	assert_string_equal(c.line, "anyvf mirror del 'it'\\''s; $(rm) \"\n<b>'");
	assert_string_equal(c.words[2], "it's; $(rm) \"\n<b>");
	assert_string_equal(c.was, "none");
	change_fini(&c);
	json_object_set_new(ask, "name",
			    json_string("m234567890123456789012345678901234567890123456"
					"789012345678901234"));
	assert_int_equal(planned(ask, f), -ERANGE);
}

static void of_a_vf_that_is_not_there_nothing_is_planned(void **state)
{
	auto_of(feed_free) struct feed *f = feed_of_a_vf();
	auto_of(json_decref) json_t *ask =
		json_pack("{s:s,s:s,s:s}", "change", "detach", "pf", "p2p1", "vf", "4");

	assert_int_equal(planned(ask, f), -ENOENT);
	json_object_set_new(ask, "vf", json_string("256"));
	assert_int_equal(planned(ask, f), -ERANGE);
	json_object_set_new(ask, "vf", json_string("3 del"));
	assert_int_equal(planned(ask, f), -EINVAL);
	assert_int_equal(planned(NULL, f), -EINVAL);
}

/* What is answered to these bytes, on a host without a daemon, until they end or are refused. */
static int talk(const char *lines, const char *program, char told[4096])
{
	int in[2], out[2], rc;
	struct err e = { 0 };
	ssize_t n;

	assert_false(pipe(in) || pipe(out));
	assert_int_equal(write(in[1], lines, strlen(lines)), strlen(lines));
	close(in[1]);
	rc = pipe_run(in[0], out[1], "/nonexistent", program, &e);
	assert_true(!rc == !*e.msg);
	close(out[1]);
	n = read(out[0], told, 4095);
	told[MAX(n, 0)] = '\0';
	close(in[0]);
	close(out[0]);
	return rc;
}

static void lines_are_answered_by_their_numbers(void **state)
{
	char told[4096];

	assert_int_equal(talk("", NULL, told), 0);
	assert_int_equal(talk("{\"id\":7,\"ask\":\"state?after=0\"}\n"
			      "{\"id\":8,\"ask\":\"drops?pf=p2p1&vf=x\"}\n"
			      "{\"id\":9,\"ask\":\"change\",\"body\":\"{}\"}\n{\"id\":10",
			      NULL, told),
			 0);
	assert_non_null(strstr(told, "{\"id\":7,\"status\":200,\"body\":{\"revision\":1,"));
	assert_non_null(
		strstr(told, "\n{\"id\":8,\"status\":400,\"body\":\"pf and vf are a VF\"}\n"));
	assert_non_null(strstr(told, "\n{\"id\":9,\"status\":403,\"body\":\"" DOOR_SHOWS "\"}\n"));
	assert_int_equal(
		talk("{\"id\":1,\"ask\":\"change\",\"body\":\"{}\"}\n", "/bin/false", told), 0);
	assert_string_equal(told,
			    "{\"id\":1,\"status\":400,\"body\":\"there is no such change\"}\n");
}

static void what_is_no_question_ends_it(void **state)
{
	static const char *const bad[] = {
		"\n",
		"x\n",
		"[]\n",
		"{\"ask\":\"state\"}\n",
		"{\"id\":-1,\"ask\":\"state\"}\n",
		"{\"id\":\"1\",\"ask\":\"state\"}\n",
		"{\"id\":1,\"id\":1,\"ask\":\"state\"}\n",
		"{\"id\":1}\n",
		"{\"id\":1,\"ask\":\"page.js\"}\n",
		"{\"id\":1,\"ask\":\"\"}\n",
		"{\"id\":1,\"ask\":\"statex\"}\n",
		"{\"id\":1,\"ask\":\"change\"}\n",
		"{\"id\":1,\"ask\":\"state\",\"body\":\"\"}\n",
		"{\"id\":1,\"ask\":\"state?after=%zz\"}\n",
	};
	char told[4096], lots[20001];

	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(talk(bad[i], NULL, told), -EPROTO);
		assert_string_equal(told, "");
	}
	memset(lots, 'x', sizeof(lots) - 1);
	lots[sizeof(lots) - 1] = '\0';
	assert_int_equal(talk(lots, NULL, told), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_is_for_the_session_on_this_page_alone),
		cmocka_unit_test(a_cookie_that_went_to_another_port_tells_nothing),
		cmocka_unit_test(the_token_opens_the_page_and_once),
		cmocka_unit_test(secrets_are_never_the_same),
		cmocka_unit_test(who_saw_a_revision_is_told_the_difference),
		cmocka_unit_test(what_went_is_not_remembered_for_ever),
		cmocka_unit_test(every_change_is_its_line),
		cmocka_unit_test(words_stay_one_word_for_a_shell),
		cmocka_unit_test(of_a_vf_that_is_not_there_nothing_is_planned),
		cmocka_unit_test(lines_are_answered_by_their_numbers),
		cmocka_unit_test(what_is_no_question_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
