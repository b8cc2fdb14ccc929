// SPDX-License-Identifier: GPL-2.0
/* Out-of-line copies of static inlines. */

#include "helpers.h"

int helper_pm_runtime_resume_and_get(struct device *dev)
{
	return pm_runtime_resume_and_get(dev);
}

int helper_pm_runtime_put_sync(struct device *dev)
{
	return pm_runtime_put_sync(dev);
}

void helper_ratelimit_state_init(struct ratelimit_state *state)
{
	ratelimit_state_init(state, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
}
