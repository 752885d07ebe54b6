/* SPDX-License-Identifier: Apache-2.0 */
/* base/redact: each form a secret comes in, what is none, and that nothing of one is left. */
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/redact.h"

/* In each text S3CR is the secret, or a part of it; nothing else has those letters. */
static const struct row {
	const char *text, *want;
} rows[] = {
	/* INI, shell, YAML, and their lines that go on */
	{ "password = S3CR\nnext = 1\n", "password = [taken out]\nnext = 1\n" },
	{ "Admin_Password=two S3CR words\nn", "Admin_Password=[taken out]\nn" },
	{ "password = a\n  S3CR\nb = 1\n", "password = [taken out]\nb = 1\n" },
	{ "password =\n  S3CR\nb = 1\n", "password =[taken out]\nb = 1\n" },
	{ "export OS_PASSWORD='S3CR S3CR'\n", "export OS_PASSWORD='[taken out]'\n" },
	{ "OS_PASSWORD='S3CR'\"'\"'S3CR' b\n", "OS_PASSWORD='[taken out]'[taken out] b\n" },
	{ "export OS_TOKEN=S3CR S3CR\n", "export OS_TOKEN=[taken out]\n" },
	{ "user_data: |\n  #cloud-config\n  S3CR\nname: x\n", "user_data: [taken out]\nname: x\n" },
	{ "Environment=\"OS_PASSWORD=S3CR S3CR\"\n", "Environment=\"OS_PASSWORD=[taken out]\"\n" },
	{ "a:\n  - user_data: |\n      S3CR\nb: x\n", "a:\n  - user_data: [taken out]\nb: x\n" },
	/* JSON, which stays JSON, and JSON in a string of it */
	{ "{\"token\": \"S3CR\", \"n\": 1}", "{\"token\": \"[taken out]\", \"n\": 1}" },
	{ "{\"adminPass\":\"a\\\"S3CR\\\\\",\"n\":1}", "{\"adminPass\":\"[taken out]\",\"n\":1}" },
	{ "{\"user_data\": {\"a\": \"}\", \"b\": [\"S3CR\"]}, \"n\": 1}",
	  "{\"user_data\": \"[taken out]\", \"n\": 1}" },
	{ "{\"token\":\n  \"S3CR\"\n}", "{\"token\":\n  \"[taken out]\"\n}" },
	{ "{\"passwd\": 53, \"n\": 1}", "{\"passwd\": \"[taken out]\", \"n\": 1}" },
	{ "\"{\\\"password\\\": \\\"S3CR\\\", \\\"n\\\": 1}\"",
	  "\"{\\\"password\\\": \\\"[taken out]\\\", \\\"n\\\": 1}\"" },
	{ "{'secret' => 'S3CR', 'n' => 1}", "{'secret' => '[taken out]', 'n' => 1}" },
	{ "[\"--token\", \"S3CR\", \"--x\"]", "[\"--token\", \"[taken out]\", \"--x\"]" },
	{ "{\"password\": \"S3CR", "{\"password\": \"[taken out]" }, /* cut off */
	/* headers, logs, command lines, XML */
	{ "X-Auth-Token: S3CR\r\nHost: a\r\n", "X-Auth-Token: [taken out]\nHost: a\r\n" },
	{ "Authorization: Basic S3CR S3CR\nHost: a", "Authorization: [taken out]\nHost: a" },
	{ "sent Bearer S3CRS3CR to it", "sent Bearer [taken out] to it" },
	{ "12:00 login token=S3CR user=bob", "12:00 login token=[taken out] user=bob" },
	{ "12:00 the password: S3CR S3CR\nn", "12:00 the password: [taken out]\nn" },
	{ "up --token S3CR --join http://a", "up --token [taken out] --join http://a" },
	{ "up --token=S3CR --join http://a", "up --token=[taken out] --join http://a" },
	{ "GET /a?x=1&token=S3CR HTTP/1.1", "GET /a?x=1&token=[taken out] HTTP/1.1" },
	{ "<graphics passwd='S3CR' port='1'/>", "<graphics passwd='[taken out]' port='1'/>" },
	{ "<password>S3CR</password>", "<password>[taken out]</password>" },
	/* without a name */
	{ "store = etcd:http://root:S3CR@h:2379/a", "store = etcd:http://[taken out]@h:2379/a" },
	{ "get http://u:p@S3CR@h/", "get http://[taken out]@h/" },
	{ "rabbit://u:S3CR@h1:5672,u:S3CR@h2:5672/", "rabbit://[taken out]@h2:5672/" },
	{ "a\n-----BEGIN RSA PRIVATE KEY-----\nS3CR\n-----END RSA PRIVATE KEY-----\nb",
	  "a\n[taken out]-----END RSA PRIVATE KEY-----\nb" },
	{ "private_key = -----BEGIN PRIVATE KEY-----\nS3CR\n-----END PRIVATE KEY-----\nb",
	  "private_key = [taken out]-----END PRIVATE KEY-----\nb" },
	{ "{\"k\": \"x\\n-----BEGIN PRIVATE KEY-----\\nS3CR\"}", "{\"k\": \"x\\n[taken out]" },
	{ "join by anyvf1.S3CR9012345678901234567890123456789 now", "join by [taken out] now" },
	{ "at gAAAAAS3CR+/678901234567890123456789012345678= x", "at [taken out] x" },
	{ "is LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tS3CR= x", "is [taken out] x" },
	{ "is I2Nsb3VkLWNvbmZpZwpwYXNzd29yZDogaHVudGVyS3CR x", "is [taken out] x" },
	{ "password = -----BEGIN S3CR\n", "password = [taken out]\n" },
	/* no secrets */
	{ "tls_key = /etc/key.pem\nstore = sqlite:/a\n",
	  "tls_key = /etc/key.pem\nstore = sqlite:/a\n" },
	{ "# HELP anyvf_api_tokens Tokens.\nanyvf_api_tokens 5\n",
	  "# HELP anyvf_api_tokens Tokens.\nanyvf_api_tokens 5\n" },
	{ "{\"mac\": \"02:00:00:00:00:01\", \"n\": [1]}",
	  "{\"mac\": \"02:00:00:00:00:01\", \"n\": [1]}" },
	{ "qemu:///system, http://h:1/a@b", "qemu:///system, http://h:1/a@b" },
	{ "-----BEGIN CERTIFICATE-----\nMIIB\n", "-----BEGIN CERTIFICATE-----\nMIIB\n" },
	{ "the token was refused", "the token was refused" },
	{ "", "" },
};

