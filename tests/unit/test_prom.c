/* SPDX-License-Identifier: Apache-2.0 */
/* base/prom: both formats of a page, labels that stay in their quotes, and who wants which. */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/prom.h"

static void text_of(bool open, char out[2048])
{
	static const char *const les[] = { "0.1", "1" };
	static const uint64_t counts[] = { 2, 0, 3 };
	static const struct prom_buckets b = { les, counts, 3 };
	struct prom p = { .open = open };

	prom_family(&p, "x_packets", PROM_COUNTER, "Frames.");
	prom_put(&p, "pf=\"p\"", "vf=\"1\"", 18446744073709551615u);
	prom_family(&p, "x", PROM_INFO, "What it is.");
	prom_put(&p, "", "a=\"b\"", 1);
	prom_family(&p, "x_seconds", PROM_HISTOGRAM, "Time.");
	prom_put_histogram(&p, "w=\"0\"", &b, 1500000000, true);
	prom_family(&p, "y", PROM_GAUGE, "Now.");
	prom_put_ns(&p, "", 5);
	assert_int_equal(prom_end(&p), 0);
	snprintf(out, 2048, "%s", p.text.data);
	buf_fini(&p.text);
}

#define SAMPLES_OF_HISTOGRAM(one)                                                                  \
	"x_seconds_bucket{w=\"0\",le=\"0.1\"} 2\n"                                                 \
	"x_seconds_bucket{w=\"0\",le=\"" one "\"} 2\n"                                             \
	"x_seconds_bucket{w=\"0\",le=\"+Inf\"} 5\n"                                                \
	"x_seconds_sum{w=\"0\"} 1.500000000\n"                                                     \
	"x_seconds_count{w=\"0\"} 5\n"

static void a_page_is_as_its_format_says(void **state)
{
	char text[2048];

	text_of(false, text);
	assert_string_equal(
		text, "# HELP x_packets_total Frames.\n"
		      "# TYPE x_packets_total counter\n"
		      "x_packets_total{pf=\"p\",vf=\"1\"} 18446744073709551615\n"
		      "# HELP x_info What it is.\n"
		      "# TYPE x_info gauge\n"
		      "x_info{a=\"b\"} 1\n"
		      "# HELP x_seconds Time.\n"
		      "# TYPE x_seconds histogram\n" SAMPLES_OF_HISTOGRAM("1") "# HELP y Now.\n"
									       "# TYPE y gauge\n"
									       "y 0.000000005\n");
	text_of(true, text);
	assert_non_null(strstr(text, "# TYPE x_packets counter\nx_packets_total{"));
	assert_non_null(strstr(text, "# TYPE x info\nx_info{"));
	assert_non_null(strstr(text, SAMPLES_OF_HISTOGRAM("1.0")));
	assert_non_null(strstr(text, "y 0.000000005\n# EOF\n"));
}

static void what_a_label_says_stays_in_its_quotes(void **state)
{
	static const struct {
		const char *value, *text;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "a\"b\\c\nd", "a\\\"b\\\\c\\nd" },
		{ "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80" },
		{ "\xff", "\xef\xbf\xbd" },
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },		      /* overlong */
		{ "\xed\xa0\x80!", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!" }, /* a surrogate */
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },		      /* cut */
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct prom_labels l;
		char want[128];

		prom_labels_none(&l);
		prom_label(&l, "n", cases[i].value);
		prom_label_number(&l, "m", 7);
		snprintf(want, sizeof(want), "n=\"%s\",m=\"7\"", cases[i].text);
		assert_string_equal(l.text, want);
	}
}

/* Neither half a character nor half an escape is ever written. */
static void a_label_without_room_is_left_out_whole(void **state)
{
	static char value[2 * PROM_LABELS_MAX];

	for (unsigned int n = PROM_LABELS_MAX - 40; n < PROM_LABELS_MAX + 40; n++) {
		struct prom_labels l;

		memset(value, 'x', n);
		value[n] = '\0';
		prom_labels_none(&l);
		prom_label(&l, "a", "1");
		prom_label(&l, "long", value);
		prom_label(&l, "b", "2");
		assert_true(l.len < PROM_LABELS_MAX && l.len == strlen(l.text));
		assert_int_equal(l.text[l.len - 1], '"');
		assert_true(!strncmp(l.text, "a=\"1\",", 6));
	}
}

/* Wherever the room that there was ends. */
static void samples_of_any_length_have_their_room(void **state)
{
	static const char *const les[] = { "0.1" };
	static const uint64_t counts[] = { UINT64_MAX };
	static const struct prom_buckets b = { les, counts, 1 };
	static char label[3000];
	struct prom p = { 0 };
	size_t want = 0;

	prom_family(&p, "x_seconds", PROM_HISTOGRAM, "Time.");
	want = p.text.len;
	for (size_t n = 0; n < sizeof(label) - 1; n++) {
		label[n] = 'x';
		prom_put(&p, label, "y=\"z\"", UINT64_MAX);
		want += strlen("x_seconds{,y=\"z\"} 18446744073709551615\n") + strlen(label);
		if (n % 10)
			continue;
		prom_put_histogram(&p, label, &b, UINT64_MAX, true);
		want += strlen("x_seconds_bucket{,le=\"+Inf\"} 18446744073709551615\n"
			       "x_seconds_sum{} 18446744073.709551615\n"
			       "x_seconds_count{} 18446744073709551615\n") + 3 * strlen(label);
	}
	assert_int_equal(prom_end(&p), 0);
	assert_int_equal(p.text.len, want);
	assert_int_equal(strlen(p.text.data), want);
	buf_fini(&p.text);
}

static void who_names_openmetrics_and_likes_it_gets_it(void **state)
{
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{ NULL, false },
		{ "", false },
		{ "*/*", false },
		{ "text/plain", false },
		{ "application/openmetrics-text", true },
		{ "Application/OpenMetrics-Text; version=1.0.0", true },
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version="
		  "0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  true },
		{ "application/openmetrics-text;q=0.2, text/plain;q=0.5", false },
		{ "application/openmetrics-text; q=0", false },
		{ "application/openmetrics-text;q=-1e9", false },
		{ "application/openmetrics-text;q=nan", false },
		{ "application/openmetrics-textual", false },
		{ ";;;,,,;q=,", false },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(prom_accepts_open(cases[i].accept), cases[i].open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_is_as_its_format_says),
		cmocka_unit_test(what_a_label_says_stays_in_its_quotes),
		cmocka_unit_test(a_label_without_room_is_left_out_whole),
		cmocka_unit_test(samples_of_any_length_have_their_room),
		cmocka_unit_test(who_names_openmetrics_and_likes_it_gets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
