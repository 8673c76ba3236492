#include "cas/zstream.h"

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 27

struct zstream {
	ZSTD_CCtx *c; /* one of both */
	ZSTD_DCtx *d;
};

static int code_of(const struct zstream *z, size_t rc)
{
	switch (ZSTD_getErrorCode(rc)) {
	case ZSTD_error_memory_allocation:
		return -ENOMEM;
	case ZSTD_error_frameParameter_windowTooLarge:
		return -E2BIG;
	case ZSTD_error_srcSize_wrong:
		return z->c ? -EINVAL : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

int zstream_compressor(int level, uint64_t size, struct zstream **ret)
{
	CLEANUP(zstream_freep) struct zstream *z = calloc(1, sizeof(*z));

	if (!z)
		return -ENOMEM;
	z->c = ZSTD_createCCtx();
	if (!z->c)
		return -ENOMEM;
	if (level < ZSTREAM_LEVEL_MIN || level > ZSTREAM_LEVEL_MAX ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z->c, ZSTD_c_compressionLevel,
						level)) ||
	    ZSTD_isError(
		    ZSTD_CCtx_setParameter(z->c, ZSTD_c_checksumFlag, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(z->c, size)))
		return -EINVAL;
	*ret = steal(&z);
	return 0;
}

int zstream_decompressor(struct zstream **ret)
{
	CLEANUP(zstream_freep) struct zstream *z = calloc(1, sizeof(*z));

	if (!z)
		return -ENOMEM;
	z->d = ZSTD_createDCtx();
	if (!z->d ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(z->d, ZSTD_d_windowLogMax,
						WINDOW_LOG_MAX)))
		return -ENOMEM;
	*ret = steal(&z);
	return 0;
}

void zstream_free(struct zstream *z)
{
	if (!z)
		return;
	ZSTD_freeCCtx(z->c);
	ZSTD_freeDCtx(z->d);
	free(z);
}

int zstream_step(struct zstream *z, const uint8_t **p, size_t *n, bool last,
		 void *out, size_t cap, size_t *ret_len)
{
	ZSTD_inBuffer in = {*p, *n, 0};
	ZSTD_outBuffer to = {out, cap, 0};
	size_t rc;

	if (z->c)
		rc = ZSTD_compressStream2(z->c, &to, &in,
					  last ? ZSTD_e_end : ZSTD_e_continue);
	else
		rc = ZSTD_decompressStream(z->d, &to, &in);
	if (ZSTD_isError(rc))
		return code_of(z, rc);
	*p += in.pos;
	*n -= in.pos;
	*ret_len = to.pos;
	return rc == 0 && (!z->c || last);
}
