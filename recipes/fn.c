#include "recipes/fn.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

/* --- params -------------------------------------------------------------- */

static const struct canon_value *given(const struct fn_call *call,
				       const char *name)
{
	size_t i;

	for (i = 0; i < call->nparams; i++)
		if (!strcmp(call->params[i].name, name))
			return &call->params[i];
	return NULL;
}

const char *fn_arg(const struct fn_call *call, const char *name)
{
	const struct canon_value *v = given(call, name);
	const struct fn_param *p;

	if (v)
		return v->value;
	for (p = call->fn->params; p->name && strcmp(p->name, name) != 0; p++)
		;
	assert(p->name);
	return p->value;
}

bool fn_given(const struct fn_call *call, const char *name)
{
	return given(call, name);
}

bool fn_is(const struct fn_call *call, const char *name, const char *value)
{
	return !strcmp(fn_arg(call, name), value);
}

bool fn_true(const struct fn_call *call, const char *name)
{
	return fn_is(call, name, "true");
}

long fn_int(const struct fn_call *call, const char *name)
{
	return strtol(fn_arg(call, name), NULL, 10);
}

uint8_t fn_byte(const struct fn_call *call, const char *name)
{
	const char *v = fn_arg(call, name);

	return strcmp(v, "tab") ? (uint8_t)*v : '\t';
}

int fn_one_of(const struct fn_call *call, const char *a, const char *b,
	      struct err *err)
{
	if (fn_given(call, a) != fn_given(call, b))
		return 0;
	return err_set(err, -EINVAL, "`%s` needs `%s` or `%s`%s",
		       call->fn->name, a, b,
		       fn_given(call, a) ? ", not both" : "");
}

/* --- reading ------------------------------------------------------------- */

bool fn_stopped(const struct fn_call *call)
{
	return call->stop && __atomic_load_n(call->stop, __ATOMIC_RELAXED);
}

static int read_error(const struct fn_reader *r, int rc, struct err *err)
{
	return err_set(err, rc, "%s: reading it at %llu: %s", r->input->path,
		       (unsigned long long)r->off, err_name(rc));
}

int fn_open(struct fn_reader *r, struct fn_call *call, size_t i,
	    struct err *err)
{
	const struct fn_input *input = &call->inputs[i];

	if (input->dir)
		return err_set(err, -EINVAL,
			       "%s: is a directory; `%s` takes files",
			       input->path, call->fn->name);
	return fn_open_blob(r, call, input, &input->addr, err);
}

int fn_open_blob(struct fn_reader *r, struct fn_call *call,
		 const struct fn_input *input, const struct addr *a,
		 struct err *err)
{
	struct blob *blob = NULL;
	int rc;

	if (!r->block) {
		r->block = malloc(FN_BLOCK);
		if (!r->block)
			return -ENOMEM;
	}
	rc = blob_open(call->store, a, &blob);
	if (rc < 0)
		return err_set(err, rc, "%s: opening it: %s", input->path,
			       err_name(rc));
	blob_close(r->blob);
	r->blob = blob;
	r->call = call;
	r->input = input;
	r->off = 0;
	return 0;
}

void fn_reader_done(struct fn_reader *r)
{
	blob_close(r->blob);
	free(r->block);
	*r = (struct fn_reader){0};
}

static ssize_t read_block(struct fn_reader *r, size_t want, struct err *err)
{
	const struct fn_call *call = r->call;
	ssize_t n;

	if (fn_stopped(call) ||
	    (call->deadline_ns && clock_mono_ns() >= call->deadline_ns))
		return -ECANCELED;
	n = blob_pread(r->blob, r->block, want, r->off);
	if (n < 0)
		return read_error(r, (int)n, err);
	if (n == 0 && r->off < blob_size(r->blob))
		return read_error(r, -EIO, err);
	return n;
}

ssize_t fn_read(struct fn_reader *r, const uint8_t **ret, struct err *err)
{
	ssize_t n = read_block(r, fn_block(r->call), err);

	if (n < 0)
		return n;
	r->off += (uint64_t)n;
	*ret = r->block;
	return n;
}

int fn_read_at(struct fn_reader *r, uint64_t off, size_t n, const uint8_t **ret,
	       struct err *err)
{
	ssize_t got;

	r->off = off;
	got = read_block(r, n, err);
	if (got < 0)
		return (int)got;
	if ((size_t)got != n)
		return read_error(r, -EIO, err);
	*ret = r->block;
	return 0;
}

int fn_skip_zeros(struct fn_reader *r, uint64_t *ret, struct err *err)
{
	uint64_t data = 0, size = blob_size(r->blob);
	int rc;

	if (r->off >= size) {
		*ret = 0;
		return 0;
	}
	rc = blob_seek(r->blob, r->off, false, &data);
	if (rc == -ENXIO)
		data = size; /* zeros to the end */
	else if (rc < 0)
		return read_error(r, rc, err);
	*ret = data - r->off;
	r->off = data;
	return 0;
}

