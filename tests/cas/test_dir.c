#include "cas/dir.h"

#include "cas/dir_page.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

#include <errno.h>

static struct dir_entry file_entry(const char *name)
{
	struct dir_entry e = {.name = name,
			      .name_len = strlen(name),
			      .type = DIR_FILE,
			      .addr = {{1, 2, 3}},
			      .size = 42};

	return e;
}

static struct dir_entry link_entry(const char *name, const char *target)
{
	struct dir_entry e = {.name = name,
			      .name_len = strlen(name),
			      .type = DIR_LINK,
			      .target = target,
			      .target_len = strlen(target)};

	return e;
}

/* n files named by numbers, added in an order that the seed says. */
static struct addr put_numbered(struct store *s, unsigned n, unsigned step)
{
	struct dir_writer *w = dir_writer_new(s);
	struct dir_entry e;
	char name[20];
	struct addr a;
	uint64_t count;
	unsigned i, k = 0;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%06u", k);
		e = file_entry(name);
		e.size = k;
		ck_assert_int_eq(dir_add(w, &e), 0);
		k = (k + step) % n;
	}
	ck_assert_int_eq(dir_finish(w, &a, &count), 0);
	ck_assert_uint_eq(count, n);
	dir_writer_free(w);
	return a;
}

static int see_number(void *ctx, const struct dir_entry *e)
{
	uint64_t *next = ctx;
	char name[20];

	snprintf(name, sizeof(name), "f%06u", (unsigned)*next);
	ck_assert_uint_eq(e->name_len, strlen(name));
	ck_assert_mem_eq(e->name, name, e->name_len);
	ck_assert_uint_eq(e->size, *next);
	++*next;
	return 0;
}

START_TEST(dir_address_does_not_depend_on_the_order_of_adding)
{
	static const unsigned sizes[] = {1, 2, 3, 127, 1000, 20011};
	char *dir;
	struct store *s = new_store(&dir);
	struct addr a, b;
	uint64_t next;
	size_t i;

	for (i = 0; i < ARRAY_LEN(sizes); i++) {
		a = put_numbered(s, sizes[i], 1);
		b = put_numbered(s, sizes[i], 7919);
		ck_assert(addr_eq(&a, &b));
		next = 0;
		ck_assert_int_eq(dir_each(s, &a, see_number, &next), 0);
		ck_assert_uint_eq(next, sizes[i]);
	}
	drop_store(s, dir);
}
END_TEST

START_TEST(dir_find_finds_each_and_no_other)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct buf page = BUF_INIT;
	struct dir_entry e;
	struct addr a = put_numbered(s, 5000, 1);
	char name[20];
	unsigned i;

	for (i = 0; i < 5000; i += 7) {
		snprintf(name, sizeof(name), "f%06u", i);
		ck_assert_int_eq(dir_find(s, &a, name, 7, &page, &e), 0);
		ck_assert_uint_eq(e.size, i);
		ck_assert_mem_eq(e.name, name, 7);
		name[7] = 'x';
		ck_assert_int_eq(dir_find(s, &a, name, 8, &page, &e), -ENOENT);
		ck_assert_int_eq(dir_find(s, &a, name, 6, &page, &e), -ENOENT);
	}
	ck_assert_int_eq(dir_find(s, &a, "a", 1, &page, &e), -ENOENT);
	ck_assert_int_eq(dir_find(s, &a, "z", 1, &page, &e), -ENOENT);
	buf_done(&page);
	drop_store(s, dir);
}
END_TEST

static int never(void *ctx, const struct dir_entry *e)
{
	ck_abort_msg("an empty directory has no entries");
}

START_TEST(dir_empty_has_an_address)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct dir_writer *w = dir_writer_new(s);
	struct buf page = BUF_INIT;
	struct dir_entry e;
	struct addr a;
	uint64_t count;

	ck_assert_int_eq(dir_finish(w, &a, &count), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(dir_each(s, &a, never, NULL), 0);
	ck_assert_int_eq(dir_find(s, &a, "x", 1, &page, &e), -ENOENT);
	dir_writer_free(w);
	buf_done(&page);
	drop_store(s, dir);
}
END_TEST

