/* SPDX-License-Identifier: Apache-2.0 */
#include "web/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "model/pf_ops.h"

#define TEXT_MAX 4096 /* of a line, and of what it changes */

enum about { A_VF, A_MIRROR };

/* {pf} is a word of the request. */
static const struct row {
	const char *name, *line;
	enum about about;
	const char *part, *member; /* of the VF's document, what is changed; NULL: all of part */
} rows[] = {
	{ "state", "link set {pf} vf {vf} state {state}", A_VF, "config", "state" },
	{ "rate", "link set {pf} vf {vf} max_tx_rate {mbit}", A_VF, "config", "max_tx_rate" },
	{ "tap", "vf attach {pf} {vf} tap {tap}", A_VF, "attach", NULL },
	{ "tap-netns", "vf attach {pf} {vf} tap {tap} netns {netns}", A_VF, "attach", NULL },
	{ "vhost", "vf attach {pf} {vf} vhost", A_VF, "attach", NULL },
	{ "detach", "vf detach {pf} {vf}", A_VF, "attach", NULL },
	{ "mirror-vf", "mirror add {name} from vf {pf} {vf} {dir} to vf {to_pf} {to_vf}", A_MIRROR,
	  NULL, NULL },
	{ "mirror-tap", "mirror add {name} from vf {pf} {vf} {dir} to tap {tap}", A_MIRROR, NULL,
	  NULL },
	{ "mirror-del", "mirror del {name}", A_MIRROR, NULL, NULL },
};

/* The words of lines, by the model's rows, which know what they can be. */
static const struct word {
	const char *name;
	const struct field *field;
} words[] = {
	{ "pf", &pf_fields[PF_FIELD_NAME] },
	{ "vf", &mirror_fields[MIRROR_FIELD_FROM_VF] },
	{ "state", &vf_fields[VF_FIELD_STATE] },
	{ "mbit", &vf_fields[VF_FIELD_MAX_TX_RATE] },
	{ "tap", &mirror_fields[MIRROR_FIELD_TAP] },
	{ "netns", &vf_attach_fields[VF_ATTACH_FIELD_NETNS] },
	{ "name", &mirror_fields[MIRROR_FIELD_NAME] },
	{ "dir", &mirror_fields[MIRROR_FIELD_DIR] },
	{ "to_pf", &pf_fields[PF_FIELD_NAME] },
	{ "to_vf", &mirror_fields[MIRROR_FIELD_TO_VF] },
};

/* Nothing that the command would take for an option. */
static int judge(const char *name, const char *text, struct err *e)
{
	union {
		struct pf_config pf;
		struct vf_config vf;
		struct vf_attach attach;
		struct mirror_config mirror;
	} scratch;

	for (unsigned int i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i].name, name))
			return *text && *text != '-'
				       ? field_parse(words[i].field, &scratch, text, e)
				       : err_set(e, -EINVAL, "\"%s\" cannot be %s", text, name);
	return err_set(e, -EINVAL, "there is no word %s", name);
}

static int fill(const char *token, size_t len, const json_t *ask, char **out, struct err *e)
{
	char name[16];
	const char *value;
	int rc;

	if (*token != '{') {
		*out = strndup(token, len);
		return *out ? 0 : -ENOMEM;
	}
	snprintf(name, sizeof(name), "%.*s", (int)len - 2, token + 1);
	value = json_string_value(json_object_get(ask, name));
	if (!value)
		return err_set(e, -EINVAL, "%s is missing", name);
	rc = judge(name, value, e);
	if (rc)
		return rc;
	*out = strdup(value);
	return *out ? 0 : -ENOMEM;
}

static int words_fill(const struct row *row, const json_t *ask, struct change *out, struct err *e)
{
	size_t n_asked = 0;
	unsigned int n = 0;
	int rc = 0;

	for (const char *at = row->line; !rc && *at; at += *at == ' ') {
		size_t len = strcspn(at, " ");

		n_asked += *at == '{';
		rc = fill(at, len, ask, &out->words[n++], e);
		at += len;
	}
	if (!rc && json_object_size(ask) != n_asked + 1)
		return err_set(e, -EINVAL, "%s has words that are not its own", row->name);
	return rc;
}

