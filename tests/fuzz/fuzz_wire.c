/* What a sandbox's helper reads: frames come in pieces of any length; a run
 * that is taken for one goes out as it came in. */
#include "tests/fuzz/input.h"

#include <errno.h>
#include <sys/socket.h>

#include "recipes/sandbox_wire.h"

static void check_run(struct cur body, uint64_t id)
{
	CLEANUP_BUF struct buf again = BUF_INIT;
	const uint8_t *at = body.p;
	size_t len = cur_left(&body);
	struct wire_run r;
	int rc = wire_get_run(&body, &r);
	uint64_t flags;

	REQUIRE(rc == 0 || rc == -EBADMSG);
	if (rc < 0)
		return;
	wire_put_start(&again, id, &r.run);
	REQUIRE(again.len == 13 + len);
	flags = 4 + 3 * 8; /* two bools, any byte but 0 is true */
	REQUIRE(!memcmp(again.data + 13, at, flags));
	REQUIRE(!memcmp(again.data + 13 + flags + 2, at + flags + 2,
			len - flags - 2));
	wire_run_done(&r);
}

static void check_status(struct cur body, uint64_t id)
{
	CLEANUP_BUF struct buf again = BUF_INIT;
	struct sandbox_status st;
	const uint8_t *at = body.p;
	int rc = wire_get_status(&body, &st);

	REQUIRE(rc == 0 || rc == -EBADMSG);
	if (rc < 0)
		return;
	wire_put_status(&again, id, &st);
	REQUIRE(!memcmp(again.data + 13, at, 36));
}

static void read_frames(struct wire_in *in)
{
	enum wire_kind kind;
	struct cur body;
	uint64_t id;
	int rc;

	while ((rc = wire_next(in, &kind, &id, &body)) > 0) {
		check_run(body, id);
		check_status(body, id);
	}
	REQUIRE(rc == 0 || rc == -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(data, size);
	struct wire_in in = {0};
	int fds[2];
	const void *p;
	size_t n;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	while (cur_left(&c)) {
		p = take_some(&c, &n);
		if (!n)
			continue;
		REQUIRE(write(fds[0], p, n) == (ssize_t)n);
		REQUIRE(wire_fill(&in, fds[1]) > 0);
		read_frames(&in);
	}
	close(fds[0]);
	close(fds[1]);
	wire_in_done(&in);
	return 0;
}