START_TEST(dir_same_name_twice_is_eexist)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct dir_writer *w = dir_writer_new(s);
	struct dir_entry e = file_entry("a"), f = link_entry("a", "b");
	struct addr a;

	ck_assert_int_eq(dir_add(w, &e), 0);
	ck_assert_int_eq(dir_add(w, &f), 0);
	ck_assert_int_eq(dir_finish(w, &a, NULL), -EEXIST);
	dir_writer_free(w);
	drop_store(s, dir);
}
END_TEST

START_TEST(dir_entries_that_cannot_be_are_einval)
{
	char *dir, longname[257], *target = malloc(5000);
	struct store *s = new_store(&dir);
	struct dir_writer *w = dir_writer_new(s);
	static const char *const names[] = {"", ".", "..", "a/b"};
	struct dir_entry e;
	size_t i;

	memset(longname, 'x', sizeof(longname));
	memset(target, 'x', 5000);
	for (i = 0; i < ARRAY_LEN(names); i++) {
		e = file_entry(names[i]);
		ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	}
	e = file_entry("a");
	e.name = "a\0b";
	e.name_len = 3;
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e.name = longname;
	e.name_len = 256;
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e.name_len = 255;
	ck_assert_int_eq(dir_add(w, &e), 0);
	e = file_entry("a");
	e.type = 0;
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e.type = 9;
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e.type = DIR_FIFO; /* with an address */
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e = file_entry("a");
	memset(&e.addr, 0, sizeof(e.addr));
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e = file_entry("a");
	e.rdev = 1;
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e = link_entry("a", "");
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e.target = target;
	e.target_len = 4096;
	ck_assert_int_eq(dir_add(w, &e), -EINVAL);
	e.target_len = 4095;
	ck_assert_int_eq(dir_add(w, &e), 0);
	free(target);
	dir_writer_free(w);
	drop_store(s, dir);
}
END_TEST

START_TEST(dir_change_of_one_entry_costs_a_path)
{
	char *dir, name[20];
	struct store *s = new_store(&dir);
	struct object_totals before, after;
	struct dir_writer *w = dir_writer_new(s);
	struct dir_entry e;
	struct addr a;
	unsigned i;

	put_numbered(s, 50000, 1);
	ck_assert_int_eq(store_sync(s), 0);
	db_lock(store_db(s));
	ck_assert_int_eq(objects_totals(store_objects(s), &before), 0);
	db_unlock(store_db(s));
	for (i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "f%06u", i);
		e = file_entry(name);
		e.size = i == 25000 ? 1 : i;
		if (i != 30000) /* and one lost */
			ck_assert_int_eq(dir_add(w, &e), 0);
	}
	ck_assert_int_eq(dir_finish(w, &a, NULL), 0);
	dir_writer_free(w);
	ck_assert_int_eq(store_sync(s), 0);
	db_lock(store_db(s));
	ck_assert_int_eq(objects_totals(store_objects(s), &after), 0);
	db_unlock(store_db(s));
	ck_assert_uint_le(after.objects - before.objects, 8);
	drop_store(s, dir);
}
END_TEST

static int ignore(void *ctx, const struct dir_entry *e)
{
	return 0;
}

/* What is read of a page with those bytes. */
static int each_of(struct store *s, const struct buf *b)
{
	struct addr a;

	ck_assert_int_eq(store_put(s, OBJ_DIR, b->data, b->len, &a), 0);
	return dir_each(s, &a, ignore, NULL);
}

START_TEST(dir_page_cut_off_or_with_more_is_ebadmsg)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct dir_entry e[] = {file_entry("a"), link_entry("b", "target")};
	struct buf b = BUF_INIT;
	size_t len;

	dir_page_begin(&b);
	dir_page_add(&b, &e[0]);
	dir_page_add(&b, &e[1]);
	dir_page_end(&b, 0, 2);
	ck_assert_int_eq(each_of(s, &b), 0);
	buf_u8(&b, 0);
	for (len = b.len; len; len--) {
		if (len == b.len - 1)
			continue;
		struct buf part = {.data = b.data, .len = len};
		ck_assert_int_eq(each_of(s, &part), -EBADMSG);
	}
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

START_TEST(dir_page_out_of_order_is_ebadmsg)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct dir_entry e[] = {file_entry("b"), file_entry("a"),
				file_entry("b")};
	struct buf b = BUF_INIT;
	int i;

	for (i = 0; i < 2; i++) {
		dir_page_begin(&b);
		dir_page_add(&b, &e[0]);
		dir_page_add(&b, &e[i + 1]); /* smaller; the same */
		dir_page_end(&b, 0, 2);
		ck_assert_int_eq(each_of(s, &b), -EBADMSG);
	}
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

