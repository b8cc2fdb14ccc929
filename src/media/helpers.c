// SPDX-License-Identifier: GPL-2.0
/* Out-of-line copies of the media core's static inlines and macros. */

#include "helpers.h"

void helper_mutex_lock(struct mutex *lock)
{
	mutex_lock(lock);
}

int helper_mutex_lock_interruptible(struct mutex *lock)
{
	return mutex_lock_interruptible(lock);
}

void helper_mutex_unlock(struct mutex *lock)
{
	mutex_unlock(lock);
}

void helper_mutex_destroy(struct mutex *lock)
{
	mutex_destroy(lock);
}

struct thread {
	struct work_struct work;
	int (*run)(void *data);
	void *data;
	const char *name;
	int ret;
};

static void thread_start(struct work_struct *work)
{
	struct thread *thread = container_of(work, struct thread, work);
	struct task_struct *task;

	task = kthread_run(thread->run, thread->data, "%s-unregister",
			   thread->name);
	thread->ret = PTR_ERR_OR_ZERO(task);
}

/*
 * Starts a thread. A worker does it: a process that was killed, and is still
 * to unbind a device, gets none.
 */
int helper_kthread_run(int (*run)(void *data), void *data, const char *name)
{
	struct thread thread = {
		.run = run,
		.data = data,
		.name = name,
	};

	INIT_WORK_ONSTACK(&thread.work, thread_start);
	queue_work(system_dfl_wq, &thread.work);
	flush_work(&thread.work);
	destroy_work_on_stack(&thread.work);

	return thread.ret;
}

bool helper_try_module_get(struct module *module)
{
	return try_module_get(module);
}

void helper_module_put(struct module *module)
{
	module_put(module);
}

/* Ends the calling thread, and gives up a reference to the module it is in. */
void helper_module_put_and_kthread_exit(struct module *module)
{
#ifdef CONFIG_MODULES
	__module_put_and_kthread_exit(module, 0);
#else
	kthread_exit(0);
#endif
}

/*
 * Whether somebody beside the caller refers to a device. If not, all that the
 * others did before they gave up their references is done.
 */
bool helper_device_is_shared(const struct device *dev)
{
	if (kref_read(&dev->kobj.kref) > 1)
		return true;
	smp_acquire__after_ctrl_dep();

	return false;
}

/* How many requests there are of a media device. */
int helper_media_device_requests(struct media_device *mdev)
{
	return atomic_read(&mdev->num_requests);
}

/*
 * When mem2mem cannot register the last of its entities, it forgets about the
 * one before: it stays in the list, with a name that nobody frees.
 */
void helper_media_device_drop_entities(struct media_device *mdev)
{
	struct media_entity *entity, *next;

	list_for_each_entry_safe(entity, next, &mdev->entities, graph_obj.list) {
		media_device_unregister_entity(entity);
		kfree(entity->name);
		entity->name = NULL;
	}
}

/*
 * mem2mem's work item starts what waits when a job ends, and v4l2_m2m_release()
 * frees it without a look whether it is pending. There is no other way to it: a
 * context that needs no buffers has two jobs, and the work item starts the second.
 */
struct finder {
	/* Of both queues, which are to have one. */
	struct mutex lock;
	struct v4l2_m2m_dev *m2m_dev;
	struct v4l2_m2m_ctx *ctx;
	bool is_second;
	struct work_struct *work;
	struct completion found;
};

static void finder_run(void *priv)
{
	struct finder *finder = priv;
	bool is_second = finder->is_second;

	if (is_second) {
		finder->work = current_work();
		v4l2_m2m_set_src_buffered(finder->ctx, false);
	}
	finder->is_second = true;
	v4l2_m2m_job_finish(finder->m2m_dev, finder->ctx);
	if (is_second)
		complete(&finder->found);
}

static int finder_queue_setup(struct vb2_queue *q, unsigned int *num_buffers,
			      unsigned int *num_planes, unsigned int sizes[],
			      struct device *alloc_devs[])
{
	return -EINVAL;
}

static void finder_buf_queue(struct vb2_buffer *vb)
{
}

static const struct vb2_ops finder_vb2_ops = {
	.queue_setup = finder_queue_setup,
	.buf_queue = finder_buf_queue,
};

static int finder_queue_init(void *priv, struct vb2_queue *src,
			     struct vb2_queue *dst)
{
	struct finder *finder = priv;
	struct vb2_queue *queues[] = { src, dst };
	unsigned int i;
	int ret;

