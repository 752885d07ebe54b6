/* SPDX-License-Identifier: Apache-2.0 */
/* Grace periods (RCU): for so long a worker may use what control has just replaced. */
#include <rte_pause.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "sw/data/dp_priv.h"

#define GRACE_WARN_MS  500
#define GRACE_SPINS    1000 /* a round is mostly shorter; then the core is somebody else's */
#define GRACE_SLEEP_US 50

/* Who has not been quiescent since @token: its turn takes too long. */
static void grace_warn(struct dp *dp, uint64_t token, uint64_t ms)
{
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		uint64_t cnt = __atomic_load_n(&dp->qsbr->qsbr_cnt[i].cnt, __ATOMIC_RELAXED);
		const struct dp_pulse *pulse = &dp->workers[i]->pulse;
		const struct port *p = dp->ports[pulse->at];

		if (cnt != __RTE_QSBR_CNT_THR_OFFLINE && cnt < token)
			log_warn("a worker holds up a change",
				 "worker=%u tid=%d port=\"%s\" waited_ms=%lu", i, pulse->tid,
				 p ? p->name : "", ms);
	}
}

/**
 * dp_grace() - Wait until no worker holds anything it loaded before
 * @dp: data plane
 *
 * As long as one round of turns at most; at once if the workers sleep. From GRACE_WARN_MS on the
 * log says, seldomer and seldomer, which worker is waited for, and at which port it is.
 *
 * Context: any thread but a worker.
 */
void dp_grace(struct dp *dp)
{
	uint64_t token = rte_rcu_qsbr_start(dp->qsbr), begun = loop_now_ms(), warn = GRACE_WARN_MS;

	for (unsigned int turns = 0; rte_rcu_qsbr_check(dp->qsbr, token, false) != 1; turns++) {
		if (turns < GRACE_SPINS)
			rte_pause();
		else
			usleep(GRACE_SLEEP_US);
		if (loop_now_ms() - begun >= warn) {
			grace_warn(dp, token, warn);
			warn *= 2;
		}
	}
}
