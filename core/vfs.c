#include "core/vfs.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "core/err.h"
#include "core/vfs_internal.h"

/* Where sums are made and checked.
 *
 * The main file: SQLite writes whole pages, at multiples of their size. Each
 * is sealed on its way out and checked on its way in; the number of a page is
 * its place. Smaller reads (newer versions fetch parts of overflow pages) are
 * cut out of a whole page, except those of the file's header before the size
 * of pages is known; SQLite takes nothing from these but that size, and reads
 * the page again. Past the end of the file nothing reads as zeros.
 */

#define VFS_NAME "deriva"

uint8_t *vfs_scratch(struct file *f, size_t n)
{
	uint8_t *p;

	if (n <= f->room)
		return f->scratch;
	p = realloc(f->scratch, n);
	if (!p)
		return NULL;
	f->scratch = p;
	f->room = n;
	return p;
}

int vfs_check_page(const struct file *f, uint8_t *page, int n, uint64_t pgno)
{
	if (page_ok(page, (size_t)n, pgno))
		return SQLITE_OK;
	log_error("%s: page %llu does not match its checksum", f->path,
		  (unsigned long long)pgno);
	return SQLITE_IOERR_DATA;
}

/* --- the main file -------------------------------------------------------- */

static int main_read_page(struct file *f, void *p, int n, int64_t at)
{
	uint64_t pgno = (uint64_t)(at / n) + 1;
	int rc = real_read(f, p, n, at);

	if (rc == SQLITE_IOERR_SHORT_READ) {
		log_error("%s: page %llu lies past the end of the file",
			  f->path, (unsigned long long)pgno);
		return SQLITE_IOERR_DATA;
	}
	return rc == SQLITE_OK ? vfs_check_page(f, p, n, pgno) : rc;
}

/* The header's size of pages is only believed for what is then checked. */
static int main_read_header(struct file *f, uint8_t *p, int n, int64_t at)
{
	int rc = real_read(f, p, n, at);
	uint32_t size;

	if (rc != SQLITE_OK || at || n < 18)
		return rc;
	size = (uint32_t)p[16] << 8 | (uint32_t)p[17] << 16;
	f->page_size = page_size_valid(size) ? size : 0;
	return rc;
}

static int main_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
	struct file *f = file_of(file);
	int64_t within;
	uint8_t *page;
	int rc;

	if (page_size_valid(n) && at % n == 0)
		return main_read_page(f, p, n, at);
	if (at + n <= 100)
		return main_read_header(f, p, n, at);
	if (!f->page_size)
		return SQLITE_IOERR_DATA;
	within = at % f->page_size;
	if (within + n > f->page_size)
		return SQLITE_IOERR_READ;
	page = vfs_scratch(f, f->page_size);
	if (!page)
		return SQLITE_IOERR_NOMEM;
	rc = main_read_page(f, page, (int)f->page_size, at - within);
	if (rc == SQLITE_OK)
		memcpy(p, page + within, (size_t)n);
	return rc;
}

static int main_write(sqlite3_file *file, const void *p, int n,
		      sqlite3_int64 at)
{
	struct file *f = file_of(file);
	uint8_t *page;

	if (f->refused)
		return f->refused;
	if (!page_size_valid(n) || at % n) {
		log_error("%s: %d bytes at %lld are no page", f->path, n,
			  (long long)at);
		return SQLITE_IOERR_WRITE;
	}
	page = vfs_scratch(f, (size_t)n);
	if (!page)
		return SQLITE_IOERR_NOMEM;
	memcpy(page, p, (size_t)n);
	page_seal(page, (size_t)n, (uint64_t)(at / n) + 1);
	f->page_size = (uint32_t)n;
	return real_write(f, page, n, at);
}

static int main_control(sqlite3_file *file, int op, void *arg)
{
	struct file *f = file_of(file);

	if (op == SQLITE_FCNTL_CKPT_START)
		vfs_checkpoint_begins(f);
	else if (op == SQLITE_FCNTL_CKPT_DONE)
		f->refused = SQLITE_OK;
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

/* --- what is the same for both, and handed on ----------------------------- */

int vfs_file_close(sqlite3_file *file)
{
	struct file *f = file_of(file);
	int rc = real(f)->pMethods->xClose(real(f));

	if (f->mark_fd >= 0)
		close(f->mark_fd);
	free(f->scratch);
	free(f->run.p);
	return rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct file *f = file_of(file);

	if (f->refused)
		return f->refused;
	return real_truncate(f, size);
}

static int file_sync(sqlite3_file *file, int flags)
{
	struct file *f = file_of(file);

	return real_sync(f, flags);
}

int vfs_file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
	struct file *f = file_of(file);

	return real(f)->pMethods->xFileSize(real(f), ret);
}

int vfs_file_lock(sqlite3_file *file, int lock)
{
	struct file *f = file_of(file);

	return real(f)->pMethods->xLock(real(f), lock);
}

int vfs_file_unlock(sqlite3_file *file, int lock)
{
	struct file *f = file_of(file);

	return real(f)->pMethods->xUnlock(real(f), lock);
}

int vfs_file_check_lock(sqlite3_file *file, int *ret)
{
	struct file *f = file_of(file);

	return real(f)->pMethods->xCheckReservedLock(real(f), ret);
}

