/* SPDX-License-Identifier: Apache-2.0 */
/* VLAN lists as operators write them. Used by the field tables. */
#include "base/vlan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/**
 * vlan_set_range() - Add or remove a range
 * @v:      set; becomes a set one if it was unset
 * @first:  0..4095
 * @last:   @first..4095
 * @member: true adds
 */
void vlan_set_range(struct vlan_set *v, unsigned int first, unsigned int last, bool member)
{
	v->set = true;
	for (unsigned int vid = first; vid <= last && vid < VLAN_N; vid++) {
		uint64_t bit = 1ULL << (vid % 64);

		v->bits[vid / 64] = member ? v->bits[vid / 64] | bit : v->bits[vid / 64] & ~bit;
	}
}

/**
 * vlan_set_merge() - Add or remove the members of a list
 * @v:      set; becomes a set one if it was unset, at @list alone if that is added
 * @list:   set
 * @member: true adds
 */
void vlan_set_merge(struct vlan_set *v, const struct vlan_set *list, bool member)
{
	v->set = true;
	for (unsigned int i = 0; i < VLAN_N / 64; i++)
		v->bits[i] = member ? v->bits[i] | list->bits[i] : v->bits[i] & ~list->bits[i];
}

static int parse_vid(const char **p, unsigned int *out)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	n = strtoul(*p, &end, 10);
	*p = end;
	*out = (unsigned int)n;
	return n < VLAN_N ? 0 : -ERANGE;
}

/**
 * vlan_set_parse() - Read "any", "none" or a list such as 10,20-30
 * @text: what the operator wrote
 * @out:  the set; untouched on failure
 * @e:    error text, may be NULL
 *
 * Return: 0, -EINVAL (not a list) or -ERANGE (above 4095, or a range that runs backwards).
 */
int vlan_set_parse(const char *text, struct vlan_set *out, struct err *e)
{
	struct vlan_set v = { .set = true };
	const char *p = text;

	if (!strcmp(text, "any"))
		v.set = false;
	else if (strcmp(text, "none")) {
		do {
			unsigned int first, last;
			int rc = parse_vid(&p, &first);

			last = first;
			if (!rc && *p == '-') {
				p++;
				rc = parse_vid(&p, &last);
			}
			if (!rc && last < first)
				return err_set(e, -ERANGE, "\"%s\": range %u-%u runs backwards",
					       text, first, last);
			if (rc == -ERANGE)
				return err_set(e, rc, "\"%s\": no VLAN is above 4095", text);
			if (rc || (*p && *p != ','))
				return err_set(e, -EINVAL, "\"%s\" is no VLAN list, as 10,20-30",
					       text);
			vlan_set_range(&v, first, last, true);
		} while (*p++ == ',');
	}
	*out = v;
	return 0;
}

/**
 * vlan_set_format() - Write a set the way vlan_set_parse() reads it
 * @v:    set
 * @out:  text, cut at @size; 20 KiB holds the worst case
 * @size: size of @out, bytes
 *
 * Return: length of the text, or -ENOSPC when it was cut.
 */
int vlan_set_format(const struct vlan_set *v, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	if (!v->set)
		return snprintf(out, size, "any");
	for (unsigned int vid = 0; vid < VLAN_N; vid++) {
		unsigned int last = vid;

		if (!vlan_set_has(v, vid))
			continue;
		while (last + 1 < VLAN_N && vlan_set_has(v, last + 1))
			last++;
		n += (size_t)snprintf(out + n, size - n, last > vid ? "%s%u-%u" : "%s%u",
				      n ? "," : "", vid, last);
		if (n >= size)
			return -ENOSPC;
		vid = last;
	}
	return n ? (int)n : snprintf(out, size, "none");
}
