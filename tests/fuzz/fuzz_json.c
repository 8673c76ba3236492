/* JSON: the same events however the bytes are cut; what was accepted is written
 * as JSON that is accepted, and is written the same again; any path is taken.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "recipes/json.h"
#include "recipes/json_out.h"
#include "recipes/json_path.h"

/* All of it through parser, path and writer. */
static int pass(const uint8_t *data, size_t size, size_t piece,
		const char *select, struct buf *ret)
{
	CLEANUP(json_freep) struct json *j = NULL;
	CLEANUP(json_path_freep) struct json_path *path = NULL;
	CLEANUP(json_out_done) struct json_out out = {.to = ret};
	size_t n;
	int rc;

	rc = json_path_new(select, json_out_event, &out, &path, NULL);
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
	/* as an array of one value, which ends where it ends */
	if (rc == 0 && pass(data, size, 3, ".[0]", &one) == 0 && one.len) {
		bool single = pass(one.data, one.len, 2, ".", &again) == 0;

		/* values one behind the other may melt, texts do not */
		REQUIRE(single || (one.data[0] != '"' && one.data[0] != '[' &&
				   one.data[0] != '{'));
	}
	memcpy(select, data, MIN(size, sizeof(select) - 1));
	buf_reset(&again);
	rc = pass((const uint8_t *)"[{\"a\":[1]}]", 11, 4, select, &again);
	REQUIRE(rc == 0 || rc == -EINVAL);
	return 0;
}
