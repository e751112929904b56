#!/bin/sh
# Boot a systemd in the namespaces of this process: boot.sh FOLDER PYTHON VENV SITE
#
# FOLDER/units are its units, FOLDER/etc is its /etc/vspark-exporter, VENV its /opt/vspark-exporter, PYTHON the prefix of
# its Python, and SITE is added to its packages. All that it writes is in memory, and is gone when it ends.
set -e
folder=$1 python=$2 venv=$3 site=$4
root=$folder/root
mount --make-rprivate /
mkdir -p "$root" "$folder/layers"
mount -t tmpfs tmpfs "$folder/layers"
mkdir "$folder/layers/upper" "$folder/layers/work" "$folder/layers/venv" "$folder/layers/venv-work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/layers/upper,workdir=$folder/layers/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/etc/systemd/system"
mkdir -p "$root/opt/vspark-exporter" "$root/opt/python" "$root/etc/vspark-exporter" "$root/srv/host"
mount --bind "$python" "$root/opt/python"
mount -t overlay overlay \
  -o "lowerdir=$venv,upperdir=$folder/layers/venv,workdir=$folder/layers/venv-work" "$root/opt/vspark-exporter"
cp -r "$site"/. "$root"/opt/vspark-exporter/lib/python3*/site-packages/
ln -sf /opt/python/bin/python3 "$root/opt/vspark-exporter/bin/python"
sed -i 's|^home = .*|home = /opt/python/bin|' "$root/opt/vspark-exporter/pyvenv.cfg"
sed -i '1s|.*|#!/opt/vspark-exporter/bin/python|' "$root/opt/vspark-exporter/bin/vspark-exporter"
# These services would change the machine itself.
for name in machine-id-commit modules-load remount-fs sysctl sysusers tmpfiles-setup tmpfiles-setup-dev udevd \
  udev-trigger update-utmp; do
  ln -s /dev/null "$root/etc/systemd/system/systemd-$name.service"
done
cp -r "$folder"/units/. "$root/etc/systemd/system/"
cp -r "$folder"/etc/. "$root/etc/vspark-exporter/"
mount -t tmpfs tmpfs "$root/tmp"
cd "$root"
pivot_root . srv/host
umount -l /srv/host
mount --make-rshared /
exec env -i container=other PATH="$PATH" /lib/systemd/systemd --system --unit=test.target
