#!/bin/bash
# The kernel keeps listings of directories, so that walking a tree a second time
# asks nobody. What comes or goes must be seen all the same: at once by whoever
# asks through the same mount, soon through another (fs/dir.c). Longer:
# STEPS=5000 SEED=7 LIMIT=9999; NAMES=100000.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
HERE=$(dirname "$(realpath "$0")")

test_listings_are_never_stale()
{
	mount_at "$S" "$T/other"
	"$PYTHON" "$HERE/listing.py" model "$M" "$T/other" "${STEPS:-150}" \
		"${SEED:-1}"
	"$DERIVA" umount "$T/other"
}

test_places_in_a_listing_last()
{
	"$PYTHON" "$HERE/listing.py" seek "$M" "${NAMES:-2000}" "${SEED:-1}"
}

# Restoring changes names through another way than making them.
test_what_is_restored_is_listed()
{
	local before

	mkdir "$M/d"
	touch "$M/d/a" "$M/d/b"
	before=$(moment)
	rm "$M/d/a"
	touch "$M/d/c"
	eq $'b\nc' "$(ls "$M/d")"
	"$DERIVA" restore "$M/d" --at "$before"
	eq $'a\nb' "$(ls "$M/d")"
}

# A derived name that comes into the way of nothing: the directory is opened
# before it has any recipe, and read by that descriptor ever after.
test_a_recipe_comes_to_an_open_directory()
{
	mkdir "$M/s" "$M/d"
	"$PYTHON" - "$M" <<-'END'
		import os, sys
		top = sys.argv[1]
		fd = os.open(top + "/d", os.O_RDONLY)
		def want(*names):
		    for got in (os.listdir(fd), os.listdir(top + "/d")):
		        if sorted(got) != sorted(names):
		            sys.exit(f"want {names} got {got}")
		want()
		with open(top + "/d/%.n.recipe", "w") as f:
		    f.write('in: ["../s/%"]\nfn: count\n')
		want("%.n.recipe")
		open(top + "/s/a", "w").close()
		want("%.n.recipe", "a.n")
		open(top + "/s/b", "w").close()
		want("%.n.recipe", "a.n", "b.n")
		os.unlink(top + "/s/a")
		want("%.n.recipe", "b.n")
		os.unlink(top + "/d/%.n.recipe")
		want()
	END
}

run_tests "$@"
