#include "recipes/fn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct fn_param none[] = {{0}};

/* --- concat -------------------------------------------------------------- */

static int concat_one(struct fn_reader *r, struct err *err)
{
	const uint8_t *p;
	uint64_t zeros;
	ssize_t n;
	int rc;

	for (;;) {
		rc = fn_skip_zeros(r, &zeros, err);
		if (rc < 0)
			return rc;
		rc = blob_write_zeros(r->call->out, zeros);
		if (rc < 0)
			return err_set(err, rc, "writing the output: %s",
				       err_name(rc));
		n = fn_read(r, &p, err);
		if (n <= 0)
			return (int)n;
		rc = fn_write(r->call, p, (size_t)n, err);
		if (rc < 0)
			return rc;
	}
}

static int concat(struct fn_call *call, struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	size_t i;
	int rc;

	for (i = 0; i < call->ninputs; i++) {
		rc = fn_open(&r, call, i, err);
		if (rc >= 0)
			rc = concat_one(&r, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

const struct function fn_concat = {
	.name = "concat",
	.help = "the inputs one after the other",
	.version = 1,
	.params = none,
	.min_inputs = 0,
	.max_inputs = SIZE_MAX,
	.example = "in: [\"part-*.csv\"]\nfn: concat\n",
	.run = concat,
};

/* --- lines --------------------------------------------------------------- */

static int count_lines(struct fn_reader *r, uint64_t *count, struct err *err)
{
	uint64_t zeros, newlines = 0;
	const uint8_t *p, *end;
	bool open = false; /* bytes stand behind the last newline */
	ssize_t n;
	int rc;

	for (;;) {
		rc = fn_skip_zeros(r, &zeros, err);
		if (rc < 0)
			return rc;
		open |= zeros > 0;
		n = fn_read(r, &p, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		end = p + n;
		open = end[-1] != '\n';
		for (; p && p < end; newlines += p != NULL, p += p != NULL)
			p = memchr(p, '\n', (size_t)(end - p));
	}
	*count += newlines + open;
	return 0;
}

static int lines(struct fn_call *call, struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	uint64_t count = 0;
	char text[24];
	size_t i;
	int rc;

	for (i = 0; i < call->ninputs; i++) {
		rc = fn_open(&r, call, i, err);
		if (rc >= 0)
			rc = count_lines(&r, &count, err);
		if (rc < 0)
			return rc;
	}
	snprintf(text, sizeof(text), "%" PRIu64, count);
	return fn_write_line(call, text, err);
}

const struct function fn_lines = {
	.name = "lines",
	.help = "how many lines the inputs have, a last one without newline "
		"counted; a decimal number and a newline",
	.version = 1,
	.params = none,
	.min_inputs = 1,
	.max_inputs = SIZE_MAX,
	.example = "in: [access.log]\nfn: lines\n",
	.run = lines,
};
