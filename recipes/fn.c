#include "recipes/fn.h"

#include <errno.h>
#include <string.h>

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
	struct blob *blob = NULL;
	int rc;

	if (!r->block) {
		r->block = malloc(FN_BLOCK);
		if (!r->block)
			return -ENOMEM;
	}
	rc = blob_open(call->store, &input->addr, &blob);
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

ssize_t fn_read(struct fn_reader *r, const uint8_t **ret, struct err *err)
{
	ssize_t n;

	if (fn_stopped(r->call))
		return -ECANCELED;
	n = blob_pread(r->blob, r->block, FN_BLOCK, r->off);
	if (n < 0)
		return read_error(r, (int)n, err);
	if (n == 0 && r->off < blob_size(r->blob))
		return read_error(r, -EIO, err);
	r->off += (uint64_t)n;
	*ret = r->block;
	return n;
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

int fn_write(struct fn_call *call, const void *p, size_t n, struct err *err)
{
	int rc = blob_write(call->out, p, n);

	if (rc < 0)
		return err_set(err, rc, "writing the output: %s", err_name(rc));
	return 0;
}

int fn_write_line(struct fn_call *call, const char *text, struct err *err)
{
	int rc = fn_write(call, text, strlen(text), err);

	return rc < 0 ? rc : fn_write(call, "\n", 1, err);
}

bool fn_is_true(const struct fn_call *call, const struct function *f,
		const char *name)
{
	return !strcmp(fn_arg(call, f, name), "true");
}
