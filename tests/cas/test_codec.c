#include "cas/codec.h"

#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>

static enum codec_id encode(struct codec *c, const void *p, size_t n,
			    struct buf *ret)
{
	const void *stored;
	enum codec_id id;
	size_t len;

	ck_assert_int_eq(codec_encode(c, p, n, &id, &stored, &len), 0);
	ck_assert_uint_le(len, n);
	buf_reset(ret);
	buf_add(ret, stored, len);
	return id;
}

START_TEST(codec_text_comes_back_from_less)
{
	static const size_t sizes[] = {300,	1000,	  KIB(4),
				       KIB(16), KIB(256), MIB(16)};
	struct codec_pool *pool = codec_pool_new();
	struct codec *c = codec_take(pool);
	struct buf b = BUF_INIT;
	uint8_t *text, *again;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		text = text_bytes(sizes[i], i);
		again = malloc(sizes[i]);
		ck_assert_int_eq(encode(c, text, sizes[i], &b), CODEC_ZSTD);
		ck_assert_uint_lt(b.len, sizes[i]);
		ck_assert_int_eq(codec_decode(c, b.data, b.len, again,
					      sizes[i]),
				 0);
		ck_assert_mem_eq(text, again, sizes[i]);
		free(text);
		free(again);
	}
	buf_done(&b);
	codec_give(pool, c);
	codec_pool_free(pool);
}
END_TEST

START_TEST(codec_what_does_not_shrink_stays_raw)
{
	static const size_t sizes[] = {0, 1, 63, 64, KIB(4), KIB(16), KIB(256)};
	struct codec_pool *pool = codec_pool_new();
	struct codec *c = codec_take(pool);
	struct buf b = BUF_INIT;
	uint8_t *p;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		p = random_bytes(sizes[i], i);
		ck_assert_int_eq(encode(c, p, sizes[i], &b), CODEC_RAW);
		ck_assert_uint_eq(b.len, sizes[i]);
		free(p);
	}
	buf_done(&b);
	codec_give(pool, c);
	codec_pool_free(pool);
}
END_TEST

START_TEST(codec_never_writes_beyond_the_length_stated)
{
	struct codec_pool *pool = codec_pool_new();
	struct codec *c = codec_take(pool);
	size_t n = KIB(64), lie;
	uint8_t *text = text_bytes(n, 1), *to;
	struct buf b = BUF_INIT;

	ck_assert_int_eq(encode(c, text, n, &b), CODEC_ZSTD);
	for (lie = 0; lie < 2 * n; lie += 4095) {
		to = malloc(lie + 1); /* ASan sees one byte too many */
		to[lie] = 0xaa;
		ck_assert_int_eq(codec_decode(c, b.data, b.len, to, lie),
				 -EBADMSG);
		ck_assert_uint_eq(to[lie], 0xaa);
		free(to);
	}
	free(text);
	buf_done(&b);
	codec_give(pool, c);
	codec_pool_free(pool);
}
END_TEST

START_TEST(codec_damaged_frames_end_without_harm)
{
	struct codec_pool *pool = codec_pool_new();
	struct codec *c = codec_take(pool);
	size_t n = KIB(16), i;
	uint8_t *text = text_bytes(n, 1), *to = malloc(n);
	struct buf b = BUF_INIT;
	int rc;

	ck_assert_int_eq(encode(c, text, n, &b), CODEC_ZSTD);
	for (i = 0; i < b.len; i++) {
		b.data[i] ^= 0xff;
		rc = codec_decode(c, b.data, b.len, to, n);
		ck_assert(rc == 0 || rc == -EBADMSG);
		b.data[i] ^= 0xff;
		ck_assert_int_eq(codec_decode(c, b.data, i, to, n), -EBADMSG);
	}
	free(text);
	free(to);
	buf_done(&b);
	codec_give(pool, c);
	codec_pool_free(pool);
}
END_TEST

TESTS("codec", codec_text_comes_back_from_less,
      codec_what_does_not_shrink_stays_raw,
      codec_never_writes_beyond_the_length_stated,
      codec_damaged_frames_end_without_harm)
