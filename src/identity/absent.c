/* SPDX-License-Identifier: Apache-2.0 */
/* What Keystone has and a cloud of one place has not, and why. */
#include "identity/identity.h"

#define TRUSTS                                                                                     \
	"Trusts are not served: give a script an application credential, or a role of its own."
#define OAUTH "Consumers of OAuth are not served: give a script an application credential."
#define FEDERATION                                                                                 \
	"Users are this cloud's own: no other identity provider vouches for anybody here."
#define FILTERS "One catalog is shown to all projects: endpoints are not filtered."
#define POLICIES                                                                                   \
	"Who may do what is docs/policy.md, the same in all services: Keystone keeps no policies."
#define EC2 "There is no EC2 API here, nor keys for it: give a script an application credential."
#define DRIVERS                                                                                    \
	"Users of all domains are kept in one place: a domain has no driver of its own to "        \
	"configure."
#define LIMITS "Limits are the services' own, openstack quota set: Keystone keeps none here."

/* Keystone answers 404 for an extension that is not there. */
const struct absent identity_absent[] = {
	{ "/v3/OS-TRUST*", NULL, NULL, 404, TRUSTS },
	{ "/v3/OS-OAUTH1*", NULL, NULL, 404, OAUTH },
	{ "/v3/OS-OAUTH2*", NULL, NULL, 404, OAUTH },
	{ "/v3/users/{}/OS-OAUTH1*", NULL, NULL, 404, OAUTH },
	{ "/v3/OS-FEDERATION*", NULL, NULL, 404, FEDERATION },
	{ "/v3/auth/OS-FEDERATION*", NULL, NULL, 404, FEDERATION },
	{ "/v3/OS-EP-FILTER*", NULL, NULL, 404, FILTERS },
	{ "/v3/policies*", NULL, NULL, 404, POLICIES },
	{ "/v3/endpoints/{}/OS-ENDPOINT-POLICY*", NULL, NULL, 404, POLICIES },
	{ "/v3/credentials*", NULL, NULL, 404, EC2 },
	{ "/v3/users/{}/credentials*", NULL, NULL, 404, EC2 },
	{ "/v3/ec2tokens*", NULL, NULL, 404, EC2 },
	{ "/v3/s3tokens*", NULL, NULL, 404, EC2 },
	{ "/v3/registered_limits*", NULL, NULL, 404, LIMITS },
	{ "/v3/limits*", NULL, NULL, 404, LIMITS },
	{ "/v3/domains/{}/config*", NULL, NULL, 404, DRIVERS },
	{ "/v3/domains/config/*", NULL, NULL, 404, DRIVERS },
	{ "/v2.0*", NULL, NULL, 404,
	  "Version 2.0 of the identity API is gone from OpenStack since Queens: use /v3." },
	{ NULL },
};