START_TEST(dir_page_that_should_have_been_cut_is_ebadmsg)
{
	char *dir, name[20];
	struct store *s = new_store(&dir);
	struct dir_entry e[3];
	struct buf b = BUF_INIT;
	unsigned i;

	for (i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		if (dir_cuts(0, 2, name, strlen(name)))
			break;
	}
	ck_assert(!dir_cuts(0, 1, name, strlen(name)));
	e[0] = file_entry("a");
	e[1] = file_entry(name);
	e[2] = file_entry("z");
	dir_page_begin(&b);
	for (i = 0; i < 3; i++)
		dir_page_add(&b, &e[i]);
	dir_page_end(&b, 0, 3);
	ck_assert_int_eq(each_of(s, &b), -EBADMSG);
	buf_done(&b);
	drop_store(s, dir);
}
END_TEST

START_TEST(dir_inner_pages_have_to_fit_what_is_below)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct dir_entry e = file_entry("b"), f = file_entry("d"), found;
	struct dir_child c[2] = {{.name = "b", .name_len = 1, .count = 1},
				 {.name = "d", .name_len = 1, .count = 1}};
	struct buf b = BUF_INIT, page = BUF_INIT;
	struct addr a;
	unsigned i;

	dir_page_begin(&b);
	dir_page_add(&b, &e);
	dir_page_end(&b, 0, 1);
	ck_assert_int_eq(store_put(s, OBJ_DIR, b.data, b.len, &c[0].addr), 0);
	dir_page_begin(&b);
	dir_page_add(&b, &f);
	dir_page_end(&b, 0, 1);
	ck_assert_int_eq(store_put(s, OBJ_DIR, b.data, b.len, &c[1].addr), 0);
	for (i = 0; i < 7; i++) {
		struct dir_child k[2] = {c[0], c[1]};
		uint32_t height = 1, count = 2;

		if (i == 1)
			k[1].count = 2;
		else if (i == 2)
			k[1].name = "e";
		else if (i == 3)
			k[1].addr = c[0].addr; /* its name comes too early */
		else if (i == 4)
			height = 2;
		else if (i == 5)
			count = 1; /* a root with one page */
		else if (i == 6)
			k[0].count = 0;
		dir_page_begin(&b);
		dir_page_add_child(&b, &k[0]);
		if (count == 2)
			dir_page_add_child(&b, &k[1]);
		dir_page_end(&b, height, count);
		ck_assert_int_eq(each_of(s, &b), i ? -EBADMSG : 0);
		ck_assert_int_eq(store_put(s, OBJ_DIR, b.data, b.len, &a), 0);
		if (!i)
			ck_assert_int_eq(dir_find(s, &a, "d", 1, &page, &found),
					 0);
		if (i >= 4)
			ck_assert_int_eq(dir_find(s, &a, "b", 1, &page, &found),
					 -EBADMSG);
	}
	ck_assert_int_eq(store_put(s, OBJ_RECIPE, "x", 1, &a), 0);
	ck_assert_int_eq(dir_each(s, &a, ignore, NULL), -EINVAL);
	buf_done(&b);
	buf_done(&page);
	drop_store(s, dir);
}
END_TEST

static int stop(void *ctx, const struct dir_entry *e)
{
	return ++*(int *)ctx == 3 ? 77 : 0;
}

START_TEST(dir_each_ends_when_told)
{
	char *dir;
	struct store *s = new_store(&dir);
	struct addr a = put_numbered(s, 1000, 1);
	int calls = 0;

	ck_assert_int_eq(dir_each(s, &a, stop, &calls), 77);
	ck_assert_int_eq(calls, 3);
	drop_store(s, dir);
}
END_TEST

TESTS("dir", dir_address_does_not_depend_on_the_order_of_adding,
      dir_find_finds_each_and_no_other, dir_empty_has_an_address,
      dir_same_name_twice_is_eexist, dir_entries_that_cannot_be_are_einval,
      dir_change_of_one_entry_costs_a_path,
      dir_page_cut_off_or_with_more_is_ebadmsg,
      dir_page_out_of_order_is_ebadmsg,
      dir_page_that_should_have_been_cut_is_ebadmsg,
      dir_inner_pages_have_to_fit_what_is_below, dir_each_ends_when_told)
