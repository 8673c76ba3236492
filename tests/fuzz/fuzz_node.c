/* Nodes: what is accepted encodes to exactly the same bytes, and its sizes
 * and places agree. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "cas/node.h"

static void check_entry(const struct node *n, uint32_t i, uint64_t *end)
{
	REQUIRE(n->e[i].size);
	REQUIRE(node_start(n, i) == *end);
	REQUIRE(node_find(n, *end) == i);
	*end += n->e[i].size;
	REQUIRE(n->e[i].end == *end);
	REQUIRE(node_find(n, *end - 1) == i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf again = BUF_INIT;
	CLEANUP_FREE struct node *n = NULL;
	int rc = node_decode(data, size, &n);
	uint64_t end = 0;
	uint32_t i;

	REQUIRE(rc == 0 || rc == -EBADMSG);
	REQUIRE((rc == 0) == (n != NULL));
	if (rc < 0)
		return 0;
	node_begin(&again);
	for (i = 0; i < n->count; i++) {
		check_entry(n, i, &end);
		node_add(&again, &n->e[i].addr, n->e[i].size);
	}
	REQUIRE(end == n->size && end <= BLOB_SIZE_MAX);
	node_end(&again, n->height, n->count);
	REQUIRE(again.len == size && !memcmp(again.data, data, size));
	return 0;
}
