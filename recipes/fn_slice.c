#include "recipes/fn.h"

#include <errno.h>
#include <limits.h>

/* Parts of a file. Where they begin and end is found first, from the front or,
 * for what is counted from the end, from behind; then they are copied. */

/* Where what stands behind the first n lines begins. */
static int behind_lines(struct fn_reader *r, uint64_t n, uint64_t *ret,
			struct err *err)
{
	const uint8_t *p, *nl, *end;
	uint64_t zeros, at = 0;
	ssize_t got = 0;
	int rc;

	for (r->off = 0; n;) {
		rc = fn_skip_zeros(r, &zeros, err);
		if (rc < 0)
			return rc;
		got = fn_read(r, &p, err);
		if (got <= 0)
			break;
		end = p + got;
		for (nl = p; n && nl < end; n--) {
			nl = memchr(nl, '\n', (size_t)(end - nl));
			if (!nl)
				break;
			nl++;
			at = r->off - (uint64_t)(end - nl);
		}
	}
	if (got < 0)
		return (int)got;
	*ret = n ? blob_size(r->blob) : at;
	return 0;
}

/* Where the last n lines begin. The newline at the very end belongs to the
 * last of them. */
static int before_lines(struct fn_reader *r, uint64_t n, uint64_t *ret,
			struct err *err)
{
	uint64_t size = blob_size(r->blob), end = size, at;
	const uint8_t *p, *nl;
	size_t len;
	int rc;

	*ret = size;
	if (!n)
		return 0;
	for (; end; end = at) {
		len = (size_t)MIN(end, (uint64_t)fn_block(r->call));
		at = end - len;
		rc = fn_read_at(r, at, len, &p, err);
		if (rc < 0)
			return rc;
		while (len && (nl = memrchr(p, '\n', len))) {
			len = (size_t)(nl - p);
			*ret = at + len + 1;
			if (*ret < size && !--n)
				return 0;
		}
	}
	*ret = 0;
	return 0;
}

/* A place is a number of lines or bytes, from 1 on, or from -1 down for the
 * last ones. These say where it begins, and where what is behind it does. */
static int place_begins(struct fn_reader *r, bool bytes, long place,
			uint64_t *ret, struct err *err)
{
	uint64_t size = blob_size(r->blob);
	uint64_t n = place > 0 ? (uint64_t)place - 1 : -(uint64_t)place;

	if (!bytes)
		return place > 0 ? behind_lines(r, n, ret, err)
				 : before_lines(r, n, ret, err);
	*ret = place > 0 ? MIN(n, size) : size - MIN(n, size);
	return 0;
}

static int place_ends(struct fn_reader *r, bool bytes, long place,
		      uint64_t *ret, struct err *err)
{
	if (place == -1 || place == LONG_MAX) {
		*ret = blob_size(r->blob);
		return 0;
	}
	return place_begins(r, bytes, place + 1, ret, err);
}

static int cut_out(struct fn_call *call, bool bytes, long from, long to,
		   struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	uint64_t start = 0, end = 0;
	int rc;

	if (fn_stopped(call))
		return -ECANCELED;
	rc = fn_open(&r, call, 0, err);
	if (rc >= 0)
		rc = place_begins(&r, bytes, from, &start, err);
	if (rc >= 0)
		rc = place_ends(&r, bytes, to, &end, err);
	return rc < 0 || start >= end ? rc : fn_copy(&r, start, end, err);
}

static int check_one_unit(const struct fn_call *call, struct err *err)
{
	if (fn_given(call, "lines") && fn_given(call, "bytes"))
		return err_set(err, -EINVAL,
			       "`%s` takes `lines` or `bytes`, not both",
			       call->fn->name);
	return 0;
}

static int head(struct fn_call *call, struct err *err)
{
	bool bytes = fn_given(call, "bytes");
	long n = fn_int(call, bytes ? "bytes" : "lines");

	/* place 0 ends before the first */
	return cut_out(call, bytes, 1, n, err);
}

static int tail(struct fn_call *call, struct err *err)
{
	bool bytes = fn_given(call, "bytes");
	long n = fn_int(call, bytes ? "bytes" : "lines");

	return cut_out(call, bytes, -n, -1, err);
}

static int check_slice(const struct fn_call *call, struct err *err)
{
	long from = fn_int(call, "from"), to = fn_int(call, "to");

	if (!from || !to)
		return err_set(err, -EINVAL,
			       "`%s` of `slice` cannot be 0: the first is 1, "
			       "the last -1",
			       from ? "to" : "from");
	if ((from > 0) == (to > 0) && from > to)
		return err_set(err, -EINVAL,
			       "`slice` from %ld to %ld is nothing: `from` "
			       "comes first",
			       from, to);
	return 0;
}

static int slice(struct fn_call *call, struct err *err)
{
	return cut_out(call, fn_is(call, "unit", "bytes"), fn_int(call, "from"),
		       fn_int(call, "to"), err);
}

static const struct fn_param head_params[] = {
	PARAM_INT("lines", "10", 0, LONG_MAX, "how many lines"),
	PARAM_INT("bytes", "", 0, LONG_MAX, "how many bytes, instead of lines"),
	{0},
};
static const struct fn_param slice_params[] = {
	PARAM_CHOICE("unit", "lines", "lines bytes", "what is counted"),
	PARAM_INT("from", "1", -LONG_MAX, LONG_MAX,
		  "the first one: 1 is the first of the file, -1 its last"),
	PARAM_INT("to", "-1", -LONG_MAX, LONG_MAX, "the last one, included"),
	{0},
};

static const struct function rows[] = {
	{
		.name = "head",
		.help = "the first lines or bytes of the input",
		.version = 1,
		.params = head_params,
		.min_inputs = 1,
		.max_inputs = 1,
		.example = "== colours.txt\n"
			   "red\n"
			   "green\n"
			   "blue\n"
			   "== two.txt.recipe\n"
			   "in: [colours.txt]\n"
			   "fn: head\n"
			   "params: {lines: 2}\n"
			   "== two.txt\n"
			   "red\n"
			   "green\n",
		.check = check_one_unit,
		.run = head,
	},
	{
		.name = "slice",
		.help = "the lines or bytes of the input from one place to "
			"another",
		.version = 1,
		.params = slice_params,
		.min_inputs = 1,
		.max_inputs = 1,
		.example = "== table.csv\n"
			   "colour,hex\n"
			   "red,f00\n"
			   "green,0f0\n"
			   "== rows.csv.recipe\n"
			   "in: [table.csv]\n"
			   "fn: slice\n"
			   "params: {from: 2}\n"
			   "== rows.csv\n"
			   "red,f00\n"
			   "green,0f0\n",
		.check = check_slice,
		.run = slice,
	},
	{
		.name = "tail",
		.help = "the last lines or bytes of the input",
		.version = 1,
		.params = head_params,
		.min_inputs = 1,
		.max_inputs = 1,
		.example = "== server.log\n"
			   "starting\n"
			   "listening\n"
			   "ready\n"
			   "== last.recipe\n"
			   "in: [server.log]\n"
			   "fn: tail\n"
			   "params: {lines: 1}\n"
			   "== last\n"
			   "ready\n",
		.check = check_one_unit,
		.run = tail,
	},
};

const struct fn_family family_slice = {"Parts of a file", rows,
				       ARRAY_LEN(rows)};
