#include "recipes/sandbox_wire.h"

#define HEADER	  (1 + 8) /* kind and id, behind the length */
#define NO_STRING UINT32_MAX
#define READ_SIZE KIB(64)

/* Where the length goes, to be filled in by end(). */
static size_t begin(struct buf *b, enum wire_kind kind, uint64_t id)
{
	size_t at = b->len;

	buf_u32(b, 0);
	buf_u8(b, (uint8_t)kind);
	buf_u64(b, id);
	return at;
}

static void end(struct buf *b, size_t at)
{
	if (!b->failed)
		put_le32(b->data + at, (uint32_t)(b->len - at - 4));
}

/* With the NUL, so that the receiver points into the frame. */
static void put_string(struct buf *b, const char *s)
{
	size_t n;

	if (!s) {
		buf_u32(b, NO_STRING);
		return;
	}
	n = strlen(s) + 1;
	buf_u32(b, n < NO_STRING ? (uint32_t)n : NO_STRING);
	buf_add(b, s, n);
}

static void put_vector(struct buf *b, char *const *v)
{
	uint32_t n = 0, i;

	while (v && v[n])
		n++;
	buf_u32(b, n);
	for (i = 0; i < n; i++)
		put_string(b, v[i]);
}

void wire_put_start(struct buf *b, uint64_t id, const struct sandbox_run *run)
{
	size_t at = begin(b, WIRE_START, id);

	buf_u32(b, run->depth);
	buf_u64(b, (uint64_t)run->timeout_ns);
	buf_u64(b, run->memory);
	buf_u64(b, run->scratch_max);
	buf_u8(b, run->network);
	buf_u8(b, run->unsafe);
	put_string(b, run->inputs);
	put_string(b, run->root);
	put_string(b, run->scratch);
	put_string(b, run->stdout_path);
	put_string(b, run->stderr_path);
	put_vector(b, run->argv);
	put_vector(b, run->envp);
	end(b, at);
}

void wire_put_stop(struct buf *b, uint64_t id)
{
	end(b, begin(b, WIRE_STOP, id));
}

void wire_put_status(struct buf *b, uint64_t id,
		     const struct sandbox_status *st)
{
	size_t at = begin(b, WIRE_STATUS, id);

	buf_u32(b, (uint32_t)st->error);
	buf_u32(b, (uint32_t)st->exit_code);
	buf_u32(b, (uint32_t)st->exit_signal);
	buf_u64(b, (uint64_t)st->wall_ns);
	buf_u64(b, (uint64_t)st->cpu_ns);
	buf_u64(b, st->memory);
	put_string(b, st->message);
	end(b, at);
}

static char *get_string(struct cur *c)
{
	uint32_t n = cur_u32(c);
	const uint8_t *p;

	if (c->bad || n == NO_STRING)
		return NULL;
	p = cur_bytes(c, n);
	if (!p || !n || memchr(p, '\0', n) != p + n - 1)
		c->bad = true;
	return c->bad ? NULL : (char *)(uintptr_t)p;
}

/* Takes `n` strings and a NULL; every string has at least its length. */
static void get_vector(struct cur *c, char **to, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n && !c->bad; i++) {
		to[i] = get_string(c);
		if (!to[i])
			c->bad = true;
	}
	to[i] = NULL;
}

static int get_vectors(struct cur *c, struct wire_run *r)
{
	size_t left = cur_left(c) / 4;
	struct cur look = *c;
	uint32_t n = cur_u32(&look), m, i;

	for (i = 0; i < n && !look.bad; i++)
		get_string(&look);
	m = cur_u32(&look);
	if (look.bad || n > left || m > left)
		return -EBADMSG;
	r->vectors = calloc((size_t)n + m + 2, sizeof(*r->vectors));
	if (!r->vectors)
		return -ENOMEM;
	cur_u32(c);
	get_vector(c, r->vectors, n);
	cur_u32(c);
	get_vector(c, r->vectors + n + 1, m);
	r->run.argv = r->vectors;
	r->run.envp = r->vectors + n + 1;
	return c->bad ? -EBADMSG : 0;
}

static void get_fields(struct cur *c, struct sandbox_run *run)
{
	run->depth = cur_u32(c);
	run->timeout_ns = (int64_t)cur_u64(c);
	run->memory = cur_u64(c);
	run->scratch_max = cur_u64(c);
	run->network = cur_u8(c);
	run->unsafe = cur_u8(c);
	run->inputs = get_string(c);
	run->root = get_string(c);
	run->scratch = get_string(c);
	run->stdout_path = get_string(c);
	run->stderr_path = get_string(c);
}

void wire_run_done(struct wire_run *r)
{
	free(r->bytes);
	free(r->vectors);
	*r = (struct wire_run){0};
}

int wire_get_run(struct cur *c, struct wire_run *ret)
{
	size_t n = cur_left(c);
	struct wire_run r = {0};
	struct cur mine;
	int rc;

	r.bytes = malloc(n ? n : 1);
	if (!r.bytes)
		return -ENOMEM;
	memcpy(r.bytes, c->p, n);
	mine = cur_of(r.bytes, n);
	get_fields(&mine, &r.run);
	rc = mine.bad ? -EBADMSG : get_vectors(&mine, &r);
	if (!rc && cur_left(&mine))
		rc = -EBADMSG;
	if (rc) {
		wire_run_done(&r);
		return rc;
	}
	*ret = r;
	return 0;
}

int wire_get_status(struct cur *c, struct sandbox_status *ret)
{
	struct sandbox_status st = {0};
	const char *message;

	st.error = (int)cur_u32(c);
	st.exit_code = (int)cur_u32(c);
	st.exit_signal = (int)cur_u32(c);
	st.wall_ns = (int64_t)cur_u64(c);
	st.cpu_ns = (int64_t)cur_u64(c);
	st.memory = cur_u64(c);
	message = get_string(c);
	if (c->bad || !message || strlen(message) >= sizeof(st.message))
		return -EBADMSG;
	memcpy(st.message, message, strlen(message));
	*ret = st;
	return 0;
}

void wire_in_done(struct wire_in *in)
{
	buf_done(&in->buf);
	in->used = 0;
}

ssize_t wire_fill(struct wire_in *in, int fd)
{
	struct buf *b = &in->buf;
	ssize_t n;
	void *to;

	if (in->used) {
		memmove(b->data, b->data + in->used, b->len - in->used);
		b->len -= in->used;
		in->used = 0;
	}
	to = buf_room(b, READ_SIZE);
	if (!to)
		return -ENOMEM;
	do
		n = read(fd, to, READ_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	b->len += (size_t)n;
	return n;
}

int wire_next(struct wire_in *in, enum wire_kind *ret_kind, uint64_t *ret_id,
	      struct cur *ret_body)
{
	size_t left = in->buf.len - in->used;
	struct cur c;
	uint32_t n;

	if (left < 4)
		return 0;
	c = cur_of(in->buf.data + in->used, left);
	n = cur_u32(&c);
	if (n < HEADER || n > WIRE_MAX)
		return -EBADMSG;
	if (n > cur_left(&c))
		return 0;
	in->used += 4 + n;
	c.end = c.p + n;
	*ret_kind = cur_u8(&c);
	*ret_id = cur_u64(&c);
	*ret_body = c;
	return 1;
}