int vfs_file_control(sqlite3_file *file, int op, void *arg)
{
	struct file *f = file_of(file);

	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

int vfs_file_sector(sqlite3_file *file)
{
	struct file *f = file_of(file);

	return real(f)->pMethods->xSectorSize(real(f));
}

int vfs_file_device(sqlite3_file *file)
{
	struct file *f = file_of(file);
	int traits = real(f)->pMethods->xDeviceCharacteristics(real(f));

#ifdef SQLITE_IOCAP_SUBPAGE_READ
	traits &= ~SQLITE_IOCAP_SUBPAGE_READ;
#endif
	return traits;
}

static int file_shm_map(sqlite3_file *file, int region, int size, int extend,
			void volatile **ret)
{
	struct file *f = file_of(file);
	int rc;

	rc = real(f)->pMethods->xShmMap(real(f), region, size, extend, ret);
	if (rc == SQLITE_OK && !region && *ret)
		f->index = *ret;
	return rc;
}

/* The first of the locks is the one to write
 * (https://sqlite.org/walformat.html, 2.3.1). */
static int file_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
	struct file *f = file_of(file);

	if (!at)
		f->turns++;
	return real(f)->pMethods->xShmLock(real(f), at, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
	struct file *f = file_of(file);

	real(f)->pMethods->xShmBarrier(real(f));
}

static int file_shm_unmap(sqlite3_file *file, int delete)
{
	struct file *f = file_of(file);

	f->index = NULL;
	return real(f)->pMethods->xShmUnmap(real(f), delete);
}

/* Version 2: without xFetch, so that nothing is ever mapped unchecked. */
static const sqlite3_io_methods main_methods = {
	.iVersion = 2,
	.xClose = vfs_file_close,
	.xRead = main_read,
	.xWrite = main_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = vfs_file_size,
	.xLock = vfs_file_lock,
	.xUnlock = vfs_file_unlock,
	.xCheckReservedLock = vfs_file_check_lock,
	.xFileControl = main_control,
	.xSectorSize = vfs_file_sector,
	.xDeviceCharacteristics = vfs_file_device,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

int vfs_error(struct sqlite3_file *main)
{
	struct file *f = file_of(main);
	int error;

	if (main->pMethods != &main_methods)
		return 0;
	error = f->error;
	f->error = 0;
	return error;
}

int vfs_unsynced(struct sqlite3_file *main)
{
	if (main->pMethods != &main_methods)
		return 0;
	return __atomic_load_n(&file_of(main)->unsynced, __ATOMIC_ACQUIRE);
}

/* --- opening -------------------------------------------------------------- */

/* The log knows the main file that it belongs to, which has the marks. */
static int prepare(struct file *f, const char *name, int flags)
{
	sqlite3_file *main;

	*f = (struct file){.path = name, .mark_fd = -1};
	if (!(flags & SQLITE_OPEN_WAL))
		return vfs_mark_open(name, flags, &f->mark_fd);
	main = sqlite3_database_file_object(name);
	if (main->pMethods != &main_methods)
		return SQLITE_CANTOPEN;
	f->main = file_of(main);
	return SQLITE_OK;
}

static int open_summed(sqlite3_vfs *system, const char *name, struct file *f,
		       int flags, int *ret_flags)
{
	int rc = prepare(f, name, flags);

	if (rc != SQLITE_OK)
		return rc;
	real(f)->pMethods = NULL;
	rc = system->xOpen(system, name, real(f), flags, ret_flags);
	if (rc == SQLITE_OK) {
		f->base.pMethods = f->main ? &vfs_log_methods : &main_methods;
		return SQLITE_OK;
	}
	if (real(f)->pMethods)
		real(f)->pMethods->xClose(real(f));
	if (f->mark_fd >= 0)
		close(f->mark_fd);
	return rc;
}

/* Journals of rollback, which only serve while a database is made, and
 * temporary files are the system's own. */
static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
		    int flags, int *ret_flags)
{
	sqlite3_vfs *system = vfs->pAppData;

	if (!name || !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
		return system->xOpen(system, name, file, flags, ret_flags);
	return open_summed(system, name, file_of(file), flags, ret_flags);
}

/* All but opening is the system's. */
static int register_new(void)
{
	sqlite3_vfs *system = sqlite3_vfs_find(NULL), *v;

	if (!system)
		return -ENOSYS;
	v = malloc(sizeof(*v)); /* stays for the life of the process */
	if (!v)
		return -ENOMEM;
	*v = *system;
	v->szOsFile = (int)sizeof(struct file) + system->szOsFile;
	v->pNext = NULL;
	v->zName = VFS_NAME;
	v->pAppData = system;
	v->xOpen = vfs_open;
	if (sqlite3_vfs_register(v, 0) != SQLITE_OK) {
		free(v);
		return -ENOMEM;
	}
	return 0;
}

/* SQLite counts its memory under a lock, fifty times for each file that is
 * made; nobody asks. Too late where it is at work already. */
static void count_nothing(void)
{
	if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK)
		log_debug("SQLite counts its memory");
}

int vfs_register(const char **ret_name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sqlite3_mutex *one;
	int rc = 0;

	pthread_once(&once, count_nothing);
	if (sqlite3_initialize() != SQLITE_OK)
		return -ENOMEM;
	one = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_VFS1);
	sqlite3_mutex_enter(one);
	if (!sqlite3_vfs_find(VFS_NAME))
		rc = register_new();
	sqlite3_mutex_leave(one);
	if (rc < 0)
		return rc;
	*ret_name = VFS_NAME;
	return 0;
}