/* --- lines --------------------------------------------------------------- */

void fn_lines_init(struct fn_lines *l, struct fn_call *call, size_t first,
		   size_t end)
{
	*l = (struct fn_lines){.call = call,
			       .first = first,
			       .end = end,
			       .next = first};
}

void fn_lines_done(struct fn_lines *l)
{
	fn_reader_done(&l->r);
	buf_done(&l->held);
}

int fn_line_error(const struct fn_lines *l, int rc, struct err *err,
		  const char *fmt, ...)
{
	char what[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, rc, "%s:%llu: %s", l->r.input->path,
		       (unsigned long long)l->number, what);
}

/* 1: there are bytes; 0: this input is at its end. */
static int more(struct fn_lines *l, struct err *err)
{
	const uint8_t *p = NULL;
	ssize_t n = l->r.blob ? fn_read(&l->r, &p, err) : 0;

	if (n <= 0)
		return (int)n;
	l->p = p;
	l->stop = p + n;
	return 1;
}

static int hold(struct fn_lines *l, struct err *err)
{
	size_t n = (size_t)(l->stop - l->p);

	if (l->held.len + n > FN_LINE_MAX) {
		l->number++;
		return fn_line_error(l, -E2BIG, err,
				     "a line of more than %u MiB",
				     (unsigned)(FN_LINE_MAX >> 20));
	}
	buf_add(&l->held, l->p, n);
	l->p = l->stop;
	return buf_err(&l->held);
}

static int give(struct fn_lines *l, const uint8_t *nl, struct line *ret)
{
	if (nl && !l->held.len) {
		*ret = (struct line){l->p, (size_t)(nl - l->p)};
	} else {
		if (nl)
			buf_add(&l->held, l->p, (size_t)(nl - l->p));
		if (buf_err(&l->held) < 0)
			return -ENOMEM;
		*ret = (struct line){l->held.data, l->held.len};
	}
	l->newline = nl;
	if (nl)
		l->p = nl + 1;
	l->number++;
	return 1;
}

int fn_next_line(struct fn_lines *l, struct line *ret, struct err *err)
{
	const uint8_t *nl;
	int rc;

	if (fn_stopped(l->call))
		return -ECANCELED;
	buf_reset(&l->held);
	for (;;) {
		nl = l->p < l->stop
			     ? memchr(l->p, '\n', (size_t)(l->stop - l->p))
			     : NULL;
		if (nl)
			return give(l, nl, ret);
		if (l->p < l->stop) {
			rc = hold(l, err);
			if (rc < 0)
				return rc;
		}
		rc = more(l, err);
		if (rc < 0)
			return rc;
		if (rc)
			continue;
		if (l->held.len)
			return give(l, NULL, ret);
		if (l->next == l->end)
			return 0;
		rc = fn_open(&l->r, l->call, l->next++, err);
		if (rc < 0)
			return rc;
		l->number = 0;
	}
}

/* --- writing ------------------------------------------------------------- */

static int write_error(int rc, struct err *err)
{
	return err_set(err, rc, "writing the output: %s", err_name(rc));
}

int fn_write(struct fn_call *call, const void *p, size_t n, struct err *err)
{
	int rc = n ? blob_write(call->out, p, n) : 0;

	return rc < 0 ? write_error(rc, err) : 0;
}

int fn_write_line(struct fn_call *call, const char *text, struct err *err)
{
	int rc = fn_write(call, text, strlen(text), err);

	return rc < 0 ? rc : fn_write(call, "\n", 1, err);
}

int fn_copy(struct fn_reader *r, uint64_t start, uint64_t end, struct err *err)
{
	const uint8_t *p;
	uint64_t zeros;
	ssize_t n;
	int rc;

	for (r->off = start; r->off < end;) {
		start = r->off;
		rc = fn_skip_zeros(r, &zeros, err);
		if (rc < 0)
			return rc;
		zeros = MIN(zeros, end - start);
		rc = blob_write_zeros(r->call->out, zeros);
		if (rc < 0)
			return write_error(rc, err);
		if (r->off >= end)
			return 0;
		start = r->off;
		n = fn_read(r, &p, err);
		if (n <= 0)
			return (int)n;
		rc = fn_write(r->call, p, (size_t)MIN((uint64_t)n, end - start),
			      err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void fn_put(struct fn_out *o, const void *p, size_t n)
{
	if (o->rc < 0 || !n)
		return;
	if (n > sizeof(o->p) - o->n) {
		o->rc = fn_write(o->call, o->p, o->n, o->err);
		o->n = 0;
		if (o->rc < 0)
			return;
		if (n > sizeof(o->p) / 2) {
			o->rc = fn_write(o->call, p, n, o->err);
			return;
		}
	}
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

int fn_out_end(struct fn_out *o)
{
	if (o->rc >= 0)
		o->rc = fn_write(o->call, o->p, o->n, o->err);
	o->n = 0;
	return o->rc;
}