	src->type = V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
	dst->type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		queues[i]->io_modes = VB2_MMAP;
		queues[i]->ops = &finder_vb2_ops;
		queues[i]->mem_ops = &vb2_dma_contig_memops;
		queues[i]->buf_struct_size = sizeof(struct v4l2_m2m_buffer);
		queues[i]->timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_COPY;
		queues[i]->lock = &finder->lock;
		ret = vb2_queue_init(queues[i]);
		if (ret)
			return ret;
	}

	return 0;
}

/*
 * The work item of a mem2mem device that nobody knows yet, whose operations are
 * changed for that time.
 */
struct work_struct *helper_v4l2_m2m_find_work(struct v4l2_m2m_dev *m2m_dev,
					      struct v4l2_m2m_ops *ops)
{
	void (*device_run)(void *priv) = ops->device_run;
	struct finder finder = { .m2m_dev = m2m_dev };
	struct v4l2_m2m_ctx *ctx;

	mutex_init(&finder.lock);
	init_completion(&finder.found);
	ctx = v4l2_m2m_ctx_init(m2m_dev, &finder, finder_queue_init);
	if (IS_ERR(ctx))
		return ERR_CAST(ctx);

	finder.ctx = ctx;
	ops->device_run = finder_run;
	ctx->ignore_cap_streaming = true;
	ctx->out_q_ctx.q.streaming = 1;
	v4l2_m2m_set_src_buffered(ctx, true);
	v4l2_m2m_set_dst_buffered(ctx, true);
	v4l2_m2m_try_schedule(ctx);
	wait_for_completion(&finder.found);
	if (finder.work)
		cancel_work_sync(finder.work);
	ctx->out_q_ctx.q.streaming = 0;
	v4l2_m2m_ctx_release(ctx);
	mutex_destroy(&finder.lock);
	ops->device_run = device_run;

	return finder.work;
}

struct v4l2_fh *helper_file_to_v4l2_fh(struct file *file)
{
	return file_to_v4l2_fh(file);
}

struct video_device *helper_file_to_video_device(struct file *file)
{
	return video_devdata(file);
}

int helper_v4l2_ctrl_handler_init(struct v4l2_ctrl_handler *hdl,
				  unsigned int nr_of_controls_hint)
{
	return v4l2_ctrl_handler_init(hdl, nr_of_controls_hint);
}

/*
 * Makes the controls with a priv active or not. Called with the handler locked:
 * programs that subscribed to their events are told.
 */
void helper_v4l2_ctrl_activate(struct v4l2_ctrl_handler *hdl, bool active)
{
	struct v4l2_ctrl *ctrl;

	list_for_each_entry(ctrl, &hdl->ctrls, node) {
		if (ctrl->priv)
			v4l2_ctrl_activate(ctrl, active);
	}
}

/*
 * Takes a file's controls out of the requests that have some of them, before
 * v4l2_ctrl_handler_free() does: that takes no notice of a request which is
 * released at the same time and gives up the same objects. req_queue_mutex must
 * be held, so that no request is queued or reinitialised, and the file closed,
 * so that nothing is put on the list.
 *
 * What is on the list is in a request that is not freed yet: a request's
 * release takes its objects off the list first, with the lock of the controls
 * held. While a reference to the request is held there is no release, and the
 * object belongs to nobody else. Where there is none to be had, or the object
 * has left its request already, the release is under way. It gets along without
 * what is held here, the lock of the controls aside, and ends what it began: so
 * it is waited for, asleep, as it may be that of a thread of lower priority. It
 * takes the locks of other controls in the same request, as media_request_put()
 * does whoever calls it with req_queue_mutex held.
 */
void helper_v4l2_ctrl_leave_requests(struct v4l2_ctrl_handler *hdl)
{
	struct v4l2_ctrl_handler *entry;
	struct media_request *req;

	for (;;) {
		mutex_lock(hdl->lock);
		entry = list_first_entry_or_null(&hdl->requests,
						 struct v4l2_ctrl_handler,
						 requests);
		req = entry ? READ_ONCE(entry->req_obj.req) : NULL;
		if (req && !kref_get_unless_zero(&req->kref))
			req = NULL;
		mutex_unlock(hdl->lock);

		if (!entry)
			return;
		if (req) {
			media_request_object_unbind(&entry->req_obj);
			media_request_object_put(&entry->req_obj);
			media_request_put(req);
		} else {
			usleep_range(20, 100);
		}
	}
}

