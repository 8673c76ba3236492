#include "recipes/fn.h"

#include <errno.h>

#include "cas/zstream.h"

/* One step, its output written. */
static int step(struct fn_call *call, struct zstream *z, const uint8_t **p,
		size_t *n, bool last, uint8_t *out, size_t *ret_len,
		struct err *err)
{
	size_t len = 0;
	int rc, written;

	rc = zstream_step(z, p, n, last, out, FN_BLOCK, &len);
	if (rc == -EBADMSG)
		return err_set(err, -EILSEQ, "%s: not zstd, or corrupt",
			       call->inputs[0].path);
	if (rc == -E2BIG)
		return err_set(err, -EILSEQ,
			       "%s: needs a window of more than 128 MiB to "
			       "decompress (it was made with --long or "
			       "--ultra)",
			       call->inputs[0].path);
	if (rc < 0)
		return err_set(err, rc, "zstd: %s", err_name(rc));
	written = fn_write(call, out, len, err);
	if (written < 0)
		return written;
	if (fn_stopped(call))
		return -ECANCELED;
	*ret_len = len;
	return rc;
}

/* --- zstd ---------------------------------------------------------------- */

static int zstd(struct fn_call *call, struct err *err)
{
	CLEANUP(zstream_freep) struct zstream *z = NULL;
	CLEANUP_FREE uint8_t *out = malloc(FN_BLOCK);
	CLEANUP_READER struct fn_reader r = {0};
	const uint8_t *p;
	size_t left, len;
	ssize_t n;
	int rc;

	if (!out)
		return -ENOMEM;
	rc = fn_open(&r, call, 0, err);
	if (rc < 0)
		return rc;
	rc = zstream_compressor(atoi(fn_arg(call, &fn_zstd, "level")),
				blob_size(r.blob), &z);
	if (rc < 0)
		return rc;
	do {
		n = fn_read(&r, &p, err);
		if (n < 0)
			return (int)n;
		left = (size_t)n;
		do {
			rc = step(call, z, &p, &left, n == 0, out, &len, err);
			if (rc < 0)
				return rc;
		} while (n ? left > 0 : rc != 1);
	} while (n > 0);
	return 0;
}

static const struct fn_param zstd_params[] = {
	{"level", "from 1 (fast) to 19 (small)", "3", FN_INT, ZSTREAM_LEVEL_MIN,
	 ZSTREAM_LEVEL_MAX},
	{0},
};

const struct function fn_zstd = {
	.name = "zstd",
	.help = "the input compressed in zstd format, with a checksum",
	.version = 1,
	.params = zstd_params,
	.min_inputs = 1,
	.max_inputs = 1,
	.example = "in: [dump.sql]\nfn: zstd\nparams: {level: 19}\n",
	.run = zstd,
};

/* --- unzstd -------------------------------------------------------------- */

static int unzstd_all(struct fn_call *call, struct zstream *z, uint8_t *out,
		      struct err *err)
{
	CLEANUP_READER struct fn_reader r = {0};
	bool complete = false;
	const uint8_t *p;
	size_t left, len;
	ssize_t n;
	int rc;

	rc = fn_open(&r, call, 0, err);
	if (rc < 0)
		return rc;
	while ((n = fn_read(&r, &p, err)) > 0) {
		left = (size_t)n;
		do {
			rc = step(call, z, &p, &left, false, out, &len, err);
			if (rc < 0)
				return rc;
			complete = rc == 1;
		} while (left || (!complete && len == FN_BLOCK));
	}
	if (n < 0)
		return (int)n;
	if (!complete)
		return err_set(err, -EILSEQ, "%s: %s", r.input->path,
			       r.off ? "ends in the middle of the compressed "
				       "data (truncated)"
				     : "is empty, and so no zstd file");
	return 0;
}

static int unzstd(struct fn_call *call, struct err *err)
{
	CLEANUP(zstream_freep) struct zstream *z = NULL;
	CLEANUP_FREE uint8_t *out = malloc(FN_BLOCK);
	int rc;

	if (!out)
		return -ENOMEM;
	rc = zstream_decompressor(&z);
	if (rc < 0)
		return rc;
	return unzstd_all(call, z, out, err);
}

static const struct fn_param unzstd_params[] = {{0}};

const struct function fn_unzstd = {
	.name = "unzstd",
	.help = "the content of a zstd file; all its frames",
	.version = 1,
	.params = unzstd_params,
	.min_inputs = 1,
	.max_inputs = 1,
	.example = "in: [access.log.zst]\nfn: unzstd\n",
	.run = unzstd,
};