static void each_form_is_known(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = { 0 };
		unsigned int n;

		assert_int_equal(redact(rows[i].text, strlen(rows[i].text), 1000, &out, &n), 0);
		assert_string_equal(out.data ?: "", rows[i].want);
		assert_int_equal(n > 0, strcmp(rows[i].text, rows[i].want) != 0);
		buf_fini(&out);
	}
}

/* In any case, and as a part of a longer name. */
static void each_name_and_each_look_is_known(void **state)
{
	static const char *const words[] = {
		"xPassWord=",	     "passwd=",	       "passphrase=",
		"adminPass=",	     "token=",	       "secret=",
		"credentials=",	     "user_data=",     "user-data=",
		"userData=",	     "authorization=", "cookie=",
		"privateKey=",	     "private_key=",   "private-key=",
		"apiKey=",	     "api_key=",       "X-API-Key: ",
		"access_key=",	     "access-key=",    "config_drive=",
		"Bearer ",	     "Basic ",	       "Digest ",
		"anyvf1.",	     "gAAAA",	       "eyJ",
		"LS0tLS1CRUdJTi",    "IyEv",	       "H4sIA",
		"I2Nsb3VkLWNvbmZpZ",
	};

	for (unsigned int i = 0; i < ARRAY_LEN(words); i++) {
		struct buf out = { 0 };
		char text[100];

		snprintf(text, sizeof(text), "a %s%s", words[i],
			 "S3CRS3CRS3CRS3CRS3CRS3CRS3CRS3CRS3CRS3CR");
		assert_int_equal(redact(text, strlen(text), 1000, &out, NULL), 0);
		assert_null(strstr(out.data, "S3CR"));
		buf_fini(&out);
	}
}

/* A log's tail may begin anywhere, and what cuts it may cut it anywhere. */
static void an_end_anywhere_is_no_way_out(void **state)
{
	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t len = 0; len <= strlen(rows[i].text); len++) {
			auto_free char *cut = strndup(rows[i].text, len); /* ASan sees its end */
			struct buf out = { 0 };

			assert_non_null(cut);
			assert_int_equal(redact(cut, len, 1000, &out, NULL), 0);
			/* what is told by its length alone cannot be known when it is cut */
			if (!strstr(cut, "anyvf1.") && !strstr(cut, "gAAAA") &&
			    !strstr(cut, "LS0t") && !strstr(cut, "I2Ns") &&
			    !strstr(cut, "Bearer") && !strstr(cut, "://"))
				assert_null(strstr(out.data ?: "", "S3CR"));
			buf_fini(&out);
		}
}

static void bytes_are_any(void **state)
{
	static const char text[] = "token\0=\0S\0\xff\x01\"\\\\\\";
	struct buf out = { 0 };

	assert_int_equal(redact(text, sizeof(text), 1000, &out, NULL), 0);
	buf_fini(&out);
	assert_int_equal(redact("0123456789", 10, 5, &out, NULL), -EMSGSIZE);
	buf_fini(&out);
}

/* A megabyte of what looks like the beginning of something each time: hours, if all is read for each. */
static void what_begins_and_does_not_end_is_read_once(void **state)
{
	static const char *const begins[] = { "a+", "-----BEGIN ", "\"token\" ", "://", "Bearer " };

	for (unsigned int i = 0; i < ARRAY_LEN(begins); i++) {
		struct buf text = { 0 }, out = { 0 };

		while (text.len < 1 << 20)
			assert_int_equal(buf_add(&text, begins[i], strlen(begins[i]), SIZE_MAX), 0);
		assert_int_equal(redact(text.data, text.len, SIZE_MAX, &out, NULL), 0);
		assert_int_equal(out.len, text.len);
		buf_fini(&text);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_form_is_known),
		cmocka_unit_test(each_name_and_each_look_is_known),
		cmocka_unit_test(an_end_anywhere_is_no_way_out),
		cmocka_unit_test(bytes_are_any),
		cmocka_unit_test(what_begins_and_does_not_end_is_read_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
