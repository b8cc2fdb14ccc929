// SPDX-License-Identifier: GPL-2.0
/* Out-of-line copies of static inlines. */

#include <linux/clk.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/module.h>
#include <linux/panic.h>
#include <linux/platform_device.h>

#include "helpers.h"

/*
 * Requests the region until the device is unbound. Returns false if a part of
 * it is requested already.
 */
bool helper_devm_request_mem_region(struct device *dev, phys_addr_t start,
				    resource_size_t size)
{
	return devm_request_mem_region(dev, start, size, dev_name(dev));
}

int helper_clk_bulk_prepare_enable(int count, const struct clk_bulk_data *clks)
{
	return clk_bulk_prepare_enable(count, clks);
}

void helper_clk_bulk_disable_unprepare(int count,
				       const struct clk_bulk_data *clks)
{
	clk_bulk_disable_unprepare(count, clks);
}

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

/*
 * The file is protected against removal only while it is printed, and not while
 * its contents are copied to userspace, which may wait for a page of userspace.
 */
static int shown_show(struct seq_file *seq, void *unused)
{
	struct dentry *dentry = file_dentry(seq->file);
	struct helper_shown *shown = seq->private;
	int ret;

	ret = debugfs_file_get(dentry);
	if (ret)
		return ret;
	ret = shown->show(seq, unused);
	debugfs_file_put(dentry);

	return ret;
}

static int shown_open(struct inode *inode, struct file *file)
{
	return single_open(file, shown_show, inode->i_private);
}

static const struct file_operations shown_fops = {
	.owner = THIS_MODULE,
	.open = shown_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

static int number_show(struct seq_file *seq, void *unused)
{
	struct dentry *dentry = file_dentry(seq->file);
	u32 *value = seq->private;
	int ret;

	ret = debugfs_file_get(dentry);
	if (ret)
		return ret;
	seq_printf(seq, "%u\n", READ_ONCE(*value));
	debugfs_file_put(dentry);

	return 0;
}

static int number_open(struct inode *inode, struct file *file)
{
	return single_open(file, number_show, inode->i_private);
}

/*
 * The value is read from userspace before the file is protected against
 * removal, because removing the file waits for the end of the protection.
 */
static ssize_t number_write(struct file *file, const char __user *from,
			    size_t count, loff_t *offset)
{
	struct dentry *dentry = file_dentry(file);
	u32 *value = file_inode(file)->i_private;
	u32 number;
	int ret;

	ret = kstrtou32_from_user(from, count, 0, &number);
	if (ret)
		return ret;
	ret = debugfs_file_get(dentry);
	if (ret)
		return ret;
	WRITE_ONCE(*value, number);
	debugfs_file_put(dentry);

	return count;
}

static const struct file_operations number_fops = {
	.owner = THIS_MODULE,
	.open = number_open,
	.read = seq_read,
	.write = number_write,
	.llseek = seq_lseek,
	.release = single_release,
};

struct dentry *helper_debugfs_create_dir(const char *name)
{
	return debugfs_create_dir(name, NULL);
}

void helper_debugfs_create_file(const char *name, struct dentry *dir,
				struct helper_shown *shown)
{
	debugfs_create_file_unsafe(name, 0400, dir, shown, &shown_fops);
}

void helper_debugfs_create_number(const char *name, struct dentry *dir,
				  u32 *value)
{
	debugfs_create_file_unsafe(name, 0600, dir, value, &number_fops);
}

void helper_debugfs_remove(struct dentry *dir)
{
	debugfs_remove(dir);
}

#if IS_BUILTIN(CONFIG_KUNIT)
static int software_probe(struct platform_device *pdev)
{
	return 0;
}

static char software_name[sizeof("software.4294967295")];

static struct platform_driver software_driver = {
	.driver.name = software_name,
};

/* A bound device with an interrupt that is raised by software. */
struct device *helper_software_new(unsigned int *irq)
{
	struct resource res = DEFINE_RES_IRQ(0);
	struct platform_device *pdev;
	static unsigned int count;
	int number;

	number = irq_alloc_desc(NUMA_NO_NODE);
	if (number < 0)
		return ERR_PTR(number);
	irq_set_chip_and_handler(number, &dummy_irq_chip, handle_simple_irq);
	irq_clear_status_flags(number, IRQ_NOREQUEST | IRQ_NOPROBE);

	/* With DEBUG_KOBJECT_RELEASE a driver's name stays in use for a while. */
	snprintf(software_name, sizeof(software_name), "software.%u", count++);
	res.start = number;
	res.end = number;
	pdev = platform_create_bundle(&software_driver, software_probe, &res,
				      1, NULL, 0);
	if (IS_ERR(pdev)) {
		irq_free_desc(number);
		return ERR_CAST(pdev);
	}
	*irq = number;

	return &pdev->dev;
}

void helper_software_drop(struct device *dev, unsigned int irq)
{
	platform_device_unregister(to_platform_device(dev));
	platform_driver_unregister(&software_driver);
	irq_free_desc(irq);
}

void helper_software_raise(unsigned int irq)
{
	generic_handle_irq_safe(irq);
}

bool helper_has_warned(void)
{
	return test_taint(TAINT_WARN);
}
#endif
