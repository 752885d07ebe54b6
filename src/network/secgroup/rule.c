/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of security groups, judged as Neutron judges them, so that what is legal there is taken and
 * what is not is refused with the same fault.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/uuid.h"
#include "network/core/network.h"
#include "network/secgroup/secgroup.h"

#define PROTOCOLS                                                                                  \
	"ah, dccp, egp, esp, gre, hopopt, icmp, icmpv6, igmp, ipip, ipv6-encap, ipv6-frag, "       \
	"ipv6-icmp, ipv6-nonxt, ipv6-opts, ipv6-route, ospf, pgm, rsvp, sctp, tcp, udp, udplite, " \
	"vrrp"

/* IANA's protocol numbers by the names that Neutron knows. */
static const struct protocol {
	const char *name;
	unsigned int number;
	enum { PLAIN, PORTS, ICMP } ranges; /* what port_range_* are */
	bool six;			    /* of IPv6 alone */
} protocols[] = {
	{ "ah", 51 },
	{ "dccp", 33, PORTS },
	{ "egp", 8 },
	{ "esp", 50 },
	{ "gre", 47 },
	{ "hopopt", 0 },
	{ "icmp", 1, ICMP },
	{ "ipv6-icmp", 58, ICMP, true },
	{ "icmpv6", 58, ICMP, true },
	{ "igmp", 2 },
	{ "ipip", 4 },
	{ "ipv6-encap", 41, .six = true },
	{ "ipv6-frag", 44, .six = true },
	{ "ipv6-nonxt", 59, .six = true },
	{ "ipv6-opts", 60, .six = true },
	{ "ipv6-route", 43, .six = true },
	{ "ospf", 89 },
	{ "pgm", 113 },
	{ "rsvp", 46 },
	{ "sctp", 132, PORTS },
	{ "tcp", 6, PORTS },
	{ "udp", 17, PORTS },
	{ "udplite", 136, PORTS },
	{ "vrrp", 112 },
};

/* The row of a name or a number, as a rule's document has it; a number without a row is plain. */
static struct protocol protocol_of(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	bool number = *text >= '0' && *text <= '9' && !*end;

	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (number ? protocols[i].number == n : !strcasecmp(protocols[i].name, text))
			return protocols[i];
	return (struct protocol){ number && n <= 255 ? text : NULL, (unsigned int)n };
}

/* A protocol is a name or a number, kept as text; "any" is null. */
static int valid_protocol(struct call *c, const char *field, json_t **value)
{
	char text[64] = "", *p;

	if (json_is_integer(*value))
		snprintf(text, sizeof(text), "%lld", json_integer_value(*value));
	else if (json_is_string(*value))
		snprintf(text, sizeof(text), "%s", json_string_value(*value));
	for (p = text; *p; p++)
		*p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
	if (strcmp(text, "any") && !protocol_of(text).name)
		return call_fail(c, 400, "SecurityGroupRuleInvalidProtocol",
				 "Security group rule protocol %s not supported. Only protocol "
				 "values [" PROTOCOLS
				 "] and integer representations [0 to 255] are "
				 "supported.",
				 text);
	json_decref(*value);
	*value = strcmp(text, "any") ? json_string(text) : json_null();
	return *value ? 0 : -ENOMEM;
}

static int valid_ethertype(struct call *c, const char *field, json_t **value)
{
	const char *text = json_string_value(*value), *good;

	good = !strcasecmp(text, "IPv4") ? "IPv4" : !strcasecmp(text, "IPv6") ? "IPv6" : NULL;
	if (!good)
		return call_fail(c, 400, "SecurityGroupRuleInvalidEtherType",
				 "Security group rule for ethertype '%s' not supported. Allowed "
				 "values are ['IPv4', 'IPv6'].",
				 text);
	json_decref(*value);
	*value = json_string(good);
	return *value ? 0 : -ENOMEM;
}

/* An address, or a prefix whose host bits are kept; normalized_cidr is without them. "" is null. */
static int valid_prefix(struct call *c, const char *field, json_t **value)
{
	const char *text = json_string_value(*value);
	char base[IP_STR_LEN], out[CIDR_STR_LEN] = "";
	struct cidr cidr;
	struct ip ip;

	snprintf(base, sizeof(base), "%.*s", (int)MIN(strcspn(text, "/"), sizeof(base) - 1), text);
	if (*text && (cidr_parse(text, &cidr, NULL) || ip_parse(base, &ip, NULL)))
		return call_fail(c, 400, "InvalidCIDR", "Invalid CIDR %s given as IP prefix.",
				 text);
	if (*text)
		snprintf(out, sizeof(out), "%s/%u", ip_format(&ip, base), cidr.len);
	json_decref(*value);
	*value = *out ? json_string(out) : json_null();
	return *value ? 0 : -ENOMEM;
}

