/* The table of mounts: names in it are anybody's. */
#include "tests/fuzz/input.h"

#include "cli/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct mount_table t;
	const struct mount_entry *e, *same;
	size_t i;

	REQUIRE(text);
	REQUIRE(mount_table_parse(text, &t) == 0);
	for (i = 0; i < t.count; i++) {
		e = &t.entries[i];
		REQUIRE(mount_table_id(&t, e->id));
		same = mount_table_at(&t, e->dir);
		REQUIRE(same >= e && !strcmp(same->dir, e->dir));
		same = mount_table_root_of(&t, e);
		REQUIRE(!same || !strcmp(same->root, "/"));
		REQUIRE(path_below(e->dir, e->dir));
		mount_is_deriva(e);
	}
	mount_table_done(&t);
	return 0;
}
