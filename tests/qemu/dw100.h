/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Vivante DW100 dewarp engine of the i.MX 8M Plus.
 *
 * The device's QOM type, and the C side of the engine model's ABI. The engine
 * itself is the library libdw100_model.so (crate dw100-model, src/ffi.rs).
 */

#ifndef IMX8MP_DW100_H
#define IMX8MP_DW100_H

#include "hw/sysbus.h"
#include "qemu/notify.h"
#include "qemu/timer.h"
#include "qom/object.h"

#define TYPE_IMX8MP_DW100 "imx8mp-dw100"
OBJECT_DECLARE_SIMPLE_TYPE(IMX8MPDW100State, IMX8MP_DW100)

#define IMX8MP_DW100_REGS_SIZE      0x10000
#define IMX8MP_DW100_MAILBOX_SIZE   0x1000

/* Raise it together with ABI_VERSION in the crate's src/ffi.rs */
#define DW100_MODEL_ABI_VERSION     1

typedef struct DW100Model DW100Model;

/* How the model accesses memory; both return 0, or -1 for an AXI error. */
typedef struct DW100ModelDma {
    void *opaque;
    int (*read)(void *opaque, uint64_t addr, void *buf, size_t len);
    int (*write)(void *opaque, uint64_t addr, const void *buf, size_t len);
} DW100ModelDma;

/*
 * Times are in nanoseconds of the virtual clock. After any call that may
 * change them, the caller updates line and timer from _line() and
 * _deadline(); a deadline that has passed asks for a tick at once.
 * Messages stay valid until the next call on the same model.
 */
uint32_t dw100_model_abi_version(void);
DW100Model *dw100_model_new(const DW100ModelDma *dma);
void dw100_model_free(DW100Model *m);
/*
 * Applies model keys, "drop-irq=3;stall=every:5". Returns NULL, or a message
 * that says what was wrong.
 */
const char *dw100_model_configure(DW100Model *m, const char *keys);
/* Opens the trace. Returns NULL, or a message that says what was wrong. */
const char *dw100_model_trace(DW100Model *m, const char *path);
void dw100_model_close_trace(DW100Model *m);
void dw100_model_reset(DW100Model *m);
uint32_t dw100_model_read(DW100Model *m, int64_t now_ns, uint64_t offset);
void dw100_model_write(DW100Model *m, int64_t now_ns, uint64_t offset,
                       uint32_t value);
void dw100_model_tick(DW100Model *m, int64_t now_ns);
bool dw100_model_line(DW100Model *m);
/* Returns INT64_MAX when the model waits for nothing */
int64_t dw100_model_deadline(DW100Model *m);
uint32_t dw100_model_mailbox_read(DW100Model *m, uint64_t offset);
/* Returns NULL, or a message on the line that this byte ended. */
const char *dw100_model_mailbox_write(DW100Model *m, uint64_t offset,
                                      uint8_t byte);
/* Returns the engine's state, valid until the next call on the same model. */
const uint8_t *dw100_model_save(DW100Model *m, size_t *len);
/* Returns NULL, or a message that says why the state was refused. */
const char *dw100_model_load(DW100Model *m, const uint8_t *state, size_t len);

struct IMX8MPDW100State {
    SysBusDevice parent_obj;

    MemoryRegion regs;
    MemoryRegion mailbox;
    qemu_irq irq;
    QEMUTimer timer;
    Notifier exit;

    DW100Model *model;
    char *keys;
    char *trace_file;

    /* The model's state while a snapshot is saved or loaded */
    uint8_t *saved;
    uint32_t saved_size;
};

#endif /* IMX8MP_DW100_H */
