/* Moments, durations and sizes as people write them: .deriva/at/TIME is a name
 * that anybody may look up. The first byte chooses a time zone. */
#include "tests/fuzz/input.h"

#include <errno.h>

#include "core/clock.h"

static const char *const zones[] = {
	"UTC",		"Europe/Berlin", "America/St_Johns",
	"Pacific/Apia", "XXX+23:59:59",	 "Africa/Monrovia",
};

static void check_time(const char *text)
{
	int64_t now = INT64_C(1790000000123456789), ns = -7, again;
	uint64_t seq = 7, seq2;
	struct err err = {""};
	char shown[64];
	int rc = time_parse(text, now, &ns, &seq, &err);

	REQUIRE(rc == 0 || rc == -EINVAL);
	if (rc < 0) {
		REQUIRE(*err.msg && ns == -7 && seq == 7);
		return;
	}
	if (seq) {
		REQUIRE(!ns && *text == '@');
		return;
	}
	time_format(ns, shown, sizeof(shown));
	REQUIRE(strlen(shown) < 40);
	REQUIRE(time_parse(shown, now, &again, &seq2, &err) == 0);
	REQUIRE(again == ns && !seq2);
}

static void check_figures(const char *text)
{
	char shown[64];
	uint64_t size;
	int64_t ns;
	int rc = duration_parse(text, &ns);

	REQUIRE(rc == 0 || rc == -EINVAL);
	if (!rc) {
		REQUIRE(ns >= 0);
		duration_format(ns, shown, sizeof(shown));
	}
	rc = size_parse(text, &size);
	REQUIRE(rc == 0 || rc == -EINVAL);
	if (!rc)
		size_format(size, shown, sizeof(shown));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *zone;
	CLEANUP_FREE char *text = NULL;

	if (!size)
		return 0;
	if (zone != zones[data[0] % ARRAY_LEN(zones)]) {
		zone = zones[data[0] % ARRAY_LEN(zones)];
		setenv("TZ", zone, 1);
	}
	text = strndup((const char *)data + 1, size - 1);
	REQUIRE(text);
	check_time(text);
	check_figures(text);
	return 0;
}
