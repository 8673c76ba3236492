/* Canonical recipes: what is accepted encodes to exactly the same bytes. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "recipes/canon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(canon_decoded_freep) struct canon_decoded *d = NULL;
	CLEANUP_BUF struct buf again = BUF_INIT;
	int rc = canon_decode(data, size, &d);

	REQUIRE(rc == 0 || rc == -EBADMSG);
	REQUIRE((rc == 0) == (d != NULL));
	if (rc < 0)
		return 0;
	REQUIRE(canon_encode(canon_get(d), &again) == 0);
	REQUIRE(again.len == size && !memcmp(again.data, data, size));
	return 0;
}