/* Of either case, and none is not there (404), whatever it looks like. */
static int valid_group(struct call *c, const char *field, json_t **value)
{
	const char *text = json_string_value(*value);
	char lower[UUID_STR_LEN];

	if (!uuid_valid(text))
		return 0;
	for (size_t i = 0; i < sizeof(lower); i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	json_decref(*value);
	*value = json_string(lower);
	return *value ? 0 : -ENOMEM;
}

static int valid_port_value(struct call *c, const char *field, json_t **value)
{
	json_int_t n = json_integer_value(*value);

	if (n >= 0 && n <= 65535)
		return 0;
	return call_fail(c, 400, "SecurityGroupInvalidPortValue", "Invalid value for port %lld",
			 (long long)n);
}

static int valid_address_group(struct call *c, const char *field, json_t **value)
{
	return call_fail(c, 404, "AddressGroupNotFound", "Address group %s could not be found.",
			 json_is_string(*value) ? json_string_value(*value) : "");
}

static const char *const directions[] = { "ingress", "egress", NULL };

static const struct rfield rule_fields[] = {
	{ "id", J_UUID, R_FILTER },
	{ "project_id", J_STR, R_CREATE | R_FILTER | R_INDEX },
	{ "security_group_id", J_STR, R_CREATE | R_NEED | R_FILTER, .ref = &security_group_resource,
	  .valid = valid_group },
	{ "ethertype", J_STR, R_CREATE | R_FILTER, "\"IPv4\"", .valid = valid_ethertype },
	{ "direction", J_STR, R_CREATE | R_NEED | R_FILTER, .names = directions },
	{ "protocol", J_ANY, R_CREATE | R_FILTER | R_NULL, .valid = valid_protocol },
	{ "port_range_min", J_INT, R_CREATE | R_FILTER | R_NULL, .valid = valid_port_value },
	{ "port_range_max", J_INT, R_CREATE | R_FILTER | R_NULL, .valid = valid_port_value },
	{ "remote_ip_prefix", J_STR, R_CREATE | R_FILTER | R_NULL, .valid = valid_prefix },
	{ "remote_address_group_id", J_ANY, R_CREATE | R_FILTER | R_NULL,
	  .valid = valid_address_group },
	{ "normalized_cidr", J_STR, R_FILTER },
	{ "remote_group_id", J_STR, R_CREATE | R_FILTER | R_NULL, .ref = &security_group_resource,
	  .valid = valid_group },
	{ "description", J_STR, R_CREATE | R_FILTER, "\"\"", .max = 255 },
	{ NULL },
};

/* A member, and what it means when it is null or says "everything" (neutron's _rule_to_key). */
static json_t *essence(const json_t *rule, const char *name)
{
	const json_t *v = json_object_get(rule, name);
	const char *text = json_string_value(v);

	if (text && !strcmp(name, "protocol"))
		return json_integer(protocol_of(text).number);
	if (text && !strcmp(name, "remote_ip_prefix") &&
	    (!strcmp(text, "0.0.0.0/0") || !strcmp(text, "::/0")))
		return json_null();
	return v ? json_incref((json_t *)v) : json_null();
}

static bool rules_equal(const json_t *a, const json_t *b)
{
	static const char *const names[] = { "ethertype",      "direction",	 "protocol",
					     "port_range_min", "port_range_max", "remote_ip_prefix",
					     "remote_group_id" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_of(json_decref) json_t *x = essence(a, names[i]), *y = essence(b, names[i]);

		if (!json_equal(x, y))
			return false;
	}
	return true;
}

static int check_icmp(struct call *c, const json_t *min, const json_t *max)
{
	const json_t *both[] = { min, max };

	for (size_t i = 0; i < ARRAY_LEN(both); i++)
		if (json_integer_value(both[i]) > 255)
			return call_fail(
				c, 400, "SecurityGroupInvalidIcmpValue",
				"Invalid value for ICMP %s (%s) %lld. It must be 0 to 255.",
				i ? "code" : "type", i ? "port_range_max" : "port_range_min",
				json_integer_value(both[i]));
	if (json_is_integer(min))
		return 0;
	return call_fail(c, 400, "SecurityGroupMissingIcmpType",
			 "ICMP code (port-range-max) %lld is provided but ICMP type "
			 "(port-range-min) is missing.",
			 json_integer_value(max));
}

static int check_ports(struct call *c, const json_t *min, const json_t *max)
{
	bool both = json_is_integer(min) && json_is_integer(max);

	if ((json_is_integer(min) && !json_integer_value(min)) ||
	    (json_is_integer(max) && !json_integer_value(max)))
		return call_fail(c, 400, "SecurityGroupInvalidPortValue",
				 "Invalid value for port 0");
	if (both && json_integer_value(min) <= json_integer_value(max))
		return 0;
	return call_fail(c, 400, "SecurityGroupInvalidPortRange",
			 "For TCP/UDP protocols, port_range_min must be <= port_range_max");
}

/* What port_range_* mean depends on the protocol. */
static int check_range(struct call *c, const json_t *doc)
{
	const json_t *min = json_object_get(doc, "port_range_min");
	const json_t *max = json_object_get(doc, "port_range_max");
	const char *name = doc_str(doc, "protocol");
	struct protocol p = protocol_of(name);

	if (!json_is_integer(min) && !json_is_integer(max))
		return 0;
	if (!*name)
		return call_fail(c, 400, "SecurityGroupProtocolRequiredWithPorts",
				 "Must also specify protocol if port range is given.");
	if (p.ranges == ICMP)
		return check_icmp(c, min, max);
	if (p.ranges == PORTS)
		return check_ports(c, min, max);
	return call_fail(c, 400, "SecurityGroupInvalidProtocolForPort",
			 "Invalid protocol %s for port range, only supported for DCCP, SCTP, TCP, "
			 "UDP, UDPLITE.",
			 name);
}

/* Sets normalized_cidr, too. */
static int check_family(struct call *c, json_t *doc)
{
	const char *type = doc_str(doc, "ethertype"), *prefix = doc_str(doc, "remote_ip_prefix");
	bool four = !strcmp(type, "IPv4");
	char text[CIDR_STR_LEN];
	struct cidr cidr;

	if (four && protocol_of(doc_str(doc, "protocol")).six)
		return call_fail(c, 400, "SecurityGroupEthertypeConflictWithProtocol",
				 "Invalid ethertype %s for protocol %s.", type,
				 doc_str(doc, "protocol"));
	if (!*prefix)
		return 0;
	if (json_is_string(json_object_get(doc, "remote_group_id")))
		return call_fail(c, 400, "SecurityGroupRemoteGroupAndRemoteIpPrefix",
				 "Only remote_ip_prefix or remote_group_id may be provided.");
	if (cidr_parse(prefix, &cidr, NULL) || cidr.base.version != (four ? 4 : 6))
		return call_fail(c, 400, "SecurityGroupRuleParameterConflict",
				 "Conflicting value ethertype %s for CIDR %s", type, prefix);
	doc_set_text(doc, "normalized_cidr", cidr_format(&cidr, text));
	return 0;
}

/* As Neutron keeps what may be said in two ways: all ports are no range, and ICMP of IPv6 has a
 * name and a number of its own. */
static void make_canonical(json_t *doc)
{
	const char *protocol = doc_str(doc, "protocol");

	if (doc_int(doc, "port_range_min") == 1 && doc_int(doc, "port_range_max") == 65535) {
		json_object_set_new(doc, "port_range_min", json_null());
		json_object_set_new(doc, "port_range_max", json_null());
	}
	if (!doc_is(doc, "ethertype", "IPv6"))
		return;
	if (!strcmp(protocol, "icmp") || !strcmp(protocol, "icmpv6"))
		doc_set_text(doc, "protocol", "ipv6-icmp");
	else if (!strcmp(protocol, "1"))
		doc_set_text(doc, "protocol", "58");
}

/* Rules that are made at once are of one group, the first one's. */
static int check_bulk(struct call *c, const json_t *doc)
{
	const json_t *many = json_object_get(c->body, "security_group_rules"),
		     *first = json_array_get(many, 0);

	first = json_object_get(first, "security_group_rule") ?: first;
	if (!first ||
	    !strcasecmp(doc_str(first, "security_group_id"), doc_str(doc, "security_group_id")))
		return 0;
	return call_fail(c, 400, "SecurityGroupNotSingleGroupRules",
			 "Only allowed to update rules for one security profile at a time");
}

static int rule_check(struct call *c, json_t *doc, const json_t *old)
{
	struct cursor it = res_list(c, &security_group_rule_resource, "security_group_id",
				    doc_str(doc, "security_group_id"));
	int rc;

	make_canonical(doc);
	rc = check_bulk(c, doc) ?: check_range(c, doc) ?: check_family(c, doc);
	while (!rc && cursor_next(&it))
		if (rules_equal(it.doc, doc))
			return call_fail(c, 409, "SecurityGroupRuleExists",
					 "Security group rule already exists. Rule id is %s.",
					 doc_str(it.doc, "id"));
	return rc;
}

/* A rule is part of its group, whose revision tells of it; those a group is made with are in its
 * first one. */
static int touch_group(struct call *c, const json_t *rule)
{
	const json_t *group =
		res_get(c, &security_group_resource, doc_str(rule, "security_group_id"));

	if (!group || !c->path || !strstr(c->path, "security-group-rules"))
		return 0;
	return res_put(c, &security_group_resource, json_copy((json_t *)group));
}

/* Whose a group is sees all of its rules, also those that an admin made as his own. */
static bool rule_visible(const struct call *c, const json_t *rule)
{
	const json_t *group = res_get((struct call *)c, &security_group_resource,
				      doc_str(rule, "security_group_id"));

	return caller_owns(c, doc_str(rule, "project_id")) ||
	       (group && caller_is_in(c, doc_str(group, "project_id")));
}

const struct resource security_group_rule_resource = {
	.one = "security_group_rule",
	.many = "security_group_rules",
	.label = "SecurityGroupRule",
	.path = "/v2.0/security-group-rules",
	.flags = RES_TENANT | RES_TIMES | RES_REVISION | RES_NO_UPDATE,
	.read = RULE_READ,
	.write = RULE_WRITE,
	.fields = rule_fields,
	.quota = "security_group_rule",
	.quota_default = 100,
	.check = rule_check,
	.visible = rule_visible,
	.created = touch_group,
	.deleted = touch_group,
};
