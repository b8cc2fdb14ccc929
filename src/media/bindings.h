/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What src/media/ binds of V4L2, videobuf2, mem2mem, controls and the media
 * controller: the input of the module's own bindgen run.
 */
/* bindgen: --allowlist-function '(v4l2|vb2|media|video|helper)_.*' */
/* bindgen: --allowlist-function '__(video|media)_.*' */
/* bindgen: --allowlist-function 'cancel_work_sync|kfree_const|msleep_interruptible' */
/* bindgen: --allowlist-type 'v4l2_.*' */
/* bindgen: --allowlist-type 'vb2_.*' */
/* bindgen: --allowlist-type 'media_.*' */
/* bindgen: --allowlist-type 'video_device' */
/* bindgen: --allowlist-var '(V4L2|VB2|MEDIA|VFL|VIDEO)_.*' */
/* bindgen: --allowlist-var 'vb2_(dma_contig|vmalloc)_memops' */
/* bindgen: --allowlist-var 'NR_.*' */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/videodev2.h>
#include <linux/workqueue.h>
#include <media/media-device.h>
#include <media/media-request.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-dev.h>
#include <media/v4l2-device.h>
#include <media/v4l2-event.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-ioctl.h>
#include <media/v4l2-mem2mem.h>
#include <media/videobuf2-dma-contig.h>
#include <media/videobuf2-v4l2.h>
#include <media/videobuf2-vmalloc.h>

#include "helpers.h"

/* Numbers of ioctls, whose macros bindgen does not evaluate. */
enum {
	NR_G_CTRL = _IOC_NR(VIDIOC_G_CTRL),
	NR_S_CTRL = _IOC_NR(VIDIOC_S_CTRL),
	NR_G_EXT_CTRLS = _IOC_NR(VIDIOC_G_EXT_CTRLS),
	NR_S_EXT_CTRLS = _IOC_NR(VIDIOC_S_EXT_CTRLS),
	NR_REQBUFS = _IOC_NR(VIDIOC_REQBUFS),
	NR_QUERYBUF = _IOC_NR(VIDIOC_QUERYBUF),
	NR_QBUF = _IOC_NR(VIDIOC_QBUF),
	NR_EXPBUF = _IOC_NR(VIDIOC_EXPBUF),
	NR_DQBUF = _IOC_NR(VIDIOC_DQBUF),
	NR_STREAMON = _IOC_NR(VIDIOC_STREAMON),
	NR_STREAMOFF = _IOC_NR(VIDIOC_STREAMOFF),
	NR_CREATE_BUFS = _IOC_NR(VIDIOC_CREATE_BUFS),
	NR_PREPARE_BUF = _IOC_NR(VIDIOC_PREPARE_BUF),
	NR_REMOVE_BUFS = _IOC_NR(VIDIOC_REMOVE_BUFS),
	NR_DQEVENT = _IOC_NR(VIDIOC_DQEVENT),
};