static int add(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text), TEXT_MAX);
}

/* As a shell reads it back. */
static int add_word(struct buf *b, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./:,+@%-";
	int rc;

	if (!word[strspn(word, plain)])
		return add(b, word);
	rc = add(b, "'");
	for (; !rc && *word; word++)
		rc = *word == '\'' ? add(b, "'\\''") : buf_add(b, word, 1, TEXT_MAX);
	return rc ?: add(b, "'");
}

static int line_make(struct change *c)
{
	struct buf b = { 0 };
	int rc = add(&b, "anyvf");

	for (unsigned int i = 0; !rc && c->words[i]; i++)
		rc = add(&b, " ") ?: add_word(&b, c->words[i]);
	c->line = b.data;
	return rc;
}

/* A value for people; of an object the words that say something, and no counters. */
static int add_value(struct buf *b, const json_t *value)
{
	const char *word, *sep = "";
	const json_t *one;
	char number[24];
	int rc = 0;

	if (json_is_string(value))
		return add(b, json_string_value(value));
	if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		return add(b, number);
	}
	json_object_foreach ((json_t *)(uintptr_t)value, word, one) {
		const char *text = json_string_value(one);

		if (!strcmp(word, "mirrored") || !strcmp(word, "dropped") ||
		    (text ? !*text : !json_is_integer(one)))
			continue;
		rc = rc ?: add(b, sep) ?: add(b, word) ?: add(b, " ") ?: add_value(b, one);
		sep = ", ";
	}
	return rc;
}

static int was_make(const struct row *row, const json_t *ask, const struct feed *feed,
		    struct change *out, struct err *e)
{
	const char *pf = json_string_value(json_object_get(ask, "pf"));
	const char *vf = json_string_value(json_object_get(ask, "vf"));
	const char *name = json_string_value(json_object_get(ask, "name"));
	const json_t *doc;
	struct buf b = { 0 };
	char key[128];
	int rc;

	if (row->about == A_VF)
		snprintf(key, sizeof(key), "vf/%s/%s", pf, vf);
	else
		snprintf(key, sizeof(key), "mirror/%s", name);
	doc = feed_get(feed, key);
	if (!doc && row->about == A_VF)
		return err_set(e, -ENOENT, "there is no VF %s of %s", vf, pf);
	if (row->part)
		doc = json_object_get(doc, row->part);
	if (row->member)
		doc = json_object_get(doc, row->member);
	rc = doc ? add_value(&b, doc) : add(&b, "none");
	out->was = b.data;
	return rc;
}

/**
 * change_plan() - What would be done, and to what
 * @ask:  from the page, any JSON
 * @feed: what is there
 * @out:  gets it; whatever is returned, it ends with change_fini()
 * @e:	  why not
 *
 * Return: 0, -EINVAL or -ERANGE (what is asked makes no sense), -ENOENT (there is no such VF),
 * -EMSGSIZE, -ENOMEM.
 */
int change_plan(const json_t *ask, const struct feed *feed, struct change *out, struct err *e)
{
	const char *name = json_string_value(json_object_get(ask, "change"));

	for (unsigned int i = 0; name && i < ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].name, name))
			return words_fill(&rows[i], ask, out, e)
				       ?: line_make(out) ?: was_make(&rows[i], ask, feed, out, e);
	return err_set(e, -EINVAL, "there is no such change");
}

/**
 * change_fini() - Forget a plan
 * @c: it
 */
void change_fini(struct change *c)
{
	for (unsigned int i = 0; c->words[i]; i++)
		free(c->words[i]);
	free(c->line);
	free(c->was);
	*c = (struct change){ 0 };
}

/**
 * change_at() - Name the changes there are
 * @i:	  counts from 0
 * @line: gets its line, words to be filled in in braces
 *
 * Return: its name; NULL past the last.
 */
const char *change_at(unsigned int i, const char **line)
{
	if (i >= ARRAY_LEN(rows))
		return NULL;
	*line = rows[i].line;
	return rows[i].name;
}
