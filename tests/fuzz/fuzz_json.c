/* JSON: the same events however the bytes are cut; what was accepted is written
 * as JSON that is accepted, and is written the same again; any path is taken.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "recipes/json.h"
#include "recipes/json_out.h"
#include "recipes/json_path.h"

/* Each value on a line: one behind the other they may melt. */
static int on_event(void *ctx, enum json_event event, const char *p, size_t n)
{
	struct json_out *out = ctx;
	int rc = json_out_event(out, event, p, n);

	if (rc < 0 || out->depth)
		return rc;
	switch (event) {
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
	case JSON_TEXT_END:
	case JSON_NUMBER:
	case JSON_WORD:
		buf_str(out->to, "\n");
		return buf_err(out->to);
	default:
		return 0;
	}
}

/* All of it through parser, path and writer. */
static int pass(const uint8_t *data, size_t size, size_t piece,
		const char *select, struct buf *ret)
{
	CLEANUP(json_freep) struct json *j = NULL;
	CLEANUP(json_path_freep) struct json_path *path = NULL;
	CLEANUP(json_out_done) struct json_out out = {.to = ret};
	size_t n;
	int rc;

	rc = json_path_new(select, on_event, &out, &path, NULL);
	if (rc < 0)
		return rc;
	rc = json_new(json_path_event, path, &j);
	for (; size && rc >= 0; data += n, size -= n) {
		n = MIN(piece, size);
		rc = json_feed(j, data, n, NULL);
	}
	return rc < 0 ? rc : json_end(j, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf whole = BUF_INIT, cut = BUF_INIT;
	CLEANUP_BUF struct buf one = BUF_INIT, again = BUF_INIT;
	char select[32] = "";
	int rc = pass(data, size, SIZE_MAX, ".", &whole);

	REQUIRE(rc == 0 || rc == -EILSEQ || rc == -E2BIG);
	REQUIRE(pass(data, size, 1, ".", &cut) == rc);
	REQUIRE(rc < 0 ||
		(whole.len == cut.len &&
		 (!whole.len || !memcmp(whole.data, cut.data, cut.len))));
	if (rc == 0 && pass(data, size, 3, ".[0]", &one) == 0 && one.len) {
		REQUIRE(pass(one.data, one.len, 2, ".", &again) == 0);
		REQUIRE(again.len == one.len &&
			!memcmp(again.data, one.data, one.len));
	}
	memcpy(select, data, MIN(size, sizeof(select) - 1));
	buf_reset(&again);
	rc = pass((const uint8_t *)"[{\"a\":[1]}]", 11, 4, select, &again);
	REQUIRE(rc == 0 || rc == -EINVAL);
	return 0;
}
