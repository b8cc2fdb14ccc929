/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Vivante DW100 dewarp engine of the i.MX 8M Plus.
 *
 * A thin shim: it gives the engine model (libdw100_model.so) a register
 * window, an interrupt line, the virtual clock and access to memory. Besides
 * the engine's registers there is a second page, for tests only, through which
 * the guest sets model keys: bytes written at 0 form a line that '\n' submits;
 * the 32-bit value at 4 is 0 when the last line was understood, and 1 when it
 * was not.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "hw/irq.h"
#include "hw/misc/imx8mp_dw100.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "system/system.h"
#include "trace.h"

/* The engine may access plain memory only: anything else returns an error. */
static const MemTxAttrs imx8mp_dw100_attrs = { .memory = 1 };

static int imx8mp_dw100_dma_read(void *opaque, uint64_t addr, void *buf,
                                 size_t len)
{
    MemTxResult r = address_space_read(&address_space_memory, addr,
                                       imx8mp_dw100_attrs, buf, len);

    trace_imx8mp_dw100_dma_read(addr, len, r);
    return r == MEMTX_OK ? 0 : -1;
}

static int imx8mp_dw100_dma_write(void *opaque, uint64_t addr,
                                  const void *buf, size_t len)
{
    MemTxResult r = address_space_write(&address_space_memory, addr,
                                        imx8mp_dw100_attrs, buf, len);

    trace_imx8mp_dw100_dma_write(addr, len, r);
    return r == MEMTX_OK ? 0 : -1;
}

static int64_t imx8mp_dw100_now(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* Update the interrupt line and the timer from the model's present state */
static void imx8mp_dw100_sync(IMX8MPDW100State *s)
{
    bool level = dw100_model_line(s->model);
    int64_t deadline = dw100_model_deadline(s->model);

    if (deadline == INT64_MAX) {
        timer_del(&s->timer);
    } else {
        timer_mod(&s->timer, deadline);
    }
    trace_imx8mp_dw100_sync(level, deadline);
    qemu_set_irq(s->irq, level);
}

static void imx8mp_dw100_tick(void *opaque)
{
    IMX8MPDW100State *s = opaque;

    dw100_model_tick(s->model, imx8mp_dw100_now());
    imx8mp_dw100_sync(s);
}

static uint64_t imx8mp_dw100_read(void *opaque, hwaddr offset, unsigned size)
{
    IMX8MPDW100State *s = opaque;
    uint32_t value = dw100_model_read(s->model, imx8mp_dw100_now(), offset);

    trace_imx8mp_dw100_read(offset, value);
    imx8mp_dw100_sync(s);
    return value;
}

static void imx8mp_dw100_write(void *opaque, hwaddr offset, uint64_t value,
                               unsigned size)
{
    IMX8MPDW100State *s = opaque;

    trace_imx8mp_dw100_write(offset, value);
    dw100_model_write(s->model, imx8mp_dw100_now(), offset, value);
    imx8mp_dw100_sync(s);
}

static const MemoryRegionOps imx8mp_dw100_ops = {
    .read = imx8mp_dw100_read,
    .write = imx8mp_dw100_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 4,
        .unaligned = false,
    },
};

static uint64_t imx8mp_dw100_mailbox_read(void *opaque, hwaddr offset,
                                          unsigned size)
{
    IMX8MPDW100State *s = opaque;

    return dw100_model_mailbox_read(s->model, offset);
}

static void imx8mp_dw100_mailbox_write(void *opaque, hwaddr offset,
                                       uint64_t value, unsigned size)
{
    IMX8MPDW100State *s = opaque;
    const char *error = dw100_model_mailbox_write(s->model, offset, value);

    if (error) {
        warn_report("%s: %s", TYPE_IMX8MP_DW100, error);
    }
}

static const MemoryRegionOps imx8mp_dw100_mailbox_ops = {
    .read = imx8mp_dw100_mailbox_read,
    .write = imx8mp_dw100_mailbox_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
};

static void imx8mp_dw100_exit(Notifier *n, void *data)
{
    IMX8MPDW100State *s = container_of(n, IMX8MPDW100State, exit);

    dw100_model_close_trace(s->model);
}

