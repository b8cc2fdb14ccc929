/* SPDX-License-Identifier: GPL-2.0 */
/* Functions for the static inlines that bindgen cannot bind. */
#ifndef PLATFORM_HELPERS_H
#define PLATFORM_HELPERS_H

#include <linux/clk.h>
#include <linux/ioport.h>
#include <linux/pm_runtime.h>
#include <linux/ratelimit.h>
#include <linux/seq_file.h>

bool helper_devm_request_mem_region(struct device *dev, phys_addr_t start,
				    resource_size_t size);

int helper_clk_bulk_prepare_enable(int count, const struct clk_bulk_data *clks);
void helper_clk_bulk_disable_unprepare(int count,
				       const struct clk_bulk_data *clks);

int helper_pm_runtime_resume_and_get(struct device *dev);
int helper_pm_runtime_put_sync(struct device *dev);

void helper_ratelimit_state_init(struct ratelimit_state *state);

/* A debugfs file: the function that prints it. */
struct helper_shown {
	int (*show)(struct seq_file *seq, void *unused);
};

struct dentry *helper_debugfs_create_dir(const char *name);
void helper_debugfs_create_file(const char *name, struct dentry *dir,
				struct helper_shown *shown);
void helper_debugfs_create_number(const char *name, struct dentry *dir,
				  u32 *value);
void helper_debugfs_remove(struct dentry *dir);

#if IS_BUILTIN(CONFIG_KUNIT)
struct device *helper_software_new(unsigned int *irq);
void helper_software_drop(struct device *dev, unsigned int irq);
void helper_software_raise(unsigned int irq);
bool helper_has_warned(void);
#endif

#endif /* PLATFORM_HELPERS_H */
