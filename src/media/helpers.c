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
 * Starts a thread. A worker creates it, because kthread_run() fails in a
 * process that was killed, and such a process may still have to unbind a
 * device.
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

/*
 * Ends the calling thread, and drops a reference to the module that it is in.
 */
void helper_module_put_and_kthread_exit(struct module *module)
{
#ifdef CONFIG_MODULES
	__module_put_and_kthread_exit(module, 0);
#else
	kthread_exit(0);
#endif
}

/*
 * Returns whether there is another reference to a device than the caller's. If
 * not, all that the other holders did before they dropped their references is
 * done.
 */
bool helper_device_is_shared(const struct device *dev)
{
	if (kref_read(&dev->kobj.kref) > 1)
		return true;
	smp_acquire__after_ctrl_dep();

	return false;
}

/* Returns the number of requests of a media device. */
int helper_media_device_requests(struct media_device *mdev)
{
	return atomic_read(&mdev->num_requests);
}

/*
 * Unregisters the entities of a media device. If mem2mem cannot register the
 * last of its entities, it does not unregister the one before: that stays in
 * the list, and its name is not freed.
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
 * Finds mem2mem's work item, which starts a waiting job when another job ends.
 * v4l2_m2m_release() frees it without testing whether it is pending, and
 * mem2mem has no function that returns it. So a context that needs no buffers
 * runs two jobs: the work item starts the second, where current_work() returns
 * it.
 */
struct finder {
	/* The lock of both queues, which must have one. */
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

/* The queues never have a buffer. */
static const struct vb2_mem_ops finder_mem_ops = { };

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
		queues[i]->mem_ops = &finder_mem_ops;
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
 * Returns the work item of a mem2mem device that is not known to other code
 * yet. The operations of the device are changed during the call.
 */
struct work_struct *helper_v4l2_m2m_find_work(struct v4l2_m2m_dev *m2m_dev,
					      struct v4l2_m2m_ops *ops)
{
	struct v4l2_m2m_ops own = *ops;
	struct finder finder = { .m2m_dev = m2m_dev };
	struct v4l2_m2m_ctx *ctx;

	mutex_init(&finder.lock);
	init_completion(&finder.found);
	ctx = v4l2_m2m_ctx_init(m2m_dev, &finder, finder_queue_init);
	if (IS_ERR(ctx))
		return ERR_CAST(ctx);

	finder.ctx = ctx;
	ops->device_run = finder_run;
	ops->job_ready = NULL;
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
	*ops = own;

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
 * Makes the controls with a priv active or inactive. The handler must be
 * locked. Programs that subscribed to events of the controls get an event.
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
 * Removes a file's controls from the requests that contain some of them, before
 * v4l2_ctrl_handler_free() does. That function does not expect that a request
 * is released at the same time and drops the same objects. The caller must hold
 * req_queue_mutex, so that no request is queued or reinitialised, and the file
 * must be closed, so that nothing is added to the list.
 *
 * An object on the list is in a request that is not freed yet: the release of a
 * request takes its objects off the list first, with the lock of the controls
 * held. While a reference to the request is held, there is no release, and no
 * other code drops the object. If no reference can be taken, or if the object
 * has left its request already, a release is in progress. Of the locks that are
 * held here it needs only that of the controls, so it comes to its end. This
 * function sleeps until then, because the thread of the release may have a
 * lower priority. media_request_put() takes the locks of other controls in the
 * same request, as it does for every caller that holds req_queue_mutex.
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
 * Changes the dimensions of an array control, and marks its values in requests.
 *
 * A request that contains a value of the control keeps the value's old length,
 * but V4L2 checks a read of the value against the new length. A value of
 * another length is marked as missing: reading it fails with ENOMEM. A value of
 * the same length is read as it was set, but is no value for the new
 * dimensions: in a request that is not queued yet it has no elements.
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
 * Returns a control's value in a request's handler, NULL if the request has
 * none. The value is not valid if there was no memory for it.
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

/*
 * Returns the first buffer of a request, NULL if it has none. The objects of
 * the request must not change.
 */
struct vb2_buffer *helper_media_request_buffer(struct media_request *request)
{
	struct media_request_object *obj;

	list_for_each_entry(obj, &request->objects, list) {
		if (vb2_request_object_is_buffer(obj))
			return container_of(obj, struct vb2_buffer, req_obj);
	}

