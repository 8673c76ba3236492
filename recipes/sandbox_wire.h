/* recipes/sandbox_wire.h - the messages between a sandbox and its helper.
 *
 * A stream of frames: u32 length of what follows, u8 kind, u64 run id, body.
 * Both ends are the same program, so nothing here is permanent; frames are
 * still checked, because a torn one must not become a command.
 */
#ifndef RECIPES_SANDBOX_WIRE_H
#define RECIPES_SANDBOX_WIRE_H

#include "core/buf.h"
#include "recipes/sandbox.h"

#define WIRE_MAX MIB(64) /* bytes of one frame */

enum wire_kind { WIRE_START = 1, WIRE_STOP, WIRE_STATUS };

void wire_put_start(struct buf *b, uint64_t id, const struct sandbox_run *run);
void wire_put_stop(struct buf *b, uint64_t id);
void wire_put_status(struct buf *b, uint64_t id,
		     const struct sandbox_status *st);

/* A run that owns all it points to. */
struct wire_run {
	struct sandbox_run run;
	uint8_t *bytes; /* the strings */
	char **vectors; /* argv and envp, one behind the other */
};

void wire_run_done(struct wire_run *r);
/* -EBADMSG, -ENOMEM */
int wire_get_run(struct cur *c, struct wire_run *ret) MUST_USE;
int wire_get_status(struct cur *c, struct sandbox_status *ret) MUST_USE;

/* What came in and is not used up. */
struct wire_in {
	struct buf buf;
	size_t used;
};

void wire_in_done(struct wire_in *in);
/* One read(2): bytes read, 0 at the end, -errno (-EAGAIN as it comes). */
ssize_t wire_fill(struct wire_in *in, int fd) MUST_USE;
/* 1 with a frame, whose body holds until the next call on `in`; 0 when none
 * is complete; -EBADMSG. */
int wire_next(struct wire_in *in, enum wire_kind *ret_kind, uint64_t *ret_id,
	      struct cur *ret_body) MUST_USE;

#endif
