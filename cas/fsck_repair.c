#include "cas/fsck_internal.h"

#include <errno.h>

int fsck_repair_objects(struct fsck *f)
{
	return -ENOSYS;
}

int fsck_repair(struct fsck *f, struct err *err)
{
	return err_set(err, -ENOSYS, "not yet");
}
