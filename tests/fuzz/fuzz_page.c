/* Pages of directories: what is accepted encodes to exactly the same bytes. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "cas/dir_page.h"

static int again_leaf(struct dir_page *p, struct buf *again)
{
	struct dir_entry e;
	int rc;

	while ((rc = dir_page_next(p, &e)) > 0) {
		REQUIRE(dir_entry_valid(&e));
		dir_page_add(again, &e);
	}
	return rc;
}

static int again_inner(struct dir_page *p, struct buf *again)
{
	struct dir_child k;
	int rc;

	while ((rc = dir_page_next_child(p, &k)) > 0)
		dir_page_add_child(again, &k);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf again = BUF_INIT;
	struct dir_page p;
	int rc = dir_page_open(data, size, &p);

	REQUIRE(rc == 0 || rc == -EBADMSG);
	if (rc < 0)
		return 0;
	dir_page_begin(&again);
	rc = p.height ? again_inner(&p, &again) : again_leaf(&p, &again);
	REQUIRE(rc == 0 || rc == -EBADMSG);
	if (rc < 0)
		return 0;
	dir_page_end(&again, p.height, p.count);
	REQUIRE(again.len == size && !memcmp(again.data, data, size));
	return 0;
}