	return NULL;
}

/*
 * Returns whether a request has controls of this handler only. The objects of
 * the request must not change.
 */
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

/* Keeps failed allocations out of the kernel log: the ioctl reports them. */
void helper_vb2_set_nowarn(struct vb2_queue *q)
{
	q->gfp_flags |= __GFP_NOWARN;
}

bool helper_vb2_is_busy(struct vb2_queue *q)
{
	return vb2_is_busy(q);
}

/*
 * Cancels the buffers that are queued in a queue that does not stream, before
 * vb2_reqbufs() does. That function cancels them with mmap_lock held, which
 * mmap() takes with the lock of the process's memory held. With the buffers a
 * request may be released, which takes the lock of its controls; and with that
 * lock held the V4L2 core copies to the process's memory.
 */
void helper_vb2_give_up(struct vb2_queue *q, struct v4l2_requestbuffers *rb)
{
	if (vb2_is_busy(q) && !vb2_is_streaming(q) &&
	    (!q->waiting_in_dqbuf || !rb->count) &&
	    !vb2_verify_memory_type(q, rb->memory, rb->type))
		vb2_streamoff(q, rb->type);
}

/*
 * Returns whether VIDIOC_LOG_STATUS may print. Any user can call it, so it
 * prints at most ten times in five seconds. The V4L2 core prints a line before
 * and a line after it, which have no limit.
 */
bool helper_may_log_status(void)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return ___ratelimit(&limit, "VIDIOC_LOG_STATUS");
}

/* Prints one line of VIDIOC_LOG_STATUS, about a queue. */
void helper_log_queue(struct file *file, struct vb2_queue *q,
		      const struct v4l2_format *format)
{
	const struct v4l2_pix_format_mplane *pix = &format->fmt.pix_mp;
	u32 fourcc = pix->pixelformat;
	/* The count may change meanwhile. It is only printed. */
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
/* Returns the number of buffers that the driver holds. */
int helper_vb2_held(struct vb2_queue *q)
{
	return atomic_read(&q->owned_by_drv_count);
}
#endif

/* Returns whether both queues of a context have at least `count` buffers. */
bool helper_v4l2_m2m_has_frames(struct v4l2_m2m_ctx *ctx, unsigned int count)
{
	return v4l2_m2m_num_src_bufs_ready(ctx) >= count &&
	       v4l2_m2m_num_dst_bufs_ready(ctx) >= count;
}

/*
 * Stores the bus address of the image in a plane. The image lies in the plane's
 * memory. Returns false if there is no such plane, or if its memory is not
 * dma-contig's: of the kinds of memory that drivers can choose here, only that
 * one has a cookie.
 */
bool helper_vb2_plane_image_addr(struct vb2_buffer *vb, unsigned int plane_no,
				 dma_addr_t *addr)
{
	const dma_addr_t *start = vb2_plane_cookie(vb, plane_no);

	if (!start)
		return false;
	*addr = *start + vb->planes[plane_no].data_offset;

	return true;
}

/*
 * Returns how many bytes of memory a plane has. If several planes are in one
 * dma-buf, vb2 checks only the length of the first one against its size.
 */
static unsigned long plane_room(struct vb2_buffer *vb, unsigned int plane_no)
{
	unsigned int first = 0;

	while (vb->planes[first].mem_priv != vb->planes[plane_no].mem_priv)
		first++;

	return min(vb2_plane_size(vb, first), vb2_plane_size(vb, plane_no));
}

/*
 * Returns where bytes of the image in a plane are, NULL if the plane does not
 * have them or if the CPU cannot access them.
 */
static void *plane_bytes(struct vb2_buffer *vb, unsigned int plane_no,
			 size_t offset, size_t len)
{
	size_t start, room;
	char *memory;

	if (plane_no >= vb->num_planes)
		return NULL;
	room = plane_room(vb, plane_no);
	if (check_add_overflow(offset, vb->planes[plane_no].data_offset,
			       &start) ||
	    start > room || len > room - start)
		return NULL;
	memory = vb2_plane_vaddr(vb, plane_no);

	return memory ? memory + start : NULL;
}

bool helper_vb2_read(struct vb2_buffer *vb, unsigned int plane_no,
		     size_t offset, void *to, size_t len)
{
	const void *from = plane_bytes(vb, plane_no, offset, len);

	if (!from)
		return false;
	memcpy(to, from, len);

	return true;
}

bool helper_vb2_write(struct vb2_buffer *vb, unsigned int plane_no,
		      size_t offset, const void *from, size_t len)
{
	void *to = plane_bytes(vb, plane_no, offset, len);

	if (!to)
		return false;
	memcpy(to, from, len);

	return true;
}

/*
 * Declares the planes filled as far as their format says: with the bytes before
 * the data offset, and an image of the given size. Returns false if that does
 * not fit.
 *
 * A program that has filled less has another format in mind, for example lines
 * without padding. It is warned once, because any user can queue such buffers.
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
