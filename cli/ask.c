#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/mountpoint.h"

#define ROOM 65536

static const struct {
	const char *word;
	unsigned fields; /* with the word */
} kinds[] = {
	{"total", 6},	{"moved", 4}, {"failed", 3},
	{"blocked", 2}, {"todo", 3},  {"end", 4},
};

static int write_all(int fd, const void *p, size_t n)
{
	const char *at = p;
	ssize_t done;

	while (n) {
		done = write(fd, at, n);
		if (done < 0)
			return -errno;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

int ask_open(const char *root, const char *options, const struct buf *paths,
	     struct ask *ret)
{
	CLEANUP_BUF struct buf request = BUF_INIT;
	CLEANUP_CLOSE int fd = ctl_open(root, "build", O_RDWR);
	int rc;

	if (fd < 0)
		return fd;
	buf_add(&request, options, strlen(options) + 1);
	buf_add(&request, paths->data, paths->len);
	if (buf_err(&request) < 0)
		return -ENOMEM;
	rc = write_all(fd, request.data, request.len);
	if (rc < 0)
		return rc;
	*ret = (struct ask){.fd = fd};
	fd = -1;
	return 0;
}

static unsigned fields_of(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].word, word))
			return kinds[i].fields;
	return 0;
}

/* 1: all of it is there; 0: more has to be read. */
static int parse(struct ask *a, struct answer *ret)
{
	size_t at = a->at;
	unsigned i, n = 1;
	const char *p, *end;

	for (i = 0; i < n; i++) {
		p = (const char *)a->text.data + at;
		end = at < a->text.len ? memchr(p, '\0', a->text.len - at)
				       : NULL;
		if (!end)
			return 0;
		ret->field[i] = p;
		at += (size_t)(end - p) + 1;
		if (!i)
			n = fields_of(p);
		if (!n)
			return -EPROTO;
	}
	a->at = at;
	return 1;
}

int ask_next(struct ask *a, struct answer *ret)
{
	void *room;
	ssize_t n;
	int rc;

	while (!(rc = parse(a, ret))) {
		if (a->at) {
			memmove(a->text.data, a->text.data + a->at,
				a->text.len - a->at);
			a->text.len -= a->at;
			a->at = 0;
		}
		room = buf_room(&a->text, ROOM);
		if (!room)
			return -ENOMEM;
		do
			n = read(a->fd, room, ROOM);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		if (!n)
			return a->text.len ? -EPROTO : 0;
		a->text.len += (size_t)n;
	}
	return rc;
}

void ask_close(struct ask *a)
{
	close(a->fd);
	buf_done(&a->text);
}
