/* SPDX-License-Identifier: GPL-2.0 */
/* Functions for the static inlines of runtime PM that bindgen cannot bind. */
#ifndef PLATFORM_HELPERS_H
#define PLATFORM_HELPERS_H

#include <linux/pm_runtime.h>

int helper_pm_runtime_resume_and_get(struct device *dev);
int helper_pm_runtime_put_sync(struct device *dev);

#endif /* PLATFORM_HELPERS_H */
