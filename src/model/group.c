/* SPDX-License-Identifier: Apache-2.0 */
#include "model/group.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/**
 * vf_group_check() - Can a group have that name?
 * @name: from a stranger; "none" stands for no group
 * @e:    names it
 *
 * The kernel takes no number for a name, and tools no slash.
 *
 * Return: 0 or -EINVAL. Context: any; pure.
 */
int vf_group_check(const char *name, struct err *e)
{
	bool digits = true, good = *name && strlen(name) <= VF_GROUP_LEN && strcmp(name, "none");

	for (const char *p = name; *p; p++) {
		good &= isalnum((unsigned char)*p) || *p == '-' || *p == '_' || *p == '.';
		digits &= isdigit((unsigned char)*p) != 0;
	}
	return good && !digits
		       ? 0
		       : err_set(e, -EINVAL,
				 "\"%.32s\" is no name of a group: up to %u of a-z, A-Z, 0-9, "
				 "'-', '_', '.', and not digits alone",
				 name, VF_GROUP_LEN);
}

/**
 * vf_groups_add() - One more group, in its place
 * @to:    gets it
 * @group: its name is checked
 * @e:     names it
 *
 * Return: 0; -EEXIST; -ENOSPC; -EINVAL: its rates cannot be. Context: any; pure.
 */
int vf_groups_add(struct vf_groups *to, const struct vf_group *group, struct err *e)
{
	unsigned int at = 0;

	while (at < to->n && strcmp(to->list[at].name, group->name) < 0)
		at++;
	if (at < to->n && !strcmp(to->list[at].name, group->name))
		return err_set(e, -EEXIST, "group %s is there twice", group->name);
	if (to->n == VF_GROUPS_MAX)
		return err_set(e, -ENOSPC, "there are %u groups already", VF_GROUPS_MAX);
	if (group->max_tx_mbit && group->min_tx_mbit > group->max_tx_mbit)
		return err_set(e, -EINVAL, "group %s: min %u is above max %u", group->name,
			       group->min_tx_mbit, group->max_tx_mbit);
	memmove(&to->list[at + 1], &to->list[at], (to->n - at) * sizeof(to->list[0]));
	to->list[at] = *group;
	to->n++;
	return 0;
}

/**
 * vf_groups_find() - A group by its name
 * @in:   groups
 * @name: name
 *
 * Return: it, or NULL. Context: any; pure.
 */
const struct vf_group *vf_groups_find(const struct vf_groups *in, const char *name)
{
	for (unsigned int i = 0; i < in->n; i++)
		if (!strcmp(in->list[i].name, name))
			return &in->list[i];
	return NULL;
}

/* "max=100" */
static int parse_rate(const char *text, struct vf_group *g, struct err *e)
{
	uint32_t *to = !strncmp(text, "max=", 4)   ? &g->max_tx_mbit
		       : !strncmp(text, "min=", 4) ? &g->min_tx_mbit
						   : NULL;
	unsigned long long n;
	char *end;

	if (!to || text[4] < '0' || text[4] > '9')
		return err_set(e, -EINVAL, "group %s: \"%.32s\" is neither max=MBPS nor min=MBPS",
			       g->name, text);
	errno = 0;
	n = strtoull(text + 4, &end, 10);
	if (*end || errno || n > UINT32_MAX)
		return err_set(e, -EINVAL, "group %s: \"%.32s\" is no rate", g->name, text);
	*to = (uint32_t)n;
	return 0;
}

/* One of the list, cut at its end. */
static int parse_one(char *text, struct vf_groups *out, struct err *e)
{
	struct vf_group g = { .max_tx_mbit = 0 };
	char *rate = strchr(text, ':'), *next;
	int rc;

	if (rate)
		*rate++ = '\0';
	rc = vf_group_check(text, e);
	if (!rc)
		memcpy(g.name, text, strlen(text) + 1);
	for (; !rc && rate; rate = next) {
		next = strchr(rate, ':');
		if (next)
			*next++ = '\0';
		rc = parse_rate(rate, &g, e);
	}
	return rc ?: vf_groups_add(out, &g, e);
}

/**
 * vf_groups_parse() - Read a list of groups
 * @text: "gold:max=1000:min=100,silver"; "" or "none": there are none
 * @out:  gets it
 * @e:    names what is wrong
 *
 * Return: 0, or as vf_groups_add(). Context: any; pure.
 */
int vf_groups_parse(const char *text, struct vf_groups *out, struct err *e)
{
	char copy[VF_GROUPS_LEN + 1], *one = copy, *next;
	struct vf_groups all = { .n = 0 };
	int rc = 0;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return err_set(e, -EINVAL, "groups are longer than %u bytes", VF_GROUPS_LEN);
	if (!strcmp(copy, "none"))
		*copy = '\0';
	for (one = *copy ? copy : NULL; !rc && one; one = next) {
		next = strchr(one, ',');
		if (next)
			*next++ = '\0';
		rc = parse_one(one, &all, e);
	}
	if (!rc)
		*out = all;
	return rc;
}

/**
 * vf_groups_format() - Write a list of groups, in the one way that there is for it
 * @in:  groups
 * @out: gets it
 *
 * Context: any; pure.
 */
void vf_groups_format(const struct vf_groups *in, char out[VF_GROUPS_LEN + 1])
{
	*out = '\0';
	for (unsigned int i = 0; i < in->n; i++) {
		const struct vf_group *g = &in->list[i];

		out += sprintf(out, "%s%s", i ? "," : "", g->name);
		if (g->max_tx_mbit)
			out += sprintf(out, ":max=%u", g->max_tx_mbit);
		if (g->min_tx_mbit)
			out += sprintf(out, ":min=%u", g->min_tx_mbit);
	}
}

/**
 * vf_groups_order() - Bring a list of groups into the one way that there is for it
 * @text: list
 * @e:    names what is wrong
 *
 * Return: 0, or as vf_groups_parse(). Context: any; pure.
 */
int vf_groups_order(char text[VF_GROUPS_LEN + 1], struct err *e)
{
	struct vf_groups all;

	int rc = vf_groups_parse(text, &all, e);

	if (!rc)
		vf_groups_format(&all, text);
	return rc;
}
