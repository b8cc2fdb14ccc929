/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions for what bindgen cannot bind: static inlines and macros of the
 * media core's headers. Each is named helper_ and the C name.
 */
#ifndef MEDIA_HELPERS_H
#define MEDIA_HELPERS_H

#include <linux/delay.h>
#include <linux/device.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/ratelimit.h>
#include <linux/workqueue.h>
#include <media/media-device.h>
#include <media/media-request.h>
#include <media/v4l2-common.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-device.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-mem2mem.h>
#include <media/videobuf2-v4l2.h>

void helper_mutex_lock(struct mutex *lock);
int helper_mutex_lock_interruptible(struct mutex *lock);
void helper_mutex_unlock(struct mutex *lock);
void helper_mutex_destroy(struct mutex *lock);
int helper_kthread_run(int (*run)(void *data), void *data, const char *name);
bool helper_try_module_get(struct module *module);
void helper_module_put(struct module *module);
void __noreturn helper_module_put_and_kthread_exit(struct module *module);
bool helper_device_is_shared(const struct device *dev);
int helper_media_device_requests(struct media_device *mdev);
void helper_media_device_drop_entities(struct media_device *mdev);
struct work_struct *helper_v4l2_m2m_find_work(struct v4l2_m2m_dev *m2m_dev,
					      struct v4l2_m2m_ops *ops);
struct v4l2_fh *helper_file_to_v4l2_fh(struct file *file);
struct video_device *helper_file_to_video_device(struct file *file);
int helper_v4l2_ctrl_handler_init(struct v4l2_ctrl_handler *hdl,
				  unsigned int nr_of_controls_hint);
void helper_v4l2_ctrl_activate(struct v4l2_ctrl_handler *hdl, bool active);
void helper_v4l2_ctrl_leave_requests(struct v4l2_ctrl_handler *hdl);
int helper_v4l2_ctrl_modify_dimensions(struct v4l2_ctrl *ctrl, u32 *dims);
const struct v4l2_ctrl_ref *
helper_v4l2_ctrl_request_find(struct v4l2_ctrl_handler *request, u32 id);
void helper_v4l2_ctrl_request_hdl_put(struct v4l2_ctrl_handler *request);
struct vb2_buffer *helper_media_request_buffer(struct media_request *request);
bool helper_media_request_is_of(struct media_request *request,
				struct v4l2_ctrl_handler *hdl);
struct vb2_v4l2_buffer *helper_v4l2_m2m_next_src_buf(struct v4l2_m2m_ctx *ctx);
struct vb2_v4l2_buffer *helper_v4l2_m2m_next_dst_buf(struct v4l2_m2m_ctx *ctx);
struct vb2_v4l2_buffer *helper_v4l2_m2m_src_buf_remove(struct v4l2_m2m_ctx *ctx);
struct vb2_v4l2_buffer *helper_v4l2_m2m_dst_buf_remove(struct v4l2_m2m_ctx *ctx);
struct helper_colorimetry {
	u32 colorspace;
	u8 ycbcr_enc;
	u8 quantization;
	u8 xfer_func;
};

void helper_v4l2_resolve_colorimetry(struct helper_colorimetry *pix);
void helper_vb2_set_nowarn(struct vb2_queue *q);
bool helper_vb2_is_busy(struct vb2_queue *q);
void helper_vb2_give_up(struct vb2_queue *q, struct v4l2_requestbuffers *rb);
bool helper_may_log_status(void);
void helper_log_queue(struct file *file, struct vb2_queue *q,
		      const struct v4l2_format *format);
#if IS_BUILTIN(CONFIG_KUNIT)
int helper_vb2_held(struct vb2_queue *q);
#endif
bool helper_v4l2_m2m_has_frames(struct v4l2_m2m_ctx *ctx, unsigned int count);
bool helper_vb2_plane_image_addr(struct vb2_buffer *vb, unsigned int plane_no,
				 dma_addr_t *addr);
bool helper_vb2_read(struct vb2_buffer *vb, unsigned int plane_no,
		     size_t offset, void *to, size_t len);
bool helper_vb2_write(struct vb2_buffer *vb, unsigned int plane_no,
		      size_t offset, const void *from, size_t len);
bool helper_vb2_fill(struct vb2_buffer *vb, const u32 *images,
		     unsigned int count);

#endif /* MEDIA_HELPERS_H */
