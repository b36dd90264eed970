# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# The images that machines boot from: minimal Debians, made once by mmdebstrap, kept in muster's cache.
#
#   machine_images        their names, one a line
#   machine_image NAME    makes it unless it is there, and tells its folder
#
# MACHINES_SINCE=bookworm in the environment: no older release boots, its place is taken by that one. For programs that
# are linked with the C library of the machine they were made on, as sanitized ones are.

declare -gA MACHINE_IMAGES=(
	[bullseye-wget]="bullseye wget"
	[bookworm-curl]="bookworm curl"
	[bookworm-wget]="bookworm wget"
	[trixie-none]="trixie"
)

# What would write on its own, at times of its own, and is nothing to a test.
IMAGE_MASKED="apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
	e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer console-getty.service getty@.service"

machine_images()
{
	printf '%s\n' "${!MACHINE_IMAGES[@]}" | sort
}

machine_image()
{
	local recipe cache image

	[[ ${MACHINES_SINCE:-} != bookworm ]] || set -- "${1/bullseye/bookworm}"
	recipe=${MACHINE_IMAGES[$1]:-}
	[[ -n $recipe ]] || machines_fail "no image '$1'; there are: $(machine_images | xargs)" || return
	cache=${MUSTER_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/muster}/machines
	image=$({ declare -f image_bootstrap && echo "$recipe $IMAGE_MASKED"; } | sha256sum)
	image=$cache/$1-${image:0:12}
	if [[ ! -d $image ]]; then
		mkdir -p "$cache"
		(
			flock 9
			[[ -d $image ]] || image_make "$1" "$image" "$recipe"
		) 9>"$cache/$1.lock" >&2 || return
	fi
	echo "$image"
}

# Into a folder of its own first: an image is there wholly or not at all.
image_make()
{
	local name=$1 image=$2 suite packages work mirror

	[[ $EUID == 0 ]] || machines_fail "only root can make images" || return
	read -r suite packages <<<"$3"
	work=$(mktemp -d "$image.XXXXXX") || return
	echo "machines: making the image $name, once (about 20 seconds)"
	mirror=$("$MACHINES_HOME/../../installer/deps.sh" mirror "$suite")
	for mirror in "$mirror" http://archive.debian.org/debian; do
		# mmdebstrap's shell can't name descriptors of two digits.
		if (close_inherited && image_bootstrap "$suite" "$packages" "$work/root" "$mirror") \
			>>"$work/log" 2>&1; then
			mv "$work/root" "$image" && rm -rf "$work"
			return
		fi
		rm -rf "$work/root"
	done
	tail -n 40 "$work/log"
	rm -rf "$work"
	machines_fail "the image $name could not be made"
}

image_bootstrap()
{
	local suite=$1 packages=$2 root=$3 mirror=$4 proxy

	proxy=$(apt-config dump --format '%F "%v";%n' Acquire | grep -E '^Acquire::https?::Proxy ' | tr '\n' ' ')
	# shellcheck disable=SC2016 # "$1" is the hooks'
	mmdebstrap --mode=root --variant=minbase ${proxy:+--aptopt="$proxy"} \
		--include="systemd systemd-sysv dbus $packages" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--customize-hook='for c in gzip base64 sha256sum find useradd runuser; do
			chroot "$1" sh -c "command -v $c" || exit; done' \
		--customize-hook="chroot \"\$1\" systemctl mask $(echo "$IMAGE_MASKED" | xargs)" \
		--customize-hook='cd "$1/etc" && rm -f resolv.conf hostname && : >resolv.conf && : >machine-id' \
		"$suite" "$root" \
		"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
}
