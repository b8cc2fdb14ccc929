/* SPDX-License-Identifier: GPL-2.0 */
/* Functions for the static inlines that bindgen cannot bind. */
#ifndef PLATFORM_HELPERS_H
#define PLATFORM_HELPERS_H

#include <linux/pm_runtime.h>
#include <linux/ratelimit.h>

int helper_pm_runtime_resume_and_get(struct device *dev);
int helper_pm_runtime_put_sync(struct device *dev);

void helper_ratelimit_state_init(struct ratelimit_state *state);

#if IS_BUILTIN(CONFIG_KUNIT)
struct device *helper_software_new(unsigned int *irq);
void helper_software_drop(struct device *dev, unsigned int irq);
void helper_software_raise(unsigned int irq);
bool helper_has_warned(void);
#endif

#endif /* PLATFORM_HELPERS_H */
