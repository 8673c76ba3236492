/* What a mount does for collection, whoever collects: it sleeps until it is
 * asked.
 */
#include "fs/fs.h"

static void *keeper(void *arg)
{
	struct fs *fs = arg;
	int r;

	while (!__atomic_load_n(&fs->keeper_stop, __ATOMIC_ACQUIRE)) {
		r = store_serve(fs->store);
		if (r < 0)
			log_warn("%s: collection asked in vain for a pack to "
				 "be finished: %s",
				 store_path(fs->store), err_name(r));
	}
	return NULL;
}

int keeper_start(struct fs *fs)
{
	int r = -pthread_create(&fs->keeper, NULL, keeper, fs);

	fs->keeping = !r;
	return r;
}

void keeper_stop(struct fs *fs)
{
	if (!fs->keeping)
		return;
	__atomic_store_n(&fs->keeper_stop, true, __ATOMIC_RELEASE);
	store_wake(fs->store);
	pthread_join(fs->keeper, NULL);
	fs->keeping = false;
}
