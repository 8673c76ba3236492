#include "core/pages.h"

#include "core/addr.h"
#include "core/buf.h"

#define PAGE_CONTEXT "deriva page v1"
#define MARK_CONTEXT "deriva mark v1"

#define LOG_MAGIC   0x377f0682u /* the lowest bit: big-endian sums */
#define LOG_VERSION 3007000u

static const uint8_t mark_magic[8] = {'d', 'r', 'v', 'm', 'a', 'r', 'k', 1};

bool page_size_valid(int64_t size)
{
	return size >= PAGE_MIN && size <= PAGE_MAX && !(size & (size - 1));
}

void page_seal(uint8_t *page, size_t size, uint64_t pgno)
{
	struct addr a;

	put_le64(page + size - PAGE_SUM, pgno);
	addr_derive(PAGE_CONTEXT, page, size, &a);
	memcpy(page + size - PAGE_SUM, a.b, PAGE_SUM);
}

bool page_ok(uint8_t *page, size_t size, uint64_t pgno)
{
	uint8_t *at = page + size - PAGE_SUM, sum[PAGE_SUM];
	bool ok;

	memcpy(sum, at, PAGE_SUM);
	page_seal(page, size, pgno);
	ok = !memcmp(sum, at, PAGE_SUM);
	memcpy(at, sum, PAGE_SUM);
	return ok;
}

void log_sum(bool big, const uint8_t *p, size_t n, uint32_t sum[2])
{
	uint32_t a = sum[0], b = sum[1];
	const uint8_t *end = p + n;

	for (; p < end; p += 8) {
		a += (big ? get_be32(p) : get_le32(p)) + b;
		b += (big ? get_be32(p + 4) : get_le32(p + 4)) + a;
	}
	sum[0] = a;
	sum[1] = b;
}

bool log_head_parse(const uint8_t p[LOG_HEAD], struct log_head *ret)
{
	struct log_head h = {.page_size = get_be32(p + 8)};
	uint32_t magic = get_be32(p);

	if ((magic & ~1u) != LOG_MAGIC || get_be32(p + 4) != LOG_VERSION ||
	    !page_size_valid(h.page_size))
		return false;
	h.big = magic & 1;
	memcpy(h.salt, p + 16, sizeof(h.salt));
	log_sum(h.big, p, 24, h.sum);
	if (h.sum[0] != get_be32(p + 24) || h.sum[1] != get_be32(p + 28))
		return false;
	*ret = h;
	return true;
}

static void frame_sum(bool big, const uint8_t *frame, size_t page_size,
		      uint32_t sum[2])
{
	log_sum(big, frame, 8, sum);
	log_sum(big, frame + LOG_FRAME, page_size, sum);
}

void log_frame_seal(bool big, const uint32_t before[2], uint8_t *frame,
		    size_t page_size)
{
	uint32_t sum[2] = {before[0], before[1]};

	frame_sum(big, frame, page_size, sum);
	put_be32(frame + 16, sum[0]);
	put_be32(frame + 20, sum[1]);
}

bool log_frame_ok(const struct log_head *h, const uint8_t *frame,
		  uint32_t sum[2])
{
	if (memcmp(frame + 8, h->salt, sizeof(h->salt)))
		return false;
	frame_sum(h->big, frame, h->page_size, sum);
	return sum[0] == get_be32(frame + 16) && sum[1] == get_be32(frame + 20);
}

static void mark_sum(const uint8_t *p, uint8_t ret[8])
{
	struct addr a;

	addr_derive(MARK_CONTEXT, p, 24, &a);
	memcpy(ret, a.b, 8);
}

void log_mark_encode(const struct log_mark *m, uint8_t ret[MARK_LEN])
{
	memcpy(ret, mark_magic, sizeof(mark_magic));
	memcpy(ret + 8, m->salt, sizeof(m->salt));
	put_le64(ret + 16, m->frames);
	mark_sum(ret, ret + 24);
}

bool log_mark_decode(const uint8_t p[MARK_LEN], struct log_mark *ret)
{
	uint64_t frames = get_le64(p + 16);
	uint8_t sum[8];

	mark_sum(p, sum);
	if (memcmp(p, mark_magic, sizeof(mark_magic)) ||
	    memcmp(p + 24, sum, sizeof(sum)) || frames > UINT32_MAX)
		return false;
	memcpy(ret->salt, p + 8, sizeof(ret->salt));
	ret->frames = (uint32_t)frames;
	return true;
}