/*
 * A request that holds a value of the control keeps that value's old length,
 * but a read of it is checked against the new one. What has another length is
 * marked as not there: reading it fails with ENOMEM. What has the same length
 * is read as it was set, but is no value for the new dimensions: a request that
 * is not queued yet has none of its elements.
 */
int helper_v4l2_ctrl_modify_dimensions(struct v4l2_ctrl *ctrl, u32 *dims)
{
	struct v4l2_ctrl_handler *request;
	struct v4l2_ctrl_ref *ref;
	bool changes;
	int ret;

	v4l2_ctrl_lock(ctrl);
	changes = memcmp(ctrl->dims, dims, sizeof(ctrl->dims));
	ret = __v4l2_ctrl_modify_dimensions(ctrl, dims);
	if (ret)
		goto unlock;
	helper_v4l2_ctrl_activate(ctrl->handler, true);
	list_for_each_entry(request, &ctrl->handler->requests, requests) {
		list_for_each_entry(ref, &request->ctrl_refs, node) {
			if (ref->ctrl != ctrl || !ref->p_req_valid)
				continue;
			ref->p_req_array_enomem =
				ref->p_req_array_alloc_elems != ctrl->elems;
			if (changes && !request->request_is_queued)
				ref->p_req_elems = 0;
		}
	}
unlock:
	v4l2_ctrl_unlock(ctrl);

	return ret;
}

/*
 * A control's value in a request's handler, NULL if the request has none. It is
 * not valid if there was no memory for it.
 */
const struct v4l2_ctrl_ref *
helper_v4l2_ctrl_request_find(struct v4l2_ctrl_handler *request, u32 id)
{
	struct v4l2_ctrl_ref *ref;

	list_for_each_entry(ref, &request->ctrl_refs, node) {
		if (ref->ctrl->id == id)
			return ref->p_req_valid || ref->p_req_array_enomem ?
				       ref : NULL;
	}

	return NULL;
}

void helper_v4l2_ctrl_request_hdl_put(struct v4l2_ctrl_handler *request)
{
	v4l2_ctrl_request_hdl_put(request);
}

/* The first buffer of a request whose objects stay, NULL if it has none. */
struct vb2_buffer *helper_media_request_buffer(struct media_request *request)
{
	struct media_request_object *obj;

	list_for_each_entry(obj, &request->objects, list) {
		if (vb2_request_object_is_buffer(obj))
			return container_of(obj, struct vb2_buffer, req_obj);
	}

	return NULL;
}

/* Whether a request whose objects stay has controls of this handler only. */
bool helper_media_request_is_of(struct media_request *request,
				struct v4l2_ctrl_handler *hdl)
{
	struct media_request_object *obj;

	list_for_each_entry(obj, &request->objects, list) {
		if (!vb2_request_object_is_buffer(obj) && obj->priv != hdl)
			return false;
	}

	return true;
}

struct vb2_v4l2_buffer *helper_v4l2_m2m_next_src_buf(struct v4l2_m2m_ctx *ctx)
{
	return v4l2_m2m_next_src_buf(ctx);
}

struct vb2_v4l2_buffer *helper_v4l2_m2m_next_dst_buf(struct v4l2_m2m_ctx *ctx)
{
	return v4l2_m2m_next_dst_buf(ctx);
}

struct vb2_v4l2_buffer *helper_v4l2_m2m_src_buf_remove(struct v4l2_m2m_ctx *ctx)
{
	return v4l2_m2m_src_buf_remove(ctx);
}

struct vb2_v4l2_buffer *helper_v4l2_m2m_dst_buf_remove(struct v4l2_m2m_ctx *ctx)
{
	return v4l2_m2m_dst_buf_remove(ctx);
}

void helper_v4l2_resolve_colorimetry(struct helper_colorimetry *pix)
{
	if (pix->colorspace == V4L2_COLORSPACE_DEFAULT)
		pix->colorspace = V4L2_COLORSPACE_REC709;
	if (pix->xfer_func == V4L2_XFER_FUNC_DEFAULT)
		pix->xfer_func = V4L2_MAP_XFER_FUNC_DEFAULT(pix->colorspace);
	if (pix->ycbcr_enc == V4L2_YCBCR_ENC_DEFAULT)
		pix->ycbcr_enc = V4L2_MAP_YCBCR_ENC_DEFAULT(pix->colorspace);
	if (pix->quantization == V4L2_QUANTIZATION_DEFAULT)
		pix->quantization =
			V4L2_MAP_QUANTIZATION_DEFAULT(false, pix->colorspace,
						      pix->ycbcr_enc);
}

