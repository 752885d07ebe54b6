/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers of the API's documents have in common. */
#include "agent/core/want.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/**
 * want_bad_doc() - Say what a document lacks
 * @e:   gets the words, may be NULL
 * @why: of json_unpack_ex()
 *
 * Return: -EINVAL.
 */
int want_bad_doc(struct err *e, const json_error_t *why)
{
	return err_set(e, -EINVAL, "document: %s", why->text);
}

/**
 * want_ids_check() - Let nothing but UUIDs pass: ids become file, domain and namespace names
 * @ids: array of @n ids; NULL: one that may be missing
 * @n:   how many
 * @e:   which is none, may be NULL
 *
 * Return: 0 or -EINVAL.
 */
int want_ids_check(const char *const ids[], unsigned int n, struct err *e)
{
	for (unsigned int i = 0; i < n; i++)
		if (ids[i] && !uuid_valid(ids[i]))
			return err_set(e, -EINVAL, "\"%.60s\" is no UUID", ids[i]);
	return 0;
}

/**
 * want_text() - A string that may be missing
 * @obj: object
 * @key: member
 *
 * Return: the string, the object's; NULL when it is missing, null or "".
 */
const char *want_text(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text && *text ? text : NULL;
}

/**
 * want_ips_parse() - Addresses with their subnets
 * @list: array of {ip_address, subnet_id}, or NULL
 * @ips:  gets them; room for WANT_IPS_MAX
 * @n:    gets how many
 * @e:    error text, may be NULL
 *
 * Return: 0, -EINVAL or -E2BIG.
 */
int want_ips_parse(const json_t *list, struct want_ip *ips, unsigned int *n, struct err *e)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) > WANT_IPS_MAX)
		return err_set(e, -E2BIG, "more than %u addresses", WANT_IPS_MAX);
	json_array_foreach (list, i, item) {
		const char *address = want_text(item, "ip_address");
		int rc = address ? ip_parse(address, &ips[i].address, e)
				 : err_set(e, -EINVAL, "an address is missing");

		if (rc)
			return rc;
		ips[i].subnet = want_text(item, "subnet_id");
	}
	*n = (unsigned int)i;
	return 0;
}

/**
 * want_lay() - Lay bytes into a piece, behind those that are there
 * @lay:  how far it came
 * @data: bytes
 * @len:  how many
 *
 * Return: where they are by now, which is @data as long as they are only counted.
 */
void *want_lay(struct want_lay *lay, void *data, size_t len)
{
	char *at = lay->to ? lay->to + lay->n : NULL;

	lay->n += len;
	return at && len ? memcpy(at, data, len) : data;
}

/**
 * want_lay_text() - Lay a string into a piece
 * @lay:  how far it came
 * @text: string, or NULL
 *
 * Return: where it is by now; NULL stays so.
 */
const char *want_lay_text(struct want_lay *lay, const char *text)
{
	return text ? want_lay(lay, (char *)(uintptr_t)text, strlen(text) + 1) : NULL;
}

/**
 * want_piece_new() - Make a piece for what was counted
 * @counted: its length
 *
 * Return: a reference; NULL when out of memory.
 */
struct want_piece *want_piece_new(const struct want_lay *counted)
{
	struct want_piece *piece = malloc(sizeof(*piece) + counted->n);

	if (piece)
		piece->refs = 1;
	return piece;
}

/**
 * want_piece_ref() - Take a reference, for a copy of the struct that points there
 * @piece: piece
 *
 * Return: @piece.
 */
struct want_piece *want_piece_ref(struct want_piece *piece)
{
	piece->refs++;
	return piece;
}

/**
 * want_piece_put() - Give a reference back
 * @piece: of the struct, may be NULL there; NULL afterwards
 */
void want_piece_put(struct want_piece **piece)
{
	if (*piece && !--(*piece)->refs)
		free(*piece);
	*piece = NULL;
}

/**
 * want_subnet_of() - A network's subnet
 * @net: network, may be NULL
 * @id:  of the subnet, may be NULL
 *
 * Return: the subnet; NULL when the network has none of that id.
 */
const struct want_subnet *want_subnet_of(const struct want_net *net, const char *id)
{
	for (unsigned int i = 0; net && id && i < net->n_subnets; i++)
		if (!strcmp(net->subnets[i].id, id))
			return &net->subnets[i];
	return NULL;
}

/**
 * want_doc_put() - Give a parsed document back
 * @doc: the struct's document; NULL afterwards, and with it the struct's strings are gone
 */
void want_doc_put(json_t **doc)
{
	json_decref(*doc);
	*doc = NULL;
}
