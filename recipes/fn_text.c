#include "recipes/fn.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* --- concat -------------------------------------------------------------- */

static int concat(struct fn_call *call, struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	size_t i;
	int rc;

	for (i = 0; i < call->ninputs; i++) {
		if (fn_stopped(call))
			return -ECANCELED;
		rc = fn_open(&r, call, i, err);
		if (rc >= 0)
			rc = fn_copy(&r, 0, blob_size(r.blob), err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- lines, count -------------------------------------------------------- */

struct counts {
	uint64_t bytes, words, lines;
};

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void count_words(const uint8_t *p, const uint8_t *end, bool *inside,
			uint64_t *words)
{
	bool in = *inside;
	uint64_t n = 0;

	for (; p < end; p++) {
		bool space = is_space(*p);

		n += !space && !in;
		in = !space;
	}
	*inside = in;
	*words += n;
}

static void count_newlines(const uint8_t *p, const uint8_t *end, uint64_t *n)
{
	for (; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		++*n;
}

static int count_one(struct fn_reader *r, bool words, struct counts *c,
		     struct err *err)
{
	bool inside = false; /* a word */
	bool open = false;   /* bytes stand behind the last newline */
	const uint8_t *p;
	uint64_t zeros;
	ssize_t n;
	int rc;

	for (;;) {
		rc = fn_skip_zeros(r, &zeros, err);
		if (rc < 0)
			return rc;
		open |= zeros > 0;
		c->words += zeros && !inside;
		inside |= zeros > 0;
		n = fn_read(r, &p, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		open = p[n - 1] != '\n';
		count_newlines(p, p + n, &c->lines);
		if (words)
			count_words(p, p + n, &inside, &c->words);
	}
	c->lines += open;
	return 0;
}

static int count_inputs(struct fn_call *call, bool words, struct counts *c,
			struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	size_t i;
	int rc;

	for (i = 0; i < call->ninputs; i++) {
		rc = fn_open(&r, call, i, err);
		if (rc >= 0)
			rc = count_one(&r, words, c, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int write_number(struct fn_call *call, uint64_t n, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	return fn_write_line(call, text, err);
}

static int lines(struct fn_call *call, struct err *err)
{
	struct counts c = {0};
	int rc = count_inputs(call, false, &c, err);

	return rc < 0 ? rc : write_number(call, c.lines, err);
}

/* Bytes are known without reading them. */
static int count_bytes(struct fn_call *call, uint64_t *ret, struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	uint64_t n = 0;
	size_t i;
	int rc;

	for (i = 0; i < call->ninputs; i++) {
		if (fn_stopped(call))
			return -ECANCELED;
		rc = fn_open(&r, call, i, err);
		if (rc < 0)
			return rc;
		n += blob_size(r.blob);
	}
	*ret = n;
	return 0;
}

static int count(struct fn_call *call, struct err *err)
{
	bool words = fn_is(call, "what", "words");
	struct counts c = {0};
	int rc;

	if (fn_is(call, "what", "bytes")) {
		rc = count_bytes(call, &c.bytes, err);
		return rc < 0 ? rc : write_number(call, c.bytes, err);
	}
	rc = count_inputs(call, words, &c, err);
	if (rc < 0)
		return rc;
	return write_number(call, words ? c.words : c.lines, err);
}

static const struct fn_param none[] = {{0}};
static const struct fn_param count_params[] = {
	PARAM_CHOICE("what", "lines", "lines words bytes", "what is counted"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "concat",
		.help = "the inputs one after the other",
		.version = 1,
		.params = none,
		.max_inputs = SIZE_MAX,
		.example = "== part-1.csv\n"
			   "a,1\n"
			   "== part-2.csv\n"
			   "b,2\n"
			   "== all.csv.recipe\n"
			   "in: [\"part-*.csv\"]\n"
			   "fn: concat\n"
			   "== all.csv\n"
			   "a,1\n"
			   "b,2\n",
		.run = concat,
	},
	{
		.name = "count",
		.help = "how many lines, words or bytes the inputs have "
			"together; a decimal number and a newline",
		.version = 1,
		.params = count_params,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== poem.txt\n"
			   "so much depends\n"
			   "upon\n"
			   "== words.recipe\n"
			   "in: [poem.txt]\n"
			   "fn: count\n"
			   "params: {what: words}\n"
			   "== words\n"
			   "4\n",
		.run = count,
	},
	{
		.name = "lines",
		.help = "how many lines the inputs have, a last one without "
			"newline counted; a decimal number and a newline",
		.version = 1,
		.params = none,
		.min_inputs = 1,
		.max_inputs = SIZE_MAX,
		.example = "== access.log\n"
			   "10.0.0.1 /\n"
			   "10.0.0.2 /about\n"
			   "== hits.recipe\n"
			   "in: [access.log]\n"
			   "fn: lines\n"
			   "== hits\n"
			   "2\n",
		.run = lines,
	},
};

const struct fn_family family_text = {"Whole texts", rows, ARRAY_LEN(rows)};
