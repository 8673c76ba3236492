#include "cas/dir_page.h"

#include <errno.h>

/* Bits of the name's hash that decide at one height: 128 entries a page. */
#define CUT_BITS    7
#define CUT_HEIGHTS (64 / CUT_BITS)

bool dir_cuts(uint32_t height, uint32_t count, const char *name, size_t len)
{
	struct addr a;

	if (count >= DIR_PAGE_MAX)
		return true;
	if (count < 2 || height >= CUT_HEIGHTS)
		return false;
	addr_derive("deriva dir name v1", name, len, &a);
	return !(get_le64(a.b) >> (CUT_BITS * height) & ((1 << CUT_BITS) - 1));
}

int dir_name_cmp(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int d = memcmp(a, b, MIN(a_len, b_len));

	return d ? d : (a_len > b_len) - (a_len < b_len);
}

static bool name_valid(const char *name, size_t len)
{
	if (!len || len > DIR_NAME_MAX || memchr(name, '/', len) ||
	    memchr(name, '\0', len))
		return false;
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

bool dir_entry_valid(const struct dir_entry *e)
{
	bool content = e->type == DIR_FILE || e->type == DIR_EXEC ||
		       e->type == DIR_DIR;
	bool device = e->type == DIR_CHR || e->type == DIR_BLK;

	if (e->type < DIR_FILE || e->type > DIR_BLK ||
	    !name_valid(e->name, e->name_len))
		return false;
	if (content ? addr_is_zero(&e->addr)
		    : !addr_is_zero(&e->addr) || e->size)
		return false;
	if (e->size > INT64_MAX || (e->rdev && !device))
		return false;
	if (e->type != DIR_LINK)
		return !e->target_len;
	return e->target_len && e->target_len <= DIR_TARGET_MAX &&
	       !memchr(e->target, '\0', e->target_len);
}

void dir_page_begin(struct buf *b)
{
	static const uint8_t header[DIR_PAGE_HEADER];

	buf_reset(b);
	buf_add(b, header, sizeof(header));
}

void dir_page_add(struct buf *b, const struct dir_entry *e)
{
	buf_u8(b, (uint8_t)e->type);
	buf_u8(b, (uint8_t)e->name_len);
	buf_u16(b, (uint16_t)e->target_len);
	buf_u64(b, e->size);
	buf_u64(b, e->rdev);
	buf_add(b, e->addr.b, ADDR_LEN);
	buf_add(b, e->name, e->name_len);
	buf_add(b, e->target, e->target_len);
}

void dir_page_add_child(struct buf *b, const struct dir_child *c)
{
	buf_u8(b, (uint8_t)c->name_len);
	buf_add(b, c->addr.b, ADDR_LEN);
	buf_u64(b, c->count);
	buf_add(b, c->name, c->name_len);
}

void dir_page_end(struct buf *b, uint32_t height, uint32_t count)
{
	if (b->failed)
		return;
	put_le32(b->data, height);
	put_le32(b->data + 4, count);
}

int dir_page_open(const void *p, size_t n, struct dir_page *ret)
{
	struct dir_page page = {.cur = cur_of(p, n)};

	page.height = cur_u32(&page.cur);
	page.count = cur_u32(&page.cur);
	/* only an empty directory has no entries */
	if (page.cur.bad || page.height > DIR_HEIGHT_MAX ||
	    page.count > DIR_PAGE_MAX || (page.height && !page.count))
		return -EBADMSG;
	*ret = page;
	return 0;
}

/* Each name after the one before, and no cut was due before the last. */
static int next_name(struct dir_page *p, const char *name, size_t len)
{
	if (p->last && dir_name_cmp(p->last, p->last_len, name, len) >= 0)
		return -EBADMSG;
	p->last = name;
	p->last_len = len;
	p->next++;
	if (p->next < p->count && dir_cuts(p->height, p->next, name, len))
		return -EBADMSG;
	return 1;
}

/* At the end nothing follows. */
static int end(const struct dir_page *p)
{
	return cur_left(&p->cur) ? -EBADMSG : 0;
}

static void take_addr(struct cur *c, struct addr *ret)
{
	const void *p = cur_bytes(c, ADDR_LEN);

	if (p)
		memcpy(ret->b, p, ADDR_LEN);
}

int dir_page_next(struct dir_page *p, struct dir_entry *ret)
{
	struct dir_entry e = {.name = NULL};
	struct cur *c = &p->cur;

	if (p->next == p->count)
		return end(p);
	e.type = (enum dir_type)cur_u8(c);
	e.name_len = cur_u8(c);
	e.target_len = cur_u16(c);
	e.size = cur_u64(c);
	e.rdev = cur_u64(c);
	take_addr(c, &e.addr);
	e.name = cur_bytes(c, e.name_len);
	e.target = cur_bytes(c, e.target_len);
	if (p->height || c->bad || !dir_entry_valid(&e))
		return -EBADMSG;
	*ret = e;
	return next_name(p, e.name, e.name_len);
}

int dir_page_next_child(struct dir_page *p, struct dir_child *ret)
{
	struct dir_child k = {.name = NULL};
	struct cur *c = &p->cur;

	if (p->next == p->count)
		return end(p);
	k.name_len = cur_u8(c);
	take_addr(c, &k.addr);
	k.count = cur_u64(c);
	k.name = cur_bytes(c, k.name_len);
	if (!p->height || c->bad || !k.count || !name_valid(k.name, k.name_len))
		return -EBADMSG;
	*ret = k;
	return next_name(p, k.name, k.name_len);
}