static void imx8mp_dw100_realize(DeviceState *dev, Error **errp)
{
    static const DW100ModelDma dma = {
        .read = imx8mp_dw100_dma_read,
        .write = imx8mp_dw100_dma_write,
    };
    IMX8MPDW100State *s = IMX8MP_DW100(dev);
    uint32_t abi = dw100_model_abi_version();
    const char *error;

    if (abi != DW100_MODEL_ABI_VERSION) {
        error_setg(errp, "libdw100_model.so speaks ABI version %u, this QEMU "
                   "version %u: rebuild the older of the two", abi,
                   DW100_MODEL_ABI_VERSION);
        return;
    }

    s->model = dw100_model_new(&dma);
    if (s->keys) {
        error = dw100_model_configure(s->model, s->keys);
        if (error) {
            error_setg(errp, "property 'model': %s", error);
            goto err;
        }
    }
    if (s->trace_file && *s->trace_file) {
        error = dw100_model_trace(s->model, s->trace_file);
        if (error) {
            error_setg(errp, "property 'trace-file': %s", error);
            goto err;
        }
    }

    timer_init_ns(&s->timer, QEMU_CLOCK_VIRTUAL, imx8mp_dw100_tick, s);
    s->exit.notify = imx8mp_dw100_exit;
    qemu_add_exit_notifier(&s->exit);
    return;

err:
    dw100_model_free(s->model);
    s->model = NULL;
}

static void imx8mp_dw100_unrealize(DeviceState *dev)
{
    IMX8MPDW100State *s = IMX8MP_DW100(dev);

    qemu_remove_exit_notifier(&s->exit);
    timer_del(&s->timer);
    dw100_model_free(s->model);
    s->model = NULL;
}

static void imx8mp_dw100_reset_hold(Object *obj, ResetType type)
{
    IMX8MPDW100State *s = IMX8MP_DW100(obj);

    dw100_model_reset(s->model);
    imx8mp_dw100_sync(s);
}

static int imx8mp_dw100_pre_save(void *opaque)
{
    IMX8MPDW100State *s = opaque;
    size_t size;
    const uint8_t *saved = dw100_model_save(s->model, &size);

    g_free(s->saved);
    s->saved = g_memdup2(saved, size);
    s->saved_size = size;
    return 0;
}

static int imx8mp_dw100_post_load(void *opaque, int version_id)
{
    IMX8MPDW100State *s = opaque;
    const char *error = dw100_model_load(s->model, s->saved, s->saved_size);

    if (error) {
        error_report("%s: %s", TYPE_IMX8MP_DW100, error);
        return -EINVAL;
    }
    imx8mp_dw100_sync(s);
    return 0;
}

static const VMStateDescription imx8mp_dw100_vmstate = {
    .name = TYPE_IMX8MP_DW100,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = imx8mp_dw100_pre_save,
    .post_load = imx8mp_dw100_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(saved_size, IMX8MPDW100State),
        VMSTATE_VBUFFER_ALLOC_UINT32(saved, IMX8MPDW100State, 1, NULL,
                                     saved_size),
        VMSTATE_END_OF_LIST()
    },
};

static void imx8mp_dw100_init(Object *obj)
{
    SysBusDevice *sbd = SYS_BUS_DEVICE(obj);
    IMX8MPDW100State *s = IMX8MP_DW100(obj);

    memory_region_init_io(&s->regs, obj, &imx8mp_dw100_ops, s,
                          TYPE_IMX8MP_DW100, IMX8MP_DW100_REGS_SIZE);
    memory_region_init_io(&s->mailbox, obj, &imx8mp_dw100_mailbox_ops, s,
                          TYPE_IMX8MP_DW100 "-mailbox",
                          IMX8MP_DW100_MAILBOX_SIZE);
    sysbus_init_mmio(sbd, &s->regs);
    sysbus_init_mmio(sbd, &s->mailbox);
    sysbus_init_irq(sbd, &s->irq);
}

static void imx8mp_dw100_finalize(Object *obj)
{
    g_free(IMX8MP_DW100(obj)->saved);
}

static const Property imx8mp_dw100_properties[] = {
    DEFINE_PROP_STRING("model", IMX8MPDW100State, keys),
    DEFINE_PROP_STRING("trace-file", IMX8MPDW100State, trace_file),
};

static void imx8mp_dw100_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    dc->desc = "i.MX 8M Plus DW100 dewarp engine";
    dc->realize = imx8mp_dw100_realize;
    dc->unrealize = imx8mp_dw100_unrealize;
    dc->vmsd = &imx8mp_dw100_vmstate;
    rc->phases.hold = imx8mp_dw100_reset_hold;
    device_class_set_props(dc, imx8mp_dw100_properties);
}

static const TypeInfo imx8mp_dw100_types[] = {
    {
        .name = TYPE_IMX8MP_DW100,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(IMX8MPDW100State),
        .instance_init = imx8mp_dw100_init,
        .instance_finalize = imx8mp_dw100_finalize,
        .class_init = imx8mp_dw100_class_init,
    },
};

DEFINE_TYPES(imx8mp_dw100_types)