/* Memory that is not there is the user's to know of, not the log's. */
void helper_vb2_set_nowarn(struct vb2_queue *q)
{
	q->gfp_flags |= __GFP_NOWARN;
}

bool helper_vb2_is_busy(struct vb2_queue *q)
{
	return vb2_is_busy(q);
}

/*
 * Gives up what is queued and not streaming, before vb2_reqbufs() does: that
 * holds the lock which mmap() takes with the process's memory locked. With the
 * buffers a request may go, which takes the lock of its controls, with which
 * held the V4L2 core copies to the process's memory.
 */
void helper_vb2_give_up(struct vb2_queue *q, struct v4l2_requestbuffers *rb)
{
	if (vb2_is_busy(q) && !vb2_is_streaming(q) &&
	    (!q->waiting_in_dqbuf || !rb->count) &&
	    !vb2_verify_memory_type(q, rb->memory, rb->type))
		vb2_streamoff(q, rb->type);
}

/*
 * Any user can ask for the status: it is printed ten times in five seconds at
 * most. The V4L2 core frames it by two lines that have no limit.
 */
bool helper_may_log_status(void)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return ___ratelimit(&limit, "VIDIOC_LOG_STATUS");
}

/* One line of VIDIOC_LOG_STATUS. */
void helper_log_queue(struct file *file, struct vb2_queue *q,
		      const struct v4l2_format *format)
{
	const struct v4l2_pix_format_mplane *pix = &format->fmt.pix_mp;
	u32 fourcc = pix->pixelformat;
	/* It may change meanwhile: it is only shown. */
	unsigned int queued = data_race(q->queued_count);

	v4l2_info(video_devdata(file)->v4l2_dev,
		  "%s: %p4cc %ux%u, %u bytes a line, planes of %u and %u bytes; %u buffers, %u queued, %sstreaming\n",
		  q->is_output ? "OUTPUT" : "CAPTURE", &fourcc, pix->width,
		  pix->height, pix->plane_fmt[0].bytesperline,
		  pix->plane_fmt[0].sizeimage, pix->plane_fmt[1].sizeimage,
		  vb2_get_num_buffers(q), queued,
		  vb2_is_streaming(q) ? "" : "not ");
}

#if IS_BUILTIN(CONFIG_KUNIT)
/* How many buffers are the driver's. */
int helper_vb2_held(struct vb2_queue *q)
{
	return atomic_read(&q->owned_by_drv_count);
}
#endif

/* Where the image in a plane starts, which lies in the plane's memory. */
dma_addr_t helper_vb2_plane_image_addr(struct vb2_buffer *vb,
				       unsigned int plane_no)
{
	return vb2_dma_contig_plane_dma_addr(vb, plane_no) +
	       vb->planes[plane_no].data_offset;
}

/*
 * How much of a plane's memory is there. Of planes in one dma-buf, vb2 checks
 * only the first one's length against it.
 */
static unsigned long plane_room(struct vb2_buffer *vb, unsigned int plane_no)
{
	unsigned int first = 0;

	while (vb->planes[first].mem_priv != vb->planes[plane_no].mem_priv)
		first++;

	return min(vb2_plane_size(vb, first), vb2_plane_size(vb, plane_no));
}

/*
 * Declares the planes filled as far as their format says: an image of that
 * size each, and what lies before it. False if that does not fit. A program
 * that has filled less has another format in mind, say lines without padding.
 * It is told so, once: any user can queue such buffers.
 */
bool helper_vb2_fill(struct vb2_buffer *vb, const u32 *images,
		     unsigned int count)
{
	unsigned int i;

	if (count > vb->num_planes)
		return false;
	for (i = 0; i < count; i++) {
		u64 size = (u64)vb->planes[i].data_offset + images[i];
		unsigned long used = vb2_get_plane_payload(vb, i);

		if (size > plane_room(vb, i))
			return false;
		if (vb->vb2_queue->is_output && used < size)
			dev_warn_once(vb->vb2_queue->dev,
				      "bytesused of an OUTPUT buffer is %lu in plane %u, and its format needs %llu: not all of the frame was written\n",
				      used, i, size);
		vb2_set_plane_payload(vb, i, size);
	}

	return true;
}
