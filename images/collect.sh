#!/usr/bin/env bash
# Gathers what an image holds into a folder, for Containerfiles that begin FROM scratch.
#
#   images/collect.sh FOLDER BUILD PROGRAM...
#
# FOLDER becomes the image's root: the stripped programs in usr/bin, each shared library that they
# load where the loader looks for it, the loader, /etc/passwd and /etc/group with the one user that
# containers run as, the authorities that TLS trusts, /tmp. BUILD is a release build (its bin/ has
# the programs); its share/ goes to usr/share with the cnn adaptor, whose model it is.
set -euo pipefail

folder=$1
build=$2
shift 2

rm -rf "$folder"
mkdir -p "$folder"/{etc/ssl/certs,usr/bin,usr/lib,tmp,run/fractos,data}
chmod 1777 "$folder/tmp"
# As on Debian: /lib and /lib64 are names for what is in /usr.
ln -s usr/lib "$folder/lib"
ln -s usr/lib64 "$folder/lib64"

for program in "$@"; do
  [ -x "$build/bin/$program" ] || { echo "images/collect.sh: $build/bin/$program is missing" >&2; exit 1; }
  strip -o "$folder/usr/bin/$program" "$build/bin/$program"
  if [ "$program" = fractos-adaptor-cnn ]; then
    mkdir -p "$folder/usr/share"
    cp -RL "$build/share/fractos" "$folder/usr/share/fractos"
  fi
  # "name => path (address)" for libraries, "path (address)" for the loader.
  LC_ALL=C ldd "$build/bin/$program" | awk '/=> \//{print $3} $1 ~ /^\//{print $1}'
done | sort -u | while read -r library; do
  real=$(readlink -f "$library")
  target=$folder/${library#/}
  case $library in /usr/*) ;; *) target=$folder/usr${library} ;; esac
  mkdir -p "$(dirname "$target")"
  # Debian's libraries are stripped already; ours are linked statically.
  cp -L "$real" "$target"
done

# Loaded by name at run time, so ldd does not see them: glibc's name service, and gconv is not used.
for library in libnss_files.so.2 libnss_dns.so.2 libresolv.so.2; do
  for found in /lib/*-linux-gnu/"$library"; do
    [ -e "$found" ] || continue
    mkdir -p "$folder/usr$(dirname "$found")"
    cp -L "$found" "$folder/usr$found"
  done
done

printf 'root:x:0:0:root:/root:/sbin/nologin\nfractos:x:65532:65532:fractos:/tmp:/sbin/nologin\n' \
  >"$folder/etc/passwd"
printf 'root:x:0:\nfractos:x:65532:\n' >"$folder/etc/group"
printf 'hosts: files dns\n' >"$folder/etc/nsswitch.conf"
cp -L /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
# The same files at the same time give the same image.
find "$folder" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
